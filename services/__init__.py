"""The services of the streaming phenotyping system: one folder per service, and `common` for shared code."""

__version__ = "0.1.0"
