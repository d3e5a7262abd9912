"""What the commands share for printing: tables for people, JSON for scripts."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from pydantic_core import to_jsonable_python
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]


def console() -> Console:
    """Return a console on stdout; made anew so that it follows a redirected stdout."""
    return Console(highlight=False, soft_wrap=False)


def errors() -> Console:
    """Return a console on stderr, for progress and remarks that are not the answer."""
    return Console(stderr=True, highlight=False)


def print_json(value: Any) -> None:
    """Print one JSON document on one line; datetimes become ISO 8601, paths strings."""
    typer.echo(json.dumps(to_jsonable_python(value), ensure_ascii=False))


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    """Build a table; a cell's text is shown as it is, never read as markup. Columns ending in `#` are numbers."""
    result = Table(
        title=title, title_justify="left", title_style="bold", header_style="bold", box=box.SIMPLE_HEAD, pad_edge=False
    )
    for column in columns:
        number = column.endswith("#")
        result.add_column(column.removesuffix("#"), justify="right" if number else "left", overflow="fold")
    for row in rows:
        result.add_row(*(escape("" if cell is None else str(cell)) for cell in row))
    return result


def moment(when: datetime | None) -> str:
    """Write a point in time in UTC, to the second."""
    return "" if when is None else when.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def seconds(duration: float) -> str:
    """Write a duration for people: 850 ms, 12.3 s, 4 min, 3.5 h, 2 d."""
    if duration < 1:
        return f"{duration * 1000:.0f} ms"
    for limit, unit, name, digits in ((60, 1, "s", 1), (3600, 60, "min", 0), (86_400, 3600, "h", 1)):
        if duration < limit:
            return f"{duration / unit:.{digits}f} {name}"
    return f"{duration / 86_400:.0f} d"
