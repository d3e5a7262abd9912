"""`xray statistics`.

`xray statistics`: what each centre sent, window by window, and what has drifted.
"""

from __future__ import annotations

from contextlib import closing
from typing import Annotated

import typer

from services.cli.output import JsonOption, console, errors, moment, print_json, table
from services.common.events import CentreStatistics
from services.common.labels import LABEL_ORDER
from services.common.settings import load
from services.monitor.history import StatisticsHistory
from services.monitor.settings import MonitorSettings
from services.operations.statistics import ALL_WINDOWS, recompute

app = typer.Typer(add_completion=False, rich_markup_mode="markdown")
_COLUMNS = (
    "centre",
    "window (UTC)",
    "images#",
    "accepted#",
    "rejected#",
    "calls#",
    "abnormal#",
    "uncertain#",
    "disagreement#",
    "drifted",
    "",
)


@app.command()
def statistics(
    *,
    centre: Annotated[str | None, typer.Option(help="Only this centre's.")] = None,
    last: Annotated[int, typer.Option(min=1, help="So many windows of each centre.")] = 7,
    recount: Annotated[
        bool, typer.Option("--recompute", help="First count every closed window anew and publish those counted short.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show the closed windows of each centre, the oldest first: counts, shares of the calls, what has drifted.

    The monitor publishes a window on `centre.statistics` when it closes (docs/monitor.md). Windows marked "may be
    short" saw a restart of the monitor; `--recompute` mends them from the topics. Exact counts are the ledger's.

    Examples:

        xray statistics --centre JAX --last 30
        xray statistics --recompute
    """
    settings = load(MonitorSettings)
    if recount:
        published = recompute(settings)
        errors().print(f"{len(published)} windows had been counted short and were published again.")
    windows = _windows(settings, centre, last)
    if as_json:
        for window in windows:
            print_json(window)
    else:
        console().print(table("Closed windows", _COLUMNS, [_cells(window) for window in windows]))


def _windows(settings: MonitorSettings, centre: str | None, last: int) -> list[CentreStatistics]:
    with closing(StatisticsHistory(settings, settings.monitor_window_seconds, ALL_WINDOWS)) as history:
        history.refresh()
        newest = sorted(history.newest(), key=lambda window: window.centre)
        return [
            window
            for one in newest
            if centre in {None, one.centre}
            for window in history.before(one.centre, int(one.window_end.timestamp()), last)
        ]


def _cells(window: CentreStatistics) -> tuple[object, ...]:
    return (
        window.centre,
        moment(window.window_start),
        window.images,
        window.accepted,
        sum(window.rejected.values()),
        window.calls,
        _share(window.positive[LABEL_ORDER[0]], window.calls),
        _share(window.uncertain, window.calls),
        _share(window.disagreement, window.calls),
        ", ".join(one.measure for one in window.drift if one.drifted),
        "may be short" if window.interrupted else "",
    )


def _share(count: int, of: int) -> str:
    return f"{count / of:.0%}" if of else ""
