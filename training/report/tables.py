"""The tables of `report.md`."""

import math
from collections.abc import Sequence
from itertools import groupby

import numpy as np

from services.common.labels import LABEL_ORDER
from training.evaluation.summary import MEAN, AucRow, Group, paper_auc
from training.explain.heat_maps import FEWEST, Localisation
from training.explain.reconstruction import PAPER_MSE, PAPER_SSIM, Reconstruction
from training.explain.run_folder import RunSummary
from training.markdown import number, share, table
from training.metrics.decisions import AbstentionPoint
from training.metrics.groups import SEVERITIES, GroupAuc, KindFindings
from training.metrics.ranking import Estimate
from training.metrics.shortcut import CentresAuc, Consistency
from training.report.findings import Findings, RunFindings
from training.train.checkpoint import Epoch

_SHOWN_SHARES = (1.0, 0.9, 0.75, 0.5)
_VIEWS = {"MV": "Both views (MV)", "DV": "DV only", "LAT": "LAT only"}


def estimate(value: Estimate) -> str:
    """A number with its interval, or `-` if there is none."""
    if math.isnan(value.value):
        return "-"
    return f"{number(value.value)} ({number(value.low)} to {number(value.high)})"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return table(header, rows, align_right=True)


def auc(findings: Findings) -> list[tuple[str, str]]:
    """Heading and table of AUC for each configuration and input."""
    return [
        (f"{_VIEWS[views]}, configuration `{config}`", _auc_table(list(found)))
        for (config, views), found in groupby(findings.auc, key=lambda item: (item[0].config, item[0].input))
    ]


def _auc_table(groups: list[tuple[Group, tuple[AucRow, ...]]]) -> str:
    first = groups[0][1]
    names = [f"**Level {row.level}, mean**" if row.label == MEAN else row.label for row in first]
    columns = [names, [str(row.specimens) for row in first]]
    header = ["label", "specimens"]
    for group, rows in groups:
        seeds = f" ({len(group.runs)} seeds)" if len(group.runs) > 1 else ""
        header.append(f"{group.model}, ours{seeds}")
        columns.append([_ours(row) for row in rows])
        paper = [paper_auc(group.model, group.input, row.level, row.label) for row in rows]
        if any(value is not None for value in paper):
            header.append(f"{group.model}, paper")
            columns.append([number(value) for value in paper])
    return _table(header, list(zip(*columns, strict=True)))


def _ours(row: AucRow) -> str:
    spread = f" ± {number(row.auc_sd)}" if len(row.per_seed) > 1 else ""
    return f"{number(row.auc_mean)}{spread} ({number(row.low)} to {number(row.high)})"


def calls(run: RunFindings) -> str:
    """Errors of the calls, average precision and calibration error of each label."""
    header = (
        "label", "positive", "threshold", "sensitivity", "specificity", "average precision", "chance level",
        "calibration error",
    )  # fmt: skip
    rows = [
        [
            item.label,
            f"{item.positives} of {item.specimens}",
            number(run.predictions.origin.thresholds[index]),
            estimate(item.errors.sensitivity),
            estimate(item.errors.specificity),
            number(item.average_precision),
            number(item.positives / item.specimens if item.specimens else None),
            number(item.calibration_error),
        ]
        for index, item in enumerate(run.labels)
    ]
    return _table(header, rows)


def consistency(found: Consistency) -> str:
    """Consistency of probabilities and calls across levels."""
    rows = [
        ["no label more probable than its most probable parent", share(found.probabilities)],
        ["no label at its threshold while all its parents stay below theirs", share(found.decisions)],
        ["both", share(found.both)],
        ["called abnormal with none of the thirteen labels", share(found.abnormal_without_label)],
    ]
    return _table(("specimens with", "share"), rows)


def abstention(points: Sequence[AbstentionPoint]) -> str:
    """Accuracy and AUC at some shares of specimens called."""
    chosen = [point for point in points if point.share in _SHOWN_SHARES]
    rows = [[share(point.share), number(point.accuracy), number(point.auc)] for point in reversed(chosen)]
    return _table(("called", "accuracy", "AUC"), rows)


def groups(name: str, found: Sequence[GroupAuc]) -> str:
    """Level-1 AUC of each group."""
    rows = [
        [
            group.name + (" (not in training)" if group.in_training is False else ""),
            str(group.specimens),
            str(group.abnormal),
            estimate(group.auc),
        ]
        for group in found
    ]
    return _table((name, "specimens", "abnormal", "AUC"), rows)


def unseen_centres(found: Sequence[CentresAuc]) -> str:
    """Mean AUC of each level at centres in training and at others, and the loss."""
    rows = [[one.name, str(one.specimens), *map(estimate, one.levels)] for one in found]
    seen, unseen = found
    lost = [one.value - other.value for one, other in zip(seen.levels, unseen.levels, strict=True)]
    rows.append(["lost", "", *map(number, lost)])
    return _table(("centres", "specimens", "level 1", "level 2", "level 3"), rows)


def kinds(found: Sequence[KindFindings]) -> str:
    """Level 1 by kind of abnormality and severity."""
    ranges = [f"called abnormal, severity {low:.1f} to {high:.1f}" for low, high in SEVERITIES]
    rows = [
        [
            one.kind,
            str(sum(one.specimens)),
            estimate(one.auc.auc),
            *map(_detected, one.detected, one.specimens),
            number(one.labels_found, 2),
        ]
        for one in found
    ]
    return _table(("kind", "specimens", "AUC", *ranges, "its level-3 labels called"), rows)


def _detected(detected: Estimate, specimens: int) -> str:
    return f"{detected.value:.2f} of {specimens}" if specimens else "-"


def shortcut(runs: Sequence[RunFindings]) -> str:
    """AUC from the centre alone for each training set; runs with the same training set give the same numbers."""
    training_sets: list[RunFindings] = []
    for run in runs:
        prevalence = run.predictions.origin.training_prevalence
        if all(other.predictions.origin.training_prevalence != prevalence for other in training_sets):
            training_sets.append(run)
    rows = [
        [label, *(estimate(run.labels[column].centre_alone) for run in training_sets)]
        for column, label in enumerate(LABEL_ORDER)
    ]
    return _table(["label", *(f"training set of {run.name}" for run in training_sets)], rows)


def training(epochs: Sequence[Epoch], best: int, summary: RunSummary | None) -> str:
    """Epochs, time and specimens of a training run."""
    seconds = [epoch.seconds for epoch in epochs]
    rows = [
        ["epochs", str(len(seconds))],
        ["best epoch (smallest validation loss)", str(best)],
        ["seconds per epoch, mean", number(float(np.mean(seconds)), 1)],
        ["minutes of all epochs", number(sum(seconds) / 60, 1)],
    ]
    if summary is not None:
        rows += [[f"{part} specimens", str(count)] for part, count in summary.specimens.items()]
        rows.append(["minutes of simulation", number(summary.minutes.get("data"), 1)])
    return _table(("", ""), rows)


def heat(first: str, sources: Sequence[str], columns: Sequence[Sequence[Localisation]]) -> str:
    """One row per label or kind: its baselines, then each source's share and its multiple of the area."""
    header = [first, "specimens", "area", "bones", *(f"{source} (times area)" for source in sources)]
    rows = []
    for of_sources in zip(*columns, strict=True):
        fullest = max(of_sources, key=lambda one: one.specimens)
        if fullest.specimens:
            baselines = number(fullest.area), number(fullest.skeleton)
            rows.append([fullest.name, str(fullest.specimens), *baselines, *map(_with_gain, of_sources)])
    return _table(header, rows)


def _with_gain(found: Localisation) -> str:
    if not found.specimens:
        return "no heat"
    value = estimate(found.heat) if found.specimens >= FEWEST else number(found.heat.value)
    without = f", {found.without_heat} without heat" if found.without_heat else ""
    return f"{value} ({number(found.gain, 1)}{without})"


def reconstruction(found: Reconstruction) -> str:
    """Reconstruction error and similarity of all, normal and abnormal specimens, and of the paper."""
    rows = [[one.name, str(one.specimens), _spread(one.mse, 5), _spread(one.ssim, 4)] for one in found.groups]
    rows.append(["paper (other data)", "", _spread(PAPER_MSE, 5), _spread(PAPER_SSIM, 4)])
    return _table(("specimens", "number", "MSE", "SSIM"), rows)


def _spread(values: tuple[float, float], digits: int) -> str:
    return f"{number(values[0], digits)} ± {number(values[1], digits)}"
