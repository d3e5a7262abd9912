"""The contracts of the topics, generated from the events: JSON Schemas, an AsyncAPI document, docs/contracts.md.

    python -m deploy.schemas            write them
    python -m deploy.schemas --check    fail if they are out of date or break a committed schema

docs/contracts.md states the promises.
"""
