"""`xray chaos`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from services.cli.output import JsonOption, console, errors, print_json, table
from services.common.environment import work_folder

if TYPE_CHECKING:
    from services.chaos.journal import RoundResult
    from services.chaos.run import ChaosOptions

app = typer.Typer(add_completion=False)
_FOLDER: Final = work_folder() / ".demo" / "chaos"


@app.command()
def chaos(
    *,
    rounds: Annotated[int, typer.Option(min=1, help="How many rounds the journal shall hold.")] = 41,
    seed: Annotated[int, typer.Option(min=0, help="Another seed gives other streams and faults.")] = 1,
    only_round: Annotated[int | None, typer.Option(min=0, help="Play this round only, whatever the journal.")] = None,
    longest_stop: Annotated[float, typer.Option(min=7, help="Longest SIGSTOP of a worker in seconds.")] = 9,
    table_folder: Annotated[
        Path | None, typer.Option("--table", help="Also write recovery.csv and recovery.md to this folder.")
    ] = None,
    folder: Annotated[
        Path,
        typer.Option(help="Journal, logs, servers.", show_default=".demo/chaos of the clone, else of this directory"),
    ] = _FOLDER,
    as_json: JsonOption = False,
) -> None:
    """Disturb the system at random moments and prove that the ledger is that of an undisturbed run.

    Starts servers of its own, a proxy in front of each, and two workers of every service. Each round sends good
    specimens and bad input of several kinds and applies one fault: a worker is killed, stopped or terminated, at a
    random moment or between two effects; a server is killed or frozen; its connections are cut, slow or dead; a disk
    is full; a worker joins; a model is promoted. Once every record has its outcome, calls, views, rejections and ids
    are compared with undisturbed passes, and every image is accounted for.

    A run that was interrupted continues from its journal. It ends at the first round that fails, and names it; the
    exit code is then 1.

    Examples:

        xray chaos
        xray chaos --rounds 500 --seed 7 --longest-stop 30
        xray chaos --seed 7 --only-round 123
    """
    from services.chaos.run import ChaosOptions, open_rounds

    options = ChaosOptions(seed, folder, longest_stop)
    numbers = open_rounds(options, rounds) if only_round is None else [only_round]
    problems = _played(options, numbers, rounds)
    results = [one for number, one in options.journal.results(seed).items() if only_round in {None, number}]
    _show(results, problems, table_folder, as_json=as_json)
    if problems:
        typer.echo("\n".join(["xray: chaos found a fault", *problems]), err=True)
        raise typer.Exit(1)


def _played(options: ChaosOptions, numbers: list[int], of: int) -> list[str]:
    """Play the rounds with a bar; return what went wrong."""
    from services.chaos.run import play, prepared
    from services.cli.progress import LongProgress

    if not numbers:
        return []
    with LongProgress() as progress:
        task = progress.add_task("starting", total=of, completed=max(0, of - len(numbers)))

        def say(name: str, message: str) -> None:
            progress.update(task, description=f"{name}: {message}")

        with prepared(options, say) as rounds:
            for result in play(rounds, options, numbers):
                progress.update(task, description=f"round {result.number}: {result.kind}", advance=1)
                progress.line(f"round {result.number} of {of}: {result.kind}, {result.detail}")
                if result.problems:
                    return [_named(result), *result.problems]
            say("chaos", "records on retry topics")
            return rounds.finish()


def _named(result: RoundResult) -> str:
    again = f"xray chaos --seed {result.seed} --only-round {result.number}"
    return f"round {result.number} of seed {result.seed} ({result.kind}: {result.detail}); repeat it with `{again}`"


def _show(results: list[RoundResult], problems: list[str], table_folder: Path | None, *, as_json: bool) -> None:
    from services.chaos.journal import COLUMNS, as_csv, as_markdown, recovery_rows

    rows = recovery_rows(results)
    if table_folder is not None:
        table_folder.mkdir(parents=True, exist_ok=True)
        (table_folder / "recovery.csv").write_text(as_csv(rows), encoding="utf-8")
        (table_folder / "recovery.md").write_text(as_markdown(rows), encoding="utf-8")
    if as_json:
        recovery = [dict(zip(COLUMNS, row, strict=True)) for row in rows]
        print_json({"rounds": len(results), "problems": problems, "recovery": recovery})
        return
    columns = ("fault", "rounds#", "median#", "95 %#", "maximum#")
    console().print(table("Seconds from the end of the fault to the last outcome", columns, rows))
    if not problems:
        errors().print(f"{len(results)} rounds: the ledger is that of an undisturbed run.")
