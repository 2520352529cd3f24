"""Raw files in their original formats to examples. One module is one reader.

A card names its reader; ``xstilts.data.readers.<name>.read(files, language, **options)`` yields
rows in the schema of the card's task type. ``files`` holds the raw files by part name. What a
reader cannot understand is a `MalformedFile` with file and line, never a guess.
"""
