"""The types of task, a folder each.

In: examples. Out: features, outputs, a loss, predictions, official scores.
A new type is a new folder and one line in `registry`; no other module names a type.
"""
