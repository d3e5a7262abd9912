"""Make a dataset to train and judge models on.

    xray train collect --out datasets

See docs/reviews.md.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from services.cli.train.group import one_line_errors
from services.common.settings import Settings, load
from training.datasets.collect.collect import collect
from training.datasets.collect.dataset import Dataset
from training.datasets.collect.report import REPORT

HELP: Final = """Make a dataset to train and judge models on, from what there is now.

Specimens are those with a current call in the ledger, their tensors come from object storage. Labels come from label
sets (`xray train labels`) and from reviews (`xray review`): the newest verdict on a label counts, and who disagrees is
listed. What nobody knows stays missing.

The dataset gets a folder of its own below FOLDER, named by the digest of its tensors, labels and parts: the same
inputs give the same bytes, and nothing is written twice. A specimen is always of the same part. All datasets are
judged on one fixed evaluation set, which takes up new test specimens only with --grow-evaluation: say so the first
time.

--from-set adds simulated training sets; with --no-ledger nothing but files is needed.

Stopped at any point, the same command goes on: tensors that are there are not fetched again.

Examples: xray train collect --out datasets --labels labels --grow-evaluation; xray train collect --out datasets
--no-ledger --from-set training/runs/small/data --grow-evaluation
"""

app = typer.Typer(add_completion=False)
_console = Console(stderr=True, highlight=False)


@app.command(name="collect", help=HELP)
def command(
    *,
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Where datasets lie; made when not there.")],
    labels: Annotated[
        list[Path] | None,
        typer.Option(exists=True, help="Label set, or the folder of one; of several the last counts."),
    ] = None,
    from_set: Annotated[
        list[Path] | None,
        typer.Option(metavar="RUN/data", exists=True, file_okay=False, help="Simulated training set."),
    ] = None,
    ledger: Annotated[bool, typer.Option(help="Take called specimens and reviews from the ledger.")] = True,
    grow_evaluation: Annotated[
        bool, typer.Option("--grow-evaluation", help="Take new labelled test specimens into the evaluation set.")
    ] = False,
) -> None:
    """Collect, and say in a few lines what the dataset holds."""
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    when_stopped = "stopped; the same command goes on from here"
    with one_line_errors(_console, when_stopped), Progress(*columns, console=_console, transient=True) as progress:
        tasks: dict[str, TaskID] = {}

        def show(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = progress.add_task(what, total=total)
            progress.update(tasks[what], completed=done)

        dataset = collect(
            out,
            settings=load(Settings) if ledger else None,
            label_sets=labels or (),
            sets=from_set or (),
            grow_evaluation=grow_evaluation,
            progress=show,
        )
    _say(dataset, out)


def _say(dataset: Dataset, out: Path) -> None:
    description = dataset.description
    parts = ", ".join(f"{number} {part}" for part, number in description.specimens.items())
    judged = description.evaluation
    _console.print(f"{len(dataset.specimens)} specimens ({parts}), preprocessing {dataset.preprocessing_version}")
    _console.print(
        f"evaluation set {judged.generation}: {judged.specimens} specimens, {judged.waiting} wait outside"
        + (f", {judged.relabelled} labelled otherwise since they joined" if judged.relabelled else "")
    )
    for reason, number in description.left_out.items():
        _console.print(f"  {number} left out: {reason}")
    for kind, number in description.conflicts.items():
        _console.print(f"  {number} conflicts: {kind}")
    _console.print(f"see {escape(str(out / REPORT))}", soft_wrap=True)
    typer.echo(dataset.folder)


if __name__ == "__main__":
    app()
