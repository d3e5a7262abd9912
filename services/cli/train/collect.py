"""Make a dataset for training and evaluation.

    xray train collect --out datasets

See docs/reviews.md.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from services.cli.train.progress import reporting

if TYPE_CHECKING:
    from training.datasets.collect.dataset import Dataset

HELP: Final = """Make a dataset for training and evaluation from the current calls, labels and reviews.

Its specimens are those with a current call in the ledger; their tensors come from object storage. Labels come from
label sets (`xray train labels`) and from reviews (`xray review`): the newest verdict on a label is used, and
disagreements are listed. Unknown labels stay missing.

The dataset gets its own folder below FOLDER, named by the digest of its tensors, labels and parts: the same inputs give
the same bytes, and nothing is written twice. A specimen always belongs to the same part. All datasets are evaluated on
one fixed evaluation set, which accepts new test specimens only with --grow-evaluation: use it the first time.

--from-set adds simulated training sets; with --no-ledger only files are needed.

Interrupted at any point, the same command continues and does not fetch tensors again.

Examples: xray train collect --out datasets --labels labels --grow-evaluation; xray train collect --out datasets
--no-ledger --from-set training/runs/small/data --grow-evaluation
"""

app = typer.Typer(add_completion=False)


@app.command(name="collect", help=HELP)
def command(
    *,
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Folder of datasets; created if missing.")],
    labels: Annotated[
        list[Path] | None,
        typer.Option(exists=True, help="Label set or its folder; of several the last takes precedence."),
    ] = None,
    from_set: Annotated[
        list[Path] | None,
        typer.Option(metavar="RUN/data", exists=True, file_okay=False, help="Simulated training set."),
    ] = None,
    ledger: Annotated[bool, typer.Option(help="Use called specimens and reviews from the ledger.")] = True,
    grow_evaluation: Annotated[
        bool, typer.Option("--grow-evaluation", help="Add new labelled test specimens to the evaluation set.")
    ] = False,
) -> None:
    """Collect the dataset and print a summary of it."""
    with reporting("stopped; the same command continues from here") as report:
        from services.common.settings import Settings, load
        from training.datasets.collect.collect import collect
        from training.datasets.collect.write import REPORT

        dataset = collect(
            out,
            settings=load(Settings) if ledger else None,
            label_sets=labels or (),
            sets=from_set or (),
            grow_evaluation=grow_evaluation,
            progress=report.progress,
        )
        for line in _summary(dataset):
            report.message(line)
        report.message(f"see {out / REPORT}")
        typer.echo(dataset.folder)


def _summary(dataset: Dataset) -> list[str]:
    description = dataset.description
    parts = ", ".join(f"{number} {part}" for part, number in description.specimens.items())
    judged = description.evaluation
    relabelled = f", {judged.relabelled} labelled differently since they joined" if judged.relabelled else ""
    return [
        f"{len(dataset.specimens)} specimens ({parts}), preprocessing {dataset.preprocessing_version}",
        f"evaluation set {judged.generation}: {judged.specimens} specimens, {judged.waiting} wait outside{relabelled}",
        *(f"  {number} left out: {reason}" for reason, number in description.left_out.items()),
        *(f"  {number} conflicts: {kind}" for kind, number in description.conflicts.items()),
    ]


if __name__ == "__main__":
    app()
