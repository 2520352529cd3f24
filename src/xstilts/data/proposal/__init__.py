"""A card for a data set that has none: its files, its languages and its columns, looked at.

`tables` finds the splits and languages of a local folder or of a data set on the Hub, `columns`
proposes a task type and the options of its reader, `card` puts the card together.
"""
