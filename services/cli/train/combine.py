"""Evaluate the paper's other methods of fusing the views on a training set.

    xray train combine RUN/data --out FOLDER

See docs/evaluation.md.
"""

from pathlib import Path
from typing import Annotated, Final

import typer

from services.cli.train.progress import reporting

HELP: Final = """Evaluate the paper's other methods of fusing the views on a training set.

DATA is the training set of a run (RUN/data). For each method (averaging, min-max
projection, principal components, gradients, and the bare channels) the fused
images go through the frozen front end and one logistic regression per label.
FOLDER receives predictions-NAME.parquet for each, for xray train evaluate.

Example: xray train combine training/runs/small/data --out training/runs/combined
"""

app = typer.Typer(add_completion=False)


@app.command(help=HELP)
def combine(
    data: Annotated[Path, typer.Argument(metavar="DATA", exists=True, file_okay=False, help="A training set.")],
    *,
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Where to write; created if missing.")],
    config: Annotated[
        str, typer.Option(metavar="NAME", help="Runs with the same NAME share a table of the report.")
    ] = "small",
) -> None:
    """Compute features, fit, evaluate and write the predictions of each method."""
    with reporting("stopped; the same command starts again.") as report:
        from training.experiments.fusion_study import study_fusion

        for path in study_fusion(data, out, config, report.progress):
            report.message(f"wrote {path}")


if __name__ == "__main__":
    app()
