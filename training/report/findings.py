"""All numbers of the report, each computed once."""

from collections.abc import Sequence
from dataclasses import dataclass

from services.common.labels import LABEL_ORDER
from training.datasets.arrays import Mask
from training.evaluation.summary import AucRow, Group, auc_rows, group
from training.metrics.decisions import (
    AbstentionPoint,
    Confusion,
    Errors,
    abstention,
    calls,
    confusion,
    errors,
    expected_calibration_error,
)
from training.metrics.groups import GroupAuc, KindFindings, by_centre, by_kind, by_severity
from training.metrics.predictions import Predictions
from training.metrics.ranking import LEVEL_COLUMNS, Estimate, average_precision, resample
from training.metrics.shortcut import CentresAuc, Consistency, centre_alone, consistency, seen_and_unseen


@dataclass(frozen=True)
class LabelFindings:
    """One label of one run, over all specimens with a known label; probabilities and calls as served."""

    label: str
    positives: int
    specimens: int
    average_precision: float
    errors: Errors
    calibration_error: float
    centre_alone: Estimate


@dataclass(frozen=True)
class RunFindings:
    """One run in detail."""

    name: str
    predictions: Predictions
    labels: tuple[LabelFindings, ...]
    consistency: Consistency
    abstention: tuple[AbstentionPoint, ...]
    centres: tuple[GroupAuc, ...]
    seen_and_unseen: tuple[CentresAuc, ...]
    severity: tuple[GroupAuc, ...]
    kinds: tuple[KindFindings, ...]
    confusion: Confusion


@dataclass(frozen=True)
class Findings:
    """AUC of all groups, and details of the lowest seed of each multiview group that is not a baseline."""

    auc: tuple[tuple[Group, tuple[AucRow, ...]], ...]
    runs: tuple[RunFindings, ...]

    @property
    def test_set(self) -> Predictions:
        """The predictions of any run: all have the same specimens and truth."""
        return self.runs[0].predictions


def find(predictions: Sequence[Predictions]) -> Findings:
    """Compute everything from one or more runs on one test set.

    Raises Rejected `class_absent`, `same_run_twice` or `different_test_sets`.
    """
    parts = [one.test_part() for one in predictions]
    groups = group(parts)
    parts[0].require_both_classes()
    counts = resample(len(parts[0]))
    models = [one for one in groups if not one.runs[0].origin.baseline] or groups
    multiview = [one for one in models if one.input == "MV"]
    whole = {one.origin.key: one for one in predictions}
    return Findings(
        auc=tuple((one, tuple(auc_rows(one, counts))) for one in groups),
        runs=tuple(_run(one.name, one.runs[0], whole[one.runs[0].origin.key]) for one in multiview or models),
    )


def _run(name: str, run: Predictions, whole: Predictions) -> RunFindings:
    """All numbers about the test part of a run; `whole` also has the specimens of unseen centres."""
    called = calls(run.served, run.origin.thresholds)
    known = run.known[:, 0]
    complete = run.abnormal & run.known[:, list(LEVEL_COLUMNS[3])].all(axis=1)
    return RunFindings(
        name=f"{name}, seed {run.origin.seed}",
        predictions=run,
        labels=tuple(_label(run, called, column) for column in range(len(LABEL_ORDER))),
        consistency=consistency(run.served, run.origin.thresholds),
        abstention=tuple(abstention(run.labels[known, 0], run.served[known, 0], run.origin.thresholds[0])),
        centres=tuple(by_centre(whole)),
        seen_and_unseen=tuple(seen_and_unseen(whole)),
        severity=tuple(by_severity(run)),
        kinds=tuple(by_kind(run)),
        confusion=confusion(called, run.labels, complete),
    )


def _label(run: Predictions, called: Mask, column: int) -> LabelFindings:
    known = run.known[:, column]
    truth, served = run.labels[known, column], run.served[known, column]
    return LabelFindings(
        label=LABEL_ORDER[column],
        positives=int(truth.sum()),
        specimens=len(truth),
        average_precision=average_precision(truth, served),
        errors=errors(called[known, column], truth),
        calibration_error=expected_calibration_error(truth, served),
        centre_alone=centre_alone(run, column),
    )
