"""Writes a report folder: figures, table and page of an evaluation, complete or not at all."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from training.evaluation.summary import as_csv
from training.explain.inspection import inspect_models
from training.explain.run_folder import EvaluationSources, RunFolder, TrainedBackbone, read_sources
from training.report.figures import draw_all
from training.report.findings import Findings, find
from training.report.page import page

REPORT: Final = "report.md"
_PICTURE: Final = re.compile(r"\]\(([a-z0-9.-]+\.png)\)")


def write_report(
    paths: Sequence[Path],
    out: Path,
    *,
    data: Path | None,
    inside: bool,
    on_step: Callable[[str], None],
) -> Findings:
    """Evaluate the predictions of runs or files and write the report folder; an earlier report stays until the end.

    `data` is the training set of all runs, by default that in each run's folder. With `inside`, the models in the
    folders are inspected as well. `on_step` receives what is done next. Raises Rejected if the files cannot be read or
    do not belong together, and the errors of `RunFolder.open`.
    """
    on_step("reading predictions")
    sources = read_sources(paths, data)
    on_step("computing figures of merit and their intervals")
    findings = find(sources.predictions)
    models = _open_models(sources, findings, on_step) if inside else []
    out.mkdir(parents=True, exist_ok=True)
    # Inside `out`, not next to it: `out` may be the mount of another file system, where a rename would fail.
    with TemporaryDirectory(prefix=".new-", dir=out) as folder:
        new = Path(folder)
        draw_all(findings, new, lambda name: on_step(f"drawing {name}"))
        inspected = inspect_models(models, new, on_step)
        (new / "auc.csv").write_text(as_csv(findings.auc), encoding="utf-8")
        (new / REPORT).write_text(page(findings, inspected), encoding="utf-8")
        _replace_report(out, new)
    return findings


def _open_models(
    sources: EvaluationSources, findings: Findings, on_step: Callable[[str], None]
) -> list[tuple[RunFolder, TrainedBackbone]]:
    models = []
    for run in findings.runs:
        folder = sources.folder_of(run.predictions.origin)
        if folder is not None and folder.can_open(run.predictions):
            on_step(f"opening {run.name}")
            models.append((folder, folder.open(run.name, run.predictions)))
    return models


def _replace_report(out: Path, new: Path) -> None:
    """Replace an earlier report with a new one; pictures that only the earlier one shows are removed."""
    earlier = _pictures(out)
    files = sorted(new.iterdir(), key=lambda file: (file.name == REPORT, file.name))
    for file in files:
        file.replace(out / file.name)
    for name in earlier - {file.name for file in files}:
        (out / name).unlink(missing_ok=True)


def _pictures(out: Path) -> set[str]:
    report = out / REPORT
    return set(_PICTURE.findall(report.read_text(encoding="utf-8"))) if report.exists() else set()
