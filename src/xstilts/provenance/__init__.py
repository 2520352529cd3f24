"""What a file is, and the proof of it.

In: values, files, modules of this library. Out: digests, stamps, run records.
Decides no result; writes only the stamp and the record that it is asked for.
"""
