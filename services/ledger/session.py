"""The ledger for commands that read it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

from services.common.settings import Settings
from services.ledger.database import Connection, connect


@contextmanager
def ledger(settings: Settings) -> Iterator[Connection]:
    """Connect to PostgreSQL; raises Retriable when it is away, Fatal when XRAY_POSTGRES_DSN is wrong."""
    with closing(connect(settings.postgres_dsn.get_secret_value(), "xray-cli")) as connection:
        yield connection
