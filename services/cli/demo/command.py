"""`xray demo`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from services.cli.output import JsonOption, console, errors, print_json
from services.common.environment import stack_folder, work_folder

if TYPE_CHECKING:
    from services.demo.run import DemoOptions
    from services.demo.sending import DemoProgress, DemoResult

app = typer.Typer(add_completion=False, rich_markup_mode="markdown")

_FOLDER: Final = work_folder() / ".demo"


_Specimens = Annotated[int, typer.Option(min=2, max=1000, help="How many simulated mice to send.")]
_Seed = Annotated[int, typer.Option(min=0, help="Another seed gives other mice.")]
_Keep = Annotated[bool, typer.Option("--keep", help="Leave the servers running afterwards.")]
_Running = Annotated[bool, typer.Option("--running", help="Use servers and services that already run.")]
_Patience = Annotated[
    float, typer.Option(min=1, help="Seconds without any progress after which a call counts as missing.")
]
_Folder = Annotated[
    Path,
    typer.Option(
        help="Folder for images, logs and pictures.", show_default=".demo of the clone, else of the current directory"
    ),
]


@app.command()
def demo(
    *,
    specimens: _Specimens = 60,
    seed: _Seed = 1,
    keep: _Keep = False,
    running: _Running = False,
    patience: _Patience = 60,
    folder: _Folder = _FOLDER,
    as_json: JsonOption = False,
) -> None:
    """Send simulated mice through the real system and show each call next to the known answer.

    Starts Kafka, SeaweedFS, Triton and PostgreSQL (or uses the local stack if it runs), creates topics and tables, and
    starts the five services of the pipeline. Renders X-ray files in the style of nine centres, some of them late, sent
    twice, under the wrong parameter, corrupt or badly exposed. Pushes them and waits for their calls in PostgreSQL.

    With `--running`, nothing is started: the XRAY_ variables name the servers, and the services must be running.
    Otherwise the servers are left as they were found. Every run uses new specimen ids, and centres named `Demo ...`.
    The exit code is 1 if an expected call is missing. The first run downloads the servers and renders the mice; later
    runs take about a minute.

    Examples:

        xray demo
        xray demo --keep && xray calls && xray rejections list
        xray demo --specimens 10 --json | jq .level1
    """
    from services.cli.demo.display import DemoDisplay
    from services.demo.cohort import CohortRequest
    from services.demo.run import DemoOptions

    options = DemoOptions(CohortRequest(specimens, seed), folder, patience)
    display = DemoDisplay(errors() if as_json else console())
    with display.shown():
        result = _run(options, display, running=running, keep=keep)
    if as_json:
        print_json(_to_json(result))
    else:
        _print(result, folder, local=not running, keep=keep)
    if result.outcome.missing:
        logs = "" if running else f"; logs are in {folder / 'logs'}"
        typer.echo(f"xray: no call for {', '.join(result.outcome.missing)}{logs}", err=True)
        raise typer.Exit(1)


def _run(options: DemoOptions, progress: DemoProgress, *, running: bool, keep: bool) -> DemoResult:
    if running:
        from services.common.settings import Settings, load
        from services.demo.run import run_on_running

        return run_on_running(options, load(Settings), progress)
    # Containers have no local stack, so it is imported only when it is used.
    from services.demo.run import run_on_local_stack

    return run_on_local_stack(options, stack_folder(), progress, keep=keep)


def _print(result: DemoResult, folder: Path, *, local: bool, keep: bool) -> None:
    import shutil

    from services.cli.demo.display import result_tables

    out = console()
    # A pipe or a CI log has no width; in 80 columns the tables would fold every id.
    if not out.is_terminal:
        out.width = max(shutil.get_terminal_size().columns, 140)
    for part in result_tables(result.outcome):
        out.print(part)
    out.print("Pictures:", *(f"  {path}" for path in result.pictures), sep="\n", soft_wrap=True)
    logs = f"; logs of the services: {folder / 'logs'}" if local else ""
    out.print(f"Images as sent: {folder / 'cohort'}{logs}", soft_wrap=True)
    if local and keep:
        out.print("The servers are still running: try `xray calls` or `xray status`. `xray stack down` stops them.")


def _to_json(result: DemoResult) -> dict[str, object]:
    from dataclasses import asdict

    from services.demo.outcome import label_scores, quantile

    outcome = result.outcome
    scores = label_scores(outcome.called)
    return {
        "specimens": len(outcome.specimens),
        "calls": len(outcome.called),
        "missing": outcome.missing,
        "level1": asdict(scores[0]),
        "labels": [asdict(score) for score in scores[1:]],
        "good_files_rejected": outcome.good_files_rejected,
        "files": [{"sent_as": sent, "outcome": fate, "files": n} for (sent, fate), n in outcome.fates.items()],
        "stages": {
            stage: {"median_seconds": quantile(times, 0.5), "p99_seconds": quantile(times, 0.99), "of": len(times)}
            for stage, times in outcome.stages().items()
            if times
        },
        "seconds": dict(outcome.seconds),
        "pictures": list(result.pictures),
    }
