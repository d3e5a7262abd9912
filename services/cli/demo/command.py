"""`xray demo`."""

from __future__ import annotations

import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Final

import typer

from services.cli.demo.display import Display
from services.cli.demo.tables import account
from services.cli.output import JsonOption, console, errors, print_json
from services.common.environment import CLONE, stack_folder
from services.demo.cohort import CohortRequest
from services.demo.outcome import DemoOutcome, label_figures, quantile
from services.demo.run import DemoOptions, run
from services.demo.sending import DemoResult

app = typer.Typer(add_completion=False, rich_markup_mode="markdown")

_FOLDER: Final = CLONE / ".demo"


@app.command()
def demo(
    *,
    specimens: Annotated[int, typer.Option(min=2, max=1000, help="How many simulated mice.")] = 60,
    seed: Annotated[int, typer.Option(min=0, help="Another seed, other mice.")] = 1,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the servers running afterwards.")] = False,
    folder: Annotated[
        Path, typer.Option(help="Images, logs and pictures.", show_default=".demo of the clone")
    ] = _FOLDER,
    as_json: JsonOption = False,
) -> None:
    """Send simulated mice through the real system and show the calls beside the truth.

    Starts Apache Kafka, SeaweedFS, Triton and PostgreSQL (or uses the local stack that runs), creates topics and
    tables, starts the five services, renders X-ray files in the manner of nine centres, some late, sent twice, under
    the wrong parameter, corrupt or badly exposed, pushes them, and follows them to calls in PostgreSQL.

    The servers are left as they were found. Every run uses new specimen ids. Exit code 1 when a call is missing that
    should be there. The first run downloads the servers and renders the mice; later ones take about a minute.

    Examples:

        xray demo
        xray demo --keep && xray calls && xray rejections list
        xray demo --specimens 10 --json | jq .level1
    """
    options = DemoOptions(CohortRequest(specimens, seed), folder, stack_folder(), keep)
    display = Display(errors() if as_json else console())
    with display.shown():
        result = run(options, display)
    if as_json:
        print_json(_document(result))
    else:
        _print(result, folder, keep=keep)
    if result.outcome.missing:
        typer.echo(f"xray: no call for {', '.join(result.outcome.missing)}; logs are in {folder / 'logs'}", err=True)
        raise typer.Exit(1)


def _print(result: DemoResult, folder: Path, *, keep: bool) -> None:
    out = console()
    # A pipe or a CI log has no width of its own; tables of 80 columns would fold every id.
    if not out.is_terminal:
        out.width = max(shutil.get_terminal_size().columns, 140)
    for part in account(result.outcome):
        out.print(part)
    out.print("Pictures to look at:", *(f"  {path}" for path in result.pictures), sep="\n", soft_wrap=True)
    out.print(f"Images as sent: {folder / 'cohort'}; logs of the services: {folder / 'logs'}", soft_wrap=True)
    if keep:
        out.print("The servers still run: try `xray calls`, `xray status`; `xray stack down` stops them.")


def _document(result: DemoResult) -> dict[str, object]:
    outcome: DemoOutcome = result.outcome
    figures = label_figures(outcome.judged)
    return {
        "specimens": len(outcome.specimens),
        "calls": len(outcome.judged),
        "missing": outcome.missing,
        "level1": asdict(figures[0]),
        "labels": [asdict(figure) for figure in figures[1:]],
        "good_files_refused": outcome.wrongly_refused,
        "files": [{"sent_as": sent, "became": became, "files": n} for (sent, became), n in outcome.fates.items()],
        "stages": {
            stage: {"median_seconds": quantile(times, 0.5), "p99_seconds": quantile(times, 0.99), "of": len(times)}
            for stage, times in outcome.stages().items()
            if times
        },
        "seconds": dict(outcome.seconds),
        "pictures": list(result.pictures),
    }
