"""`xray statistics`: what each centre sent, window by window, and what has drifted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import typer

from services.cli.options import require_known
from services.cli.output import JsonOption, console, errors, moment, print_json, table

if TYPE_CHECKING:
    from services.common.events import CentreStatistics
    from services.monitor.settings import MonitorSettings

app = typer.Typer(add_completion=False)
_COLUMNS: Final = (
    "centre",
    "window (UTC)",
    "images#",
    "accepted#",
    "rejected#",
    "calls#",
    "abstained#",
    "abnormal#",
    "uncertain#",
    "disagreement#",
    "drifted~",
    "remark",
)


@app.command()
def statistics(
    *,
    centre: Annotated[str | None, typer.Option(help="Only windows of this centre.")] = None,
    last: Annotated[int, typer.Option(min=1, help="Number of windows per centre.")] = 7,
    recompute: Annotated[
        bool,
        typer.Option("--recompute", help="First count every closed window again and publish those counted short."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show the closed windows of each centre, oldest first: counts, shares of the calls, what has drifted.

    The monitor publishes a window on `centre.statistics` when it closes (docs/monitor.md). A window marked "may be
    short" was open while the monitor restarted; `--recompute` corrects it from the topics. Exact counts are in the
    ledger.

    Examples:

        xray statistics --centre JAX --last 30
        xray statistics --recompute
    """
    from services.common.settings import load
    from services.monitor.settings import MonitorSettings
    from services.operations import statistics as operations
    from services.operations.servers import require

    settings = load(MonitorSettings)
    require(settings, "kafka")
    if recompute:
        published = operations.recompute(settings)
        errors().print(f"{len(published)} windows had been counted short and were published again.")
    windows = operations.closed_windows(settings, last)
    if centre is not None and centre not in windows:
        _require_centre(settings, centre, {*windows})
    chosen = [one for name in sorted(windows) if centre in {None, name} for one in windows[name]]
    if as_json:
        for window in chosen:
            print_json(window)
        return
    if chosen:
        console().print(table("Closed windows", _COLUMNS, map(_cells, chosen)))
    else:
        console().print(
            f"No window has closed yet; the current one closes at {moment(operations.next_close(settings))} UTC."
        )


def _require_centre(settings: MonitorSettings, centre: str, known: set[str]) -> None:
    """Raise typer.BadParameter for a centre that neither the statistics nor the ledger have seen."""
    from services.ledger.database import ledger
    from services.ledger.queries import known_centres
    from services.operations.servers import require

    require(settings, "postgres")
    with ledger(settings) as connection:
        require_known(centre, known | known_centres(connection), "centre", "--centre")


def _cells(window: CentreStatistics) -> tuple[object, ...]:
    from services.common.labels import LABEL_ORDER

    return (
        window.centre,
        moment(window.window_start),
        window.images,
        window.accepted,
        sum(window.rejected.values()),
        window.calls,
        window.abstained,
        _share(window.positive[LABEL_ORDER[0]], window.calls),
        _share(window.uncertain, window.calls),
        _share(window.disagreement, window.calls),
        ", ".join(one.measure for one in window.drift if one.drifted),
        "may be short" if window.interrupted else "",
    )


def _share(count: int, of: int) -> str:
    return f"{count / of:.0%}" if of else ""
