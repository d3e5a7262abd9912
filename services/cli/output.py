"""What all commands print with: tables for people, tab-friendly lines in a pipe, JSON for scripts.

Every module of `services.cli` may import this one at its top: rich is loaded only when something is printed.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
    from rich.segment import Segment
    from rich.table import Table
    from rich.text import Text

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]
FullOption = Annotated[bool, typer.Option("--full", help="Print digests in full, not only their first 12 characters.")]
_PIPE_WIDTH: Final = 100_000
"""Columns of output that goes into a pipe or a file: no line is ever wrapped."""
_LEAST_TEXT: Final = 24
"""Fewest columns in which running text is still readable; narrower, a row becomes lines of `column: value`."""
_SHORT_DIGEST: Final = 12
_COMMANDS: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Characters that a terminal obeys instead of showing them."""


def console() -> Console:
    """Return a console on stdout, a new one each time so that it follows a redirected stdout.

    On a terminal it is as wide as the terminal; in a pipe or a file no line is wrapped.
    """
    return _safe_console()(highlight=False, soft_wrap=False, width=None if sys.stdout.isatty() else _PIPE_WIDTH)


def errors() -> Console:
    """Return a console on stderr, for progress and remarks that are not the result."""
    return _safe_console()(stderr=True, highlight=False)


def visible(text: str) -> str:
    r"""Write control characters as escapes (`\x1b`), so that no field can command a terminal; keep line ends and tabs.

    Fields come from centres. Characters that reverse the direction of writing count too.
    """
    return _COMMANDS.sub(lambda found: ascii(found[0])[1:-1], text)


@cache
def _safe_console() -> type[Console]:
    """Return rich's console with `visible` applied to everything that is not rich's own code."""
    from rich.console import Console
    from rich.segment import Segment

    class SafeConsole(Console):
        def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
            for segment in super().render(renderable, options):
                yield segment if segment.control else Segment(visible(segment.text), segment.style)

    return SafeConsole


def print_json(value: Any) -> None:
    """Print one JSON document on one line; datetimes become ISO 8601, paths strings."""
    from pydantic_core import to_jsonable_python

    text = json.dumps(to_jsonable_python(value), ensure_ascii=False)
    typer.echo(_COMMANDS.sub(lambda found: f"\\u{ord(found[0]):04x}", text))


class Sheet:
    """A table that stays readable at any width.

    It is a table as long as every cell fits, where columns of running text may wrap down to 24 characters. Where it
    does not fit, each row is printed as lines of `column: value`.
    """

    def __init__(self, title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """Take the cells as they are; nothing in them is read as markup."""
        self._title = title
        self._columns = tuple(columns)
        # Escaped here already, because rich drops some control characters and an escape needs its width.
        self._rows = [tuple("" if cell is None else visible(str(cell)) for cell in row) for row in rows]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Render the table, or the rows one below the other."""
        from rich.measure import Measurement
        from rich.text import Text

        if not self._rows:
            yield Text(f"{self._title}: none" if self._title else "none", style="bold")
            return
        drawn = self._drawn()
        if Measurement.get(console, options.update(max_width=_PIPE_WIDTH), drawn).minimum <= options.max_width:
            yield drawn
        else:
            yield from self._listed()

    def _drawn(self) -> Table:
        from rich import box
        from rich.markup import escape
        from rich.table import Table

        result = Table(
            title=self._title or None,
            title_justify="left",
            title_style="bold",
            header_style="bold",
            box=box.SIMPLE_HEAD,
            pad_edge=False,
        )
        for number, column in enumerate(self._columns):
            text = column.endswith("~")
            longest = max(len(row[number]) for row in self._rows)
            result.add_column(
                column.rstrip("#~"),
                justify="right" if column.endswith("#") else "left",
                overflow="fold",
                no_wrap=not text,
                min_width=min(longest, _LEAST_TEXT) if text else None,
            )
        for row in self._rows:
            result.add_row(*map(escape, row))
        return result

    def _listed(self) -> Iterable[Text]:
        from rich.text import Text

        if self._title:
            yield Text(self._title, style="bold")
        for row in self._rows:
            yield Text("")
            for column, cell in zip(self._columns, row, strict=True):
                if cell:
                    name = column.rstrip("#~")
                    yield Text(f"{name}: {cell}" if name else cell, overflow="fold")
        yield Text("")


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Sheet:
    """Build a table. Columns that end in `#` are numbers, those that end in `~` running text that may wrap."""
    return Sheet(title, columns, rows)


def facts(title: str, pairs: Iterable[tuple[str, object]]) -> Text:
    """Write one `key: value` line per pair, for long values; nothing in them is read as markup."""
    from rich.text import Text

    lines = [visible(f"{key}: {value}") for key, value in pairs if value not in {None, ""}]
    return Text.assemble((f"{title}\n", "bold"), "\n".join(lines), "\n", overflow="fold")


def short(digest: str | None, *, full: bool = False) -> str:
    """Return the first 12 characters of a digest, or all with `full`."""
    return (digest or "") if full else (digest or "")[:_SHORT_DIGEST]


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
