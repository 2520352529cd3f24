"""Raw files to examples.

In: a card and where its files lie. Out: ``<language>.parquet`` and its stamp.
Writes under ``resources/``; only `sources` uses the network.
"""
