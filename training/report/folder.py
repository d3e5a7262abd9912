"""Writes a report folder: figures, table and page of an evaluation, complete or not at all.

The page `report.md` is the templates `report.md.j2`, `run.md.j2` and `inside.md.j2`, filled with tables.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np

from training.evaluation.summary import as_csv
from training.explain.features import CentreFromFeatures
from training.explain.inspection import InspectedModel, inspect_models
from training.explain.run_folder import EvaluationSources, RunFolder, TrainedBackbone, read_sources
from training.markdown import number, render, share
from training.metrics.ranking import LEVEL_COLUMNS, RESAMPLES
from training.report import tables
from training.report.figures import draw_all, has_inputs
from training.report.findings import Findings, RunFindings, find
from training.train.checkpoint import best_epoch


@dataclass(frozen=True)
class RunText:
    """Tables and numbers of `run.md.j2`; None where a run has nothing to show."""

    name: str
    calls: str
    calibration: str
    consistency: str
    abstention: str
    centres: str
    unseen_centres: str | None
    severity: str | None
    kinds: str | None
    false_alarms: str
    undetected: str


@dataclass(frozen=True)
class InsideText:
    """Tables and numbers of `inside.md.j2`; None where a model has nothing to show."""

    name: str
    training: str | None
    heat: str | None
    heat_by_kind: str | None
    heat_picture: str
    reconstruction: str | None
    reconstruction_auc: str
    centre: dict[str, str] | None
    centre_revealed: bool


def page(findings: Findings, inspected: Sequence[InspectedModel] = ()) -> str:
    """The whole page; `inspected` are the models whose weights were inspected."""
    return render(
        __package__,
        "report.md.j2",
        test_set=_test_set(findings),
        resamples=RESAMPLES,
        has_inputs=has_inputs(findings),
        auc=tables.auc(findings),
        runs=[run_text(run) for run in findings.runs],
        shortcut=tables.shortcut(findings.runs),
        inside=[inside_text(model) for model in inspected],
        has_learning=any(model.epochs for model in inspected),
    )


def _test_set(findings: Findings) -> str:
    test_set = findings.test_set
    known = int(test_set.known[:, 0].sum())
    abnormal = int(test_set.abnormal.sum())
    text = f"{len(test_set)} test specimens of {len(set(test_set.centres))} centres: {abnormal} abnormal, "
    text += f"{known - abnormal} normal"
    return text + (f", {len(test_set) - known} not scored." if known < len(test_set) else ".")


def run_text(run: RunFindings) -> RunText:
    """The tables about one run."""
    means = [
        f"level {level} {number(float(np.nanmean([run.labels[column].calibration_error for column in columns])))}"
        for level, columns in LEVEL_COLUMNS.items()
    ]
    undetected = [f"{one.kind} (n={sum(one.specimens)})" for one in run.kinds if not one.detectable]
    return RunText(
        name=run.name,
        calls=tables.calls(run),
        calibration=", ".join(means),
        consistency=tables.consistency(run.consistency),
        abstention=tables.abstention(run.abstention),
        centres=tables.groups("centre", run.centres),
        unseen_centres=tables.unseen_centres(run.seen_and_unseen) if run.seen_and_unseen else None,
        severity=tables.groups("severity", run.severity) if run.severity else None,
        kinds=tables.kinds(run.kinds) if run.kinds else None,
        false_alarms=share(1 - run.labels[0].errors.specificity.value),
        undetected=", ".join(undetected),
    )


def inside_text(model: InspectedModel) -> InsideText:
    """The tables about the inside of one model."""
    sources = [one.source for one in model.heat]
    rebuilt, centre = model.reconstruction, model.centre
    return InsideText(
        name=model.name,
        training=tables.training(model.epochs, best_epoch(model.epochs), model.summary) if model.epochs else None,
        heat=tables.heat("label", sources, [one.labels for one in model.heat]) if sources else None,
        heat_by_kind=tables.heat("kind", sources, [one.kinds for one in model.heat]) if sources else None,
        heat_picture=model.heat_picture,
        reconstruction=tables.reconstruction(rebuilt) if rebuilt else None,
        reconstruction_auc=tables.estimate(rebuilt.level1_auc) if rebuilt else "",
        centre=_centre_text(centre) if centre else None,
        centre_revealed=centre is not None and centre.accuracy.low > centre.chance,
    )


def _centre_text(found: CentreFromFeatures) -> dict[str, str]:
    accuracy = found.accuracy
    return {
        "accuracy": f"{share(accuracy.value)} ({share(accuracy.low)} to {share(accuracy.high)})",
        "specimens": str(found.specimens),
        "centres": str(found.centres),
        "chance": share(found.chance),
    }


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
