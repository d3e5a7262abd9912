"""The real PostgreSQL of the sink's tests."""

from tests.ledger.conftest import _migrated, dsn, ledger, postgres, reader

__all__ = ["_migrated", "dsn", "ledger", "postgres", "reader"]
