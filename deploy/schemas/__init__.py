"""The contracts of the topics as documents, made from the events: JSON Schemas, AsyncAPI, a page.

    python -m deploy.schemas            write them
    python -m deploy.schemas --check    fail when they are out of date or break what was committed

docs/contracts.md says what is promised.
"""
