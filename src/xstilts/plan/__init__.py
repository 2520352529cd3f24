"""Plan: what a study costs before anything is submitted, and afterwards whether that was true.

    seconds of a job = start-up + tokens it trains on / rate + tokens it reads / rate

Everything is as good as what is known, and says how it is known. `sizes` tells how large the
examples are, `tokens` what a job reads of them, `rates` how fast; `jobs` puts them together,
`wall_time` lays the jobs on devices, `showing` says it, `truth` compares it with what happened.
"""
