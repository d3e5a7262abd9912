"""Evaluate predictions on a test set: one folder with a report, a table and figures.

    xray train evaluate RUN... --out FOLDER

See docs/evaluation.md.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from services.cli.train.progress import reporting

if TYPE_CHECKING:
    from training.report.findings import Findings

HELP: Final = """Evaluate predictions on a test set.

Each RUN is the folder of a training run, whose predictions are all used
(predictions-NAME.parquet), or one such file. They may be of several models,
configurations, inputs (DV, LAT, MV) or seeds: each file states its own. All
must be of the same test specimens.

FOLDER receives report.md, auc.csv and the figures (PNG). The same predictions
give the same folder in any order. In folders with weights, the models that see
both views are inspected as well (heat maps on altered bones, reconstructions,
learning curves, centre from features), which takes minutes.

Example: xray train evaluate training/runs/small --out evaluation
"""

app = typer.Typer(add_completion=False)


@app.command(help=HELP)
def evaluate(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", exists=True, help="Folders or Parquet files.")],
    *,
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Where to write; created if missing.")],
    data: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", exists=True, file_okay=False, help="Training set; default: data in each RUN."),
    ] = None,
    inside: Annotated[bool, typer.Option(help="Inspect the models in the folders.")] = True,
) -> None:
    """Read all predictions, write the report folder, and print a summary."""
    with reporting("stopped; the same command starts again.") as report:
        from training.report.folder import REPORT, write_report

        with report.console.status("") as status:
            findings = write_report(runs, out, data=data, inside=inside, on_step=status.update)
        for line in _summary(findings):
            report.message(line)
        report.message(f"see {out / REPORT}")


def _summary(findings: Findings) -> list[str]:
    from training.markdown import number
    from training.report.figures import level_means

    lines = [f"{len(findings.test_set)} specimens, mean AUC of each level with its 95 % interval:"]
    for item in level_means(findings):
        paper = "" if item.paper is None else f", paper {number(item.paper)} (other data)"
        interval = f"{number(item.low)} to {number(item.high)}"
        lines.append(f"  {item.name} level {item.level}: {number(item.auc)} ({interval}){paper}")
    return lines


if __name__ == "__main__":
    app()
