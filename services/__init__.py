"""The services of the streaming phenotyping system; one folder a process, `common` for what they share."""

__version__ = "0.1.0"
