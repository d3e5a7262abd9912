"""Judge predictions on a test set: one folder with a report, a table and figures.

    xray train evaluate PREDICTIONS.parquet... --out FOLDER

See docs/evaluation.md.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.markup import escape

from training.command_errors import one_line_errors
from training.evaluation.document.figures import draw_all, level_means
from training.evaluation.document.findings import Findings, find
from training.evaluation.document.markdown import number
from training.evaluation.document.page import page
from training.evaluation.parquet import load
from training.evaluation.summary import as_csv

REPORT: Final = "report.md"

HELP: Final = """Judge predictions on a test set.

Each PREDICTIONS file holds the predictions of one trained model;
python -m training.train writes predictions-NAME.parquet into its run's folder.
Several files may be several models, configurations, inputs (DV, LAT, MV) or
seeds: each says itself what it is. All must be of the same test specimens.

FOLDER gets report.md, auc.csv and the figures (PNG). The same files give the
same folder, whatever their order.

Example: xray train evaluate runs/*/predictions-*.parquet --out evaluation
"""

_PICTURE: Final = re.compile(r"\]\(([a-z0-9.-]+\.png)\)")
app = typer.Typer(add_completion=False)
_console = Console(stderr=True, highlight=False)


@app.command(help=HELP)
def evaluate(
    predictions: Annotated[
        list[Path], typer.Argument(metavar="PREDICTIONS...", exists=True, dir_okay=False, help="Parquet files.")
    ],
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Where to write; made when it is not there.")],
) -> None:
    """Read all predictions, write the report folder, and say in a few lines what it found."""
    with one_line_errors(_console, "stopped; the same command starts again."):
        findings = make(predictions, out)
    _say(findings, out)


def make(files: Sequence[Path], out: Path) -> Findings:
    """Write the report folder; raises Rejected if the files cannot be read or do not belong together."""
    with _console.status("reading predictions") as status:
        predictions = [load(path) for path in files]
        status.update("computing figures of merit and their intervals")
        findings = find(predictions)
        out.mkdir(parents=True, exist_ok=True)
        _remove_earlier_pictures(out)
        draw_all(findings, out, lambda name: status.update(f"drawing {name}"))
        (out / "auc.csv").write_text(as_csv(findings.auc), encoding="utf-8")
        (out / REPORT).write_text(page(findings), encoding="utf-8")
    return findings


def _remove_earlier_pictures(out: Path) -> None:
    """Remove the pictures of an earlier report: of other models, they would lie beside a report without them."""
    report = out / REPORT
    names = _PICTURE.findall(report.read_text(encoding="utf-8")) if report.exists() else []
    for name in names:
        (out / name).unlink(missing_ok=True)


def _say(findings: Findings, out: Path) -> None:
    _console.print(f"{len(findings.test_set)} specimens, mean AUC of each level with its 95 % interval:")
    for item in level_means(findings):
        beside = "" if item.paper is None else f", paper {number(item.paper)} (other data)"
        interval = f"{number(item.low)} to {number(item.high)}"
        _console.print(f"  {escape(item.name)} level {item.level}: {number(item.auc)} ({interval}){beside}")
    _console.print(f"see {escape(str(out / REPORT))}", soft_wrap=True)


if __name__ == "__main__":
    app()
