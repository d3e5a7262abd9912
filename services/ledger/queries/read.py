"""Run a query and read its rows as dataclasses or dictionaries.

Queries are never prepared: only a plan made for the very values drops the conditions that were left open.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, LiteralString, TypeVar

from psycopg.rows import class_row, dict_row

from services.ledger.database import Connection, sorted_errors

Row = TypeVar("Row")


def rows(connection: Connection, row_type: type[Row], query: LiteralString, **values: Any) -> list[Row]:
    """Return all rows, each as a `row_type` whose fields are the query's columns."""
    with sorted_errors("read the ledger"), connection.cursor(row_factory=class_row(row_type)) as cursor:
        return cursor.execute(query, values, prepare=False).fetchall()


def mappings(connection: Connection, query: LiteralString, **values: Any) -> list[Mapping[str, Any]]:
    """Return all rows, each as a mapping from column to value."""
    with sorted_errors("read the ledger"), connection.cursor(row_factory=dict_row) as cursor:
        return [*cursor.execute(query, values, prepare=False)]
