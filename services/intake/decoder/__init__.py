"""Decodes images of unknown origin in child processes that can be killed.

`process.py` is the parent's side, `worker.py` the program of the child, `confine.py` what the child may do, and
`protocol.py` what the two say to each other. docs/intake.md lists the limits and what is not enforced.
"""
