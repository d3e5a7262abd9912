"""Judge predictions on a test set: one folder with a report, a table and figures.

    xray train evaluate RUN... --out FOLDER

See docs/evaluation.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.markup import escape

from services.cli.train.group import one_line_errors
from training.evaluation.summary import as_csv
from training.explain.inspection import inspect_models
from training.explain.run_folder import EvaluationSources, RunFolder, TrainedBackbone, read_sources
from training.markdown import number
from training.report.figures import draw_all, level_means
from training.report.findings import Findings, find
from training.report.page import page

REPORT: Final = "report.md"

HELP: Final = """Judge predictions on a test set.

Each RUN is the folder of a training run, of which all predictions are taken
(predictions-NAME.parquet), or one such file. Several may be several models,
configurations, inputs (DV, LAT, MV) or seeds: each says itself what it is. All
must be of the same test specimens.

FOLDER gets report.md, auc.csv and the figures (PNG). The same predictions give
the same folder, whatever their order. Of folders with weights, the models that
see both views are opened as well (heat on altered bones, reconstructions,
learning curves, centre from features), which takes minutes.

Example: xray train evaluate training/runs/small --out evaluation
"""

_PICTURE: Final = re.compile(r"\]\(([a-z0-9.-]+\.png)\)")
app = typer.Typer(add_completion=False)
_console = Console(stderr=True, highlight=False)


@app.command(help=HELP)
def evaluate(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", exists=True, help="Folders or Parquet files.")],
    *,
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Where to write; made when it is not there.")],
    data: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", exists=True, file_okay=False, help="Training set; default: data in each RUN."),
    ] = None,
    inside: Annotated[bool, typer.Option(help="Open the models that lie in the folders.")] = True,
) -> None:
    """Read all predictions, write the report folder, and say in a few lines what it found."""
    with one_line_errors(_console, "stopped; the same command starts again."):
        findings = make(runs, out, data=data, inside=inside)
    _say(findings, out)


def make(paths: Sequence[Path], out: Path, *, data: Path | None = None, inside: bool = True) -> Findings:
    """Write the report folder; whatever ends it before the end, an earlier report stays as it is.

    Raises Rejected if the files cannot be read or do not belong together, and what `RunFolder.open` raises.
    """
    with _console.status("reading predictions") as status:
        sources = read_sources(paths, data)
        status.update("computing figures of merit and their intervals")
        findings = find(sources.predictions)
        models = _open(sources, findings, status.update) if inside else []
        out.mkdir(parents=True, exist_ok=True)
        # Inside, not beside: FOLDER may be the mount of another file system, into which nothing can be renamed.
        with TemporaryDirectory(prefix=".new-", dir=out) as folder:
            made = Path(folder)
            draw_all(findings, made, lambda name: status.update(f"drawing {name}"))
            opened = inspect_models(models, made, status.update)
            (made / "auc.csv").write_text(as_csv(findings.auc), encoding="utf-8")
            (made / REPORT).write_text(page(findings, opened), encoding="utf-8")
            _replace(out, made)
    return findings


def _open(
    sources: EvaluationSources, findings: Findings, tell: Callable[[str], None]
) -> list[tuple[RunFolder, TrainedBackbone]]:
    """Open the models that are to be looked into; raises what `RunFolder.open` raises."""
    models = []
    for run in findings.runs:
        folder = sources.folder_of(run.predictions.origin)
        if folder is not None and folder.can_open(run.predictions):
            tell(f"opening {run.name}")
            models.append((folder, folder.open(run.name, run.predictions)))
    return models


def _replace(out: Path, made: Path) -> None:
    """Put a whole report in the place of an earlier one, whose other pictures go: they are of other models."""
    earlier = _pictures(out)
    files = sorted(made.iterdir(), key=lambda file: (file.name == REPORT, file.name))
    for file in files:
        file.replace(out / file.name)
    for name in earlier - {file.name for file in files}:
        (out / name).unlink(missing_ok=True)


def _pictures(out: Path) -> set[str]:
    report = out / REPORT
    return set(_PICTURE.findall(report.read_text(encoding="utf-8"))) if report.exists() else set()


def _say(findings: Findings, out: Path) -> None:
    _console.print(f"{len(findings.test_set)} specimens, mean AUC of each level with its 95 % interval:")
    for item in level_means(findings):
        beside = "" if item.paper is None else f", paper {number(item.paper)} (other data)"
        interval = f"{number(item.low)} to {number(item.high)}"
        _console.print(f"  {escape(item.name)} level {item.level}: {number(item.auc)} ({interval}){beside}")
    _console.print(f"see {escape(str(out / REPORT))}", soft_wrap=True)


if __name__ == "__main__":
    app()
