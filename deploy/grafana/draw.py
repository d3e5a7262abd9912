"""One panel by matplotlib, in the manner of Grafana."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from deploy.grafana.observed import ObservedRun
from deploy.grafana.screen import Panel, PanelKind
from deploy.grafana.words import largest, legend_of, newest, worded
from deploy.prometheus.server import Series

_NAMED: Final = 9
"""Series that a legend names; the others are drawn without."""
_NAME, _DIGEST = 40, 16
"""Longest label that a table's cell shows whole, and what it shows of longer ones."""
_BARS: Final = 12
"""Bars of a panel, lines of a table."""
_COLOURS: Final = (
    "#5794f2", "#73bf69", "#f2cc0c", "#ff780a", "#b877d9", "#e02f44", "#37872d", "#1f60c4", "#8ab8ff", "#fa6400",
)  # fmt: skip
Named = tuple[str, Series]


def draw_panel(axis: Axes, panel: Panel, run: ObservedRun) -> None:
    """Draw a panel's series, the largest first."""
    axis.set_title(panel.title, loc="left", size=10)
    axis.set_facecolor("white")
    found = [
        (legend_of(query.legend, series.labels), series)
        for query in panel.queries
        for series in run.over(query.expression)
        if newest(series) is not None
    ]
    size = largest if panel.kind is PanelKind.LINES else newest
    found.sort(key=lambda named: size(named[1]) or 0.0, reverse=True)
    _DRAW[panel.kind](axis, panel, found, run.begin)
    if panel.kind is PanelKind.LINES:
        axis.set_xlim(0, (run.end - run.begin) / 60)


def _lines(axis: Axes, panel: Panel, found: list[Named], begin: float) -> None:
    for number, (name, series) in enumerate(found):
        minutes = [(at - begin) / 60 for at, _ in series.points]
        values = [value for _, value in series.points]
        label = name if number < _NAMED else "_"
        axis.plot(minutes, values, color=_COLOURS[number % len(_COLOURS)], linewidth=1.2, label=label)
    if panel.limit is not None and axis.get_ylim()[1] > panel.limit / 3:
        axis.axhline(panel.limit, color="#e02f44", linestyle="--", linewidth=1)
    axis.set_ylim(bottom=0)
    axis.yaxis.set_major_locator(MaxNLocator(5))
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: worded(value, panel.unit)))
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g} min"))
    axis.tick_params(labelsize=7.5)
    axis.grid(color="#e4e7eb", linewidth=0.6)
    axis.spines[["top", "right"]].set_visible(False)
    if any(name for name, _ in found):
        axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=3, fontsize=7, frameon=False)


def _bars(axis: Axes, panel: Panel, found: list[Named], _: float) -> None:
    shown = found[:_BARS]
    values = [newest(series) or 0.0 for _, series in shown]
    colours = [_COLOURS[number % len(_COLOURS)] for number in range(len(shown))]
    places = range(len(shown))
    axis.barh(places, values, color=colours, height=0.7)
    for place, value in zip(places, values, strict=True):
        axis.text(value, place, f" {worded(value, panel.unit)}", va="center", size=8)
    axis.set_yticks(places, [name for name, _ in shown], size=8)
    axis.set_ylim(len(shown) - 0.4, -0.6)
    axis.set_xticks([])
    axis.margins(x=0.15)
    axis.spines[["top", "right", "bottom"]].set_visible(False)
    if len(found) > len(shown):
        axis.set_xlabel(f"and {len(found) - len(shown)} smaller", size=7.5)


def _numbers(axis: Axes, panel: Panel, found: list[Named], _: float) -> None:
    axis.set_axis_off()
    for number, (name, series) in enumerate(found):
        value = newest(series) or 0.0
        colour = "#e02f44" if panel.limit is not None and value >= panel.limit else "#37872d"
        place = (number + 0.5) / len(found)
        axis.text(place, 0.5, worded(value, panel.unit), ha="center", va="center", size=16, color=colour)
        axis.text(place, 0.08, name, ha="center", va="center", size=8)


def _table(axis: Axes, panel: Panel, found: list[Named], _: float) -> None:
    axis.set_axis_off()
    names = sorted({label for _, series in found for label in series.labels if label != "__name__"})
    cells = [
        [*(_cell(series.labels.get(name, "")) for name in names), worded(newest(series) or 0.0, panel.unit)]
        for _, series in found[:_BARS]
    ]
    if cells:
        drawn = axis.table(cells, colLabels=[*names, "value"], loc="upper center", cellLoc="left", edges="horizontal")
        drawn.auto_set_font_size(False)
        drawn.set_fontsize(8)


def _cell(label: str) -> str:
    """Digests are cut, names are not."""
    return label if len(label) <= _NAME else label[:_DIGEST]


_DRAW: Final[dict[PanelKind, Callable[[Axes, Panel, list[Named], float], None]]] = {
    PanelKind.LINES: _lines,
    PanelKind.BARS: _bars,
    PanelKind.NUMBERS: _numbers,
    PanelKind.TABLE: _table,
}
