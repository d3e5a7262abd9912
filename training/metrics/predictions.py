"""Predictions of one model on one test set. Every figure of the evaluation is computed from them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Annotated, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from services.common.errors import Rejected
from services.common.labels import LABEL_ORDER
from training.datasets.arrays import Input, Labels, Mask

Numbers = NDArray[np.float64]
RunKey = tuple[str, str, str, int]
"""Model, configuration, input and seed: identifies a run."""

COLUMNS: Final = len(LABEL_ORDER)
_Probability = Annotated[float, Field(ge=0, le=1)]
_Fourteen = Field(min_length=COLUMNS, max_length=COLUMNS)


class PredictionOrigin(BaseModel):
    """What made the predictions; stored in the Parquet file's metadata.

    `input` is the views that the model read: DV, LAT or MV (both). `thresholds` has 14 entries in the order of
    `LABEL_ORDER`. `training_prevalence` has, for each centre of the training set, the share of positives per label
    (levels 2 and 3 among abnormal specimens; None where nothing was scored). It distinguishes centres in training from
    others, and gives what the centre alone reveals. A `baseline` appears in the tables, but not in the detailed part.
    """

    model_config = ConfigDict(frozen=True)

    model: str = Field(min_length=1)
    config: str = Field(min_length=1)
    input: Input
    seed: int
    thresholds: Annotated[tuple[_Probability, ...], _Fourteen]
    training_prevalence: dict[str, Annotated[tuple[_Probability | None, ...], _Fourteen]]
    baseline: bool = False

    @property
    def key(self) -> RunKey:
        """Identifies the run."""
        return self.model, self.config, self.input, self.seed


@dataclass(frozen=True)
class Abnormality:
    """One finding of a simulated specimen: its kind, a key of the simulator's catalogue, and severity in (0, 1]."""

    kind: str
    severity: float


@dataclass(frozen=True)
class Predictions:
    """Test specimens with truth and probabilities; arrays [n, 14] are in the order of `LABEL_ORDER`.

    `served` are probabilities as served, `given_abnormal` the same for level 1 and given abnormal for levels 2 and 3,
    both float64 in 0..1. `labels` is uint8 0/1 and counts where the mask `known` is true: a missing label is neither
    positive nor negative. `severity` is float64 [n], nan if unknown. `findings` [n] are what was simulated;
    None if unknown, as for real mice. `unseen` [n] marks specimens of centres that are in no training set, which are
    not part of the test set; None if there are none. Raises Rejected `no_specimens`, `wrong_shape`, `not_finite`,
    `out_of_range`, `invalid_label` or `duplicate_specimen`.
    """

    origin: PredictionOrigin
    specimens: tuple[str, ...]
    centres: tuple[str, ...]
    severity: Numbers
    labels: Labels
    known: Mask
    given_abnormal: Numbers
    served: Numbers
    findings: tuple[tuple[Abnormality, ...], ...] | None = None
    unseen: Mask | None = None

    def __post_init__(self) -> None:
        count = len(self.specimens)
        if not count:
            raise Rejected("no_specimens", "the predictions hold no specimens")
        _check_shape("centres", (len(self.centres),), (count,))
        _check_shape("severity", self.severity.shape, (count,))
        if self.findings is not None:
            _check_shape("findings", (len(self.findings),), (count,))
        if self.unseen is not None:
            _check_shape("unseen", self.unseen.shape, (count,))
        for name in ("labels", "known", "given_abnormal", "served"):
            _check_shape(name, getattr(self, name).shape, (count, COLUMNS))
        _check_unique(self.specimens)
        _check_probabilities("served", self.served)
        _check_probabilities("given_abnormal", self.given_abnormal)
        if np.isinf(self.severity).any():
            raise Rejected("not_finite", "severity is infinite for some specimens; use nan where it is unknown")
        if not np.isin(self.labels[self.known], (0, 1)).all():
            raise Rejected("invalid_label", "labels must be 0 or 1")

    def __len__(self) -> int:
        return len(self.specimens)

    @property
    def abnormal(self) -> Mask:
        """Specimens [n] that are known to be abnormal."""
        abnormal: Mask = self.known[:, 0] & (self.labels[:, 0] == 1)
        return abnormal

    def test_part(self) -> Predictions:
        """The specimens without those of unseen centres; raises Rejected `no_specimens` if none are left."""
        return self if self.unseen is None else self.select(~self.unseen)

    def select(self, rows: Mask) -> Predictions:
        """The specimens of a mask [n]."""
        chosen = np.flatnonzero(rows).tolist()
        return Predictions(
            origin=self.origin,
            specimens=tuple(self.specimens[row] for row in chosen),
            centres=tuple(self.centres[row] for row in chosen),
            severity=self.severity[rows],
            labels=self.labels[rows],
            known=self.known[rows],
            given_abnormal=self.given_abnormal[rows],
            served=self.served[rows],
            findings=None if self.findings is None else tuple(self.findings[row] for row in chosen),
            unseen=None if self.unseen is None else self.unseen[rows],
        )

    def scored(self, column: int) -> Mask:
        """Mask [n] of specimens that count for a label's AUC: for levels 2 and 3 the abnormal ones, as in the paper."""
        known: Mask = self.known[:, column]
        return known if column == 0 else known & self.abnormal

    def scores(self, column: int) -> Numbers:
        """Probabilities [n] for a label's AUC: level 1 as served, levels 2 and 3 given abnormal."""
        return self.served[:, 0] if column == 0 else self.given_abnormal[:, column]

    def require_both_classes(self) -> None:
        """Raise Rejected `class_absent`, naming the labels that have no positive or no negative scored specimen."""
        absent = []
        for column, label in enumerate(LABEL_ORDER):
            truth = self.labels[self.scored(column), column]
            absent += [f"{label} has no {name} specimen" for value, name in _CLASSES if not (truth == value).any()]
        if absent:
            raise Rejected("class_absent", "no AUC without both classes: " + ", ".join(absent), absent=absent)


_CLASSES: Final = ((1, "positive"), (0, "negative"))


def _check_shape(name: str, found: tuple[int, ...], expected: tuple[int, ...]) -> None:
    if found != expected:
        raise Rejected("wrong_shape", f"{name} has shape {list(found)}, not {list(expected)}", array=name)


def _check_unique(specimens: tuple[str, ...]) -> None:
    duplicates = sorted(name for name, count in Counter(specimens).items() if count > 1)
    if duplicates:
        message = f"{len(duplicates)} specimens occur more than once, such as {duplicates[0]!r}"
        raise Rejected("duplicate_specimen", message, specimens=duplicates[:10])


def _check_probabilities(name: str, values: Numbers) -> None:
    for mask, reason, fault in (
        (~np.isfinite(values), "not_finite", "is not a finite number"),
        ((values < 0) | (values > 1), "out_of_range", "is outside 0..1"),
    ):
        if mask.any():
            row, column = (int(index) for index in np.argwhere(mask)[0])
            location = f"{name} of {LABEL_ORDER[column]} in row {row}"
            raise Rejected(reason, f"{location} {fault}: {values[row, column]}", count=int(mask.sum()))
