"""Cards: what a task, an encoder and a language are, as YAML files and one table.

A card says everything about its subject once: where the bytes come from, how they are read, what
is scored, who must be cited. Adding a task of a known format takes a card and no code.

    config/tasks/<task>.yaml · config/encoders/<encoder>.yaml · config/languages.tsv
"""
