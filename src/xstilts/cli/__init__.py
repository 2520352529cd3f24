"""The command ``xstilts``: a file a subcommand.

In: command-line arguments. Out: text or JSON, an exit status.
Nothing heavy is imported before a subcommand needs it.
"""
