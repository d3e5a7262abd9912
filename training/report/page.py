"""The text of `report.md`: the templates `report.md.j2`, `run.md.j2` and `inside.md.j2`, filled with tables."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from training.explain.features import CentreFromFeatures
from training.explain.inspection import InspectedModel
from training.markdown import number, render, share
from training.metrics.ranking import LEVEL_COLUMNS, RESAMPLES
from training.report import tables
from training.report.figures import has_inputs
from training.report.findings import Findings, RunFindings
from training.train.history import best_epoch


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


def inside_section(model: InspectedModel) -> str:
    """The section about one model."""
    return render(__package__, "inside.md.j2", model=inside_text(model))
