"""What an artefact is, and its proof: digests, stamps, run records.

In: values, files, modules of this library. Out: digests, stamps, run records.
Decides no result; writes only stamps and run records.
"""
