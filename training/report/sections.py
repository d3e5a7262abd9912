"""The part of `report.md` about one run."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from training.metrics.decisions import AbstentionPoint
from training.metrics.groups import SEVERITIES, GroupAuc
from training.metrics.ranking import LEVEL_COLUMNS, Estimate
from training.metrics.shortcut import CentresAuc
from training.report.figures import figure_name
from training.report.findings import RunFindings
from training.report.markdown import estimate, number, picture, share, table

_SHOWN_SHARES = (1.0, 0.9, 0.75, 0.5)


def run_section(run: RunFindings) -> list[str]:
    """Lines about one run, figures included."""
    parts = _curves, _decisions, _calibration, _consistency, _abstention, _centres, _severity, _kinds, _confusion
    return [f"## {run.name}", "", *(line for part in parts for line in part(run))]


def _curves(run: RunFindings) -> list[str]:
    return picture(figure_name("roc", run), f"ROC curves of {run.name}")


def _decisions(run: RunFindings) -> list[str]:
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
    header = (
        "label",
        "positive",
        "threshold",
        "sensitivity",
        "specificity",
        "average precision",
        "its chance",
        "calibration error",
    )
    words = (
        "Calls as published (at the threshold, and no label without its parent) on all specimens on which the label is "
        "known; 95 % intervals after Wilson. Average precision is of the served probability; chance is the share of "
        "positives. The calibration error is the expected one of served probabilities, over ten bins of equal mass."
    )
    return ["### Calls at the thresholds", "", words, "", *table(header, rows)]


def _calibration(run: RunFindings) -> list[str]:
    means = [
        f"level {level} {number(float(np.nanmean([run.labels[column].calibration_error for column in columns])))}"
        for level, columns in LEVEL_COLUMNS.items()
    ]
    words = (
        f"Expected calibration error, mean over the labels of each level: {', '.join(means)}. With few specimens a "
        "perfect model is above 0, too."
    )
    return ["### Calibration", "", words, "", *picture(figure_name("reliability", run), "Reliability plot")]


def _consistency(run: RunFindings) -> list[str]:
    found = run.consistency
    rows = [
        ["no label more probable than its most probable parent", share(found.probabilities)],
        [
            "no label over its threshold without a parent over its own (nothing had to be dropped)",
            share(found.decisions),
        ],
        ["both", share(found.both)],
        ["called abnormal with none of the thirteen labels", share(found.abnormal_without_label)],
    ]
    return ["### Agreement down the hierarchy", "", *table(("specimens with", "share"), rows)]


def _abstention(run: RunFindings) -> list[str]:
    chosen: Sequence[AbstentionPoint] = [point for point in run.abstention if point.share in _SHOWN_SHARES]
    rows = [[share(point.share), number(point.accuracy), number(point.auc)] for point in reversed(chosen)]
    words = "Level 1; the specimens nearest to the threshold are left to a person first."
    return ["### Abstention", "", words, "", *table(("called", "accuracy", "AUC"), rows)]


def _centres(run: RunFindings) -> list[str]:
    lines = ["### Centres", "", "Level 1 within each centre, where recognising the centre gains nothing.", ""]
    lines += _groups("centre", run.centres) + picture(figure_name("centres", run), "Level-1 AUC of each centre")
    if run.seen_and_unseen:
        rows = [[one.name, str(one.specimens), *map(estimate, one.levels)] for one in run.seen_and_unseen]
        lines += ["Mean AUC of each level at centres that training saw and at those that it did not see:", ""]
        rows.append(["lost", "", *map(number, _lost(run.seen_and_unseen))])
        lines += table(("centres", "specimens", "level 1", "level 2", "level 3"), rows)
    return lines


def _lost(groups: Sequence[CentresAuc]) -> list[float]:
    seen, unseen = groups
    return [one.value - other.value for one, other in zip(seen.levels, unseen.levels, strict=True)]


def _severity(run: RunFindings) -> list[str]:
    if not run.severity:
        return []
    words = "Level 1; abnormal specimens in ranges of equal number by their severity, each against all normal ones."
    lines = ["### Severity", "", words, "", *_groups("severity", run.severity)]
    return lines + picture(figure_name("severity", run), "Level-1 AUC by severity")


def _kinds(run: RunFindings) -> list[str]:
    if not run.kinds:
        return []
    ranges = [f"called abnormal, severity {low:.1f} to {high:.1f}" for low, high in SEVERITIES]
    rows = [
        [
            one.kind,
            str(sum(one.specimens)),
            estimate(one.auc.auc),
            *map(_counted, one.detected, one.specimens),
            number(one.labels_found, 2),
        ]
        for one in run.kinds
    ]
    false_alarms = 1 - run.labels[0].errors.specificity.value
    words = (
        "Specimens whose only finding is of the kind. AUC is of level 1 against all normal specimens; beside it the "
        f"share that is called abnormal (of the normal specimens: {share(false_alarms)}). The last column is the share "
        "of the level-3 labels that the kind sets which are called."
    )
    unseen = [f"{one.kind} (n={sum(one.specimens)})" for one in run.kinds if not one.shown_to_be_seen]
    last = "Nothing shows that this model sees these kinds, whose interval holds 0.5 or lies below: "
    lines = ["### Kinds of abnormality", "", words, ""]
    lines += table(("kind", "specimens", "AUC", *ranges, "its level-3 labels called"), rows)
    lines += [last + ", ".join(unseen) + "." if unseen else "All kinds are told from normal ones.", ""]
    return lines + picture(figure_name("kinds", run), "Level-1 AUC of each kind of abnormality")


def _counted(detected: Estimate, specimens: int) -> str:
    return f"{detected.value:.2f} of {specimens}" if specimens else "-"


def _groups(name: str, groups: Sequence[GroupAuc]) -> list[str]:
    rows = [
        [
            group.name + (" (not in training)" if group.seen is False else ""),
            str(group.specimens),
            str(group.abnormal),
            estimate(group.auc),
        ]
        for group in groups
    ]
    return table((name, "specimens", "abnormal", "AUC"), rows)


def _confusion(run: RunFindings) -> list[str]:
    words = (
        "Of abnormal specimens with exactly one level-3 label: the share that got each label. The diagonal is the "
        "sensitivity there; a specimen can get several labels, so a row can sum to more than 1."
    )
    return [
        "### Level-3 labels mistaken for each other",
        "",
        words,
        "",
        *picture(figure_name("confusion", run), "Level-3 labels called"),
    ]
