"""Readers turn raw files in their original formats into examples. One module is one reader.

A card names its reader; ``xstilts.data.readers.<name>.read(files, language, **options)`` yields
rows with the columns of the card's task type. ``files`` holds the raw files by part name. A reader
never guesses: content that it does not know is a `MalformedFile` with file and line.
"""
