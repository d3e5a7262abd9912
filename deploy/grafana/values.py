"""Every panel's newest values in words: the dashboards where there is no Grafana to show them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from deploy.grafana.observed import ObservedRun
from deploy.grafana.screen import Panel, PanelKind
from deploy.grafana.screens import SCREENS
from deploy.grafana.words import largest, legend_of, newest, worded
from deploy.prometheus.server import Series

_TOLD: Final = 4
"""Series of a panel that are told."""


@dataclass(frozen=True)
class Told:
    """A panel with its values in words; none if no query of it has one."""

    dashboard: str
    panel: str
    values: str

    def __str__(self) -> str:
        """One line."""
        return f"{self.dashboard}: {self.panel}: {self.values or 'no value'}"


def told(run: ObservedRun) -> Iterator[Told]:
    """Ask for every panel of every dashboard; the largest series first, lines by their peak. Raises QueryRefused."""
    for screen in SCREENS:
        for panel in screen.panels():
            yield Told(screen.title, panel.title, _values(panel, run))


def _values(panel: Panel, run: ObservedRun) -> str:
    value = largest if panel.kind is PanelKind.LINES else newest
    found = [
        (number, _name(query.legend, series))
        for query in panel.queries
        for series in run.over(query.expression)
        if (number := value(series)) is not None
    ]
    found.sort(reverse=True)
    words = [f"{name} {worded(number, panel.unit)}".strip() for number, name in found[:_TOLD]]
    more = [f"and {len(found) - _TOLD} more"] if len(found) > _TOLD else []
    return ", ".join(words + more)


def _name(legend: str, series: Series) -> str:
    """A table has no legend: its rows are named by their labels."""
    labels = " ".join(value for label, value in sorted(series.labels.items()) if label != "__name__")
    return legend_of(legend, series.labels) if legend else labels
