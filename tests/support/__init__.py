"""Helpers of the tests: small encoders, worlds of files, web sites, projects, a Slurm."""
