"""The embedded benchmark: small multilingual tasks of words that ship inside two Python packages.

In: Babel's and Django's data (extra ``demo``), two wheels of an encoder. Out: rows of examples and
an encoder's folder, which xstilts asks for by the entry points in pyproject.toml. It is a
demonstration and a regression benchmark: a change of one row changes every recorded number.
"""
