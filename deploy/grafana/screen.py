"""Description of a dashboard, from which `build` generates Grafana's JSON."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

COLUMNS: Final = 24
"""Width of Grafana's grid."""


class PanelKind(StrEnum):
    """How a panel shows its values: over time, or only the newest (numbers, bars, a table)."""

    LINES = "timeseries"
    NUMBERS = "stat"
    BARS = "bargauge"
    TABLE = "table"


class Unit(StrEnum):
    """Grafana's unit ids."""

    COUNT = "short"
    SECONDS = "s"
    SHARE = "percentunit"
    BYTES = "bytes"
    BYTES_RATE = "Bps"
    PER_SECOND = "cps"
    PER_HOUR = "suffix:/h"


@dataclass(frozen=True)
class PanelQuery:
    """A PromQL expression. `legend` names its series from labels in Grafana's syntax: `{{stage}}`."""

    expression: str
    legend: str


@dataclass(frozen=True)
class Panel:
    """One panel. `explains` is its description; `limit` is drawn as a line or colours a number."""

    title: str
    explains: str
    kind: PanelKind
    unit: Unit
    queries: tuple[PanelQuery, ...]
    width: int = 8
    limit: float | None = None


@dataclass(frozen=True)
class PanelRow:
    """Panels under one heading."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True)
class Screen:
    """One dashboard. With `by_centre`, the user selects centres; expressions refer to them as `$centre`."""

    uid: str
    title: str
    explains: str
    rows: tuple[PanelRow, ...]
    by_centre: bool = False

    def panels(self) -> tuple[Panel, ...]:
        """Return every panel, from top to bottom."""
        return tuple(panel for row in self.rows for panel in row.panels)


def lines(
    title: str, explains: str, unit: Unit, *queries: tuple[str, str], width: int = 8, limit: float | None = None
) -> Panel:
    """Return a panel over time of (expression, legend) pairs."""
    return Panel(title, explains, PanelKind.LINES, unit, tuple(PanelQuery(*query) for query in queries), width, limit)


def numbers(
    title: str, explains: str, unit: Unit, *queries: tuple[str, str], width: int = 4, limit: float | None = None
) -> Panel:
    """Return a panel of the newest values as large numbers."""
    return Panel(title, explains, PanelKind.NUMBERS, unit, tuple(PanelQuery(*query) for query in queries), width, limit)


def bars(title: str, explains: str, unit: Unit, *queries: tuple[str, str], width: int = 8) -> Panel:
    """Return a panel of the newest values as bars."""
    return Panel(title, explains, PanelKind.BARS, unit, tuple(PanelQuery(*query) for query in queries), width)


def table(title: str, explains: str, unit: Unit, *queries: tuple[str, str], width: int = 12) -> Panel:
    """Return a panel of the newest values as a table with one column per label."""
    return Panel(title, explains, PanelKind.TABLE, unit, tuple(PanelQuery(*query) for query in queries), width)
