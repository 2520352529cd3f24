"""YAML to typed values: studies, cards, hyperparameters, languages.

In: YAML files and one table. Out: validated models, or every problem at once.
Reads only the files it is given; writes nothing.
"""
