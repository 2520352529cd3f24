"""How a job lives beside other jobs: locks, heartbeats, job states, GPU slots.

In: paths that jobs share. Out: who may work, which job runs, failed or died.
Decides no number; touches only its own lock and state files.
"""
