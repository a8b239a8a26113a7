"""The order of the stages: one module a job, and beside it what that job resumes or requires.

A stage knows none of its neighbours; this room knows them all.
"""
