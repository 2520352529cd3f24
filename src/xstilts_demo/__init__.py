"""The embedded benchmark: small multilingual tasks made of words that ship inside PyPI packages.

Nothing is downloaded, so the whole workflow can be shown and tested on any machine. It is a
demonstration and a regression benchmark; no scientific claim rests on it. `build.py` is the entry,
`facts.py` says what is known, `targets.py` and `intermediates.py` ask about it.
"""
