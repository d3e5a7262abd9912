"""The rows of the table of strangers, cohort by cohort."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np

from services.common.decision.set_card import IMPC_PREVALENCE
from services.common.errors import Rejected
from training.metrics.ranking import LEVELS
from training.population import Population
from training.simulation.shifts import BENIGN, IMPROPER
from training.strangers.cohorts import (
    Cohort,
    Plan,
    holdout,
    make_cohort,
    read_foreign,
    read_radiographs,
    under_shift,
)
from training.strangers.evidence import without_evidence
from training.strangers.measures import (
    auc_difference,
    auc_estimate,
    calibration_error,
    positive_predictive_value,
    share,
)
from training.strangers.systems import (
    SYSTEMS,
    Calls,
    Known,
    Outputs,
    ServedSet,
    call,
    member_calls,
    read_outputs,
    references,
)
from training.strangers.table import Row

GROUPS: Final = ("own", "members", "prevalence", "shifts", "improper", "evidence", "foreign", "radiographs")
"""Groups of rows, in the order of the table."""
_UNDRAWN: Final = "none"
"""The shift that changes nothing: the holdout has it."""


@dataclass(frozen=True)
class Study:
    """What to measure: a repository's set, on `specimens` of the holdout and `shifted` per shift.

    `cache` keeps tensors and outputs. `foreign` and `radiographs` are folders; None leaves their rows out.
    `on_progress` is called with a cohort's name, the specimens drawn and their number.
    """

    served: ServedSet
    repository: Path
    cache: Path
    specimens: int
    shifted: int
    population: Population
    foreign: Path | None
    radiographs: Path | None
    on_progress: Callable[[str, int, int], None]

    def has_data(self, group: str) -> bool:
        """Whether a group of rows can be measured: two of them need a folder."""
        folders = {"foreign": self.foreign, "radiographs": self.radiographs}
        return folders.get(group, self.cache) is not None

    def own(self) -> Cohort:
        """The holdout."""
        return self._made("own", holdout(self.specimens, self.population), self.specimens)

    def shift(self, name: str, *, controls: bool) -> Cohort:
        """A cohort under a shift."""
        return self._made(name, under_shift(name, self.shifted, self.population, controls=controls), self.shifted)

    def _made(self, name: str, plan: Plan, count: int) -> Cohort:
        path = self.cache / f"{name}-{self.population}-{count}.npz"
        return make_cohort(name, plan, path, partial(self.on_progress, name))

    def outputs(self, cohort: Cohort) -> list[Outputs]:
        """Every member's outputs for a cohort."""
        return [read_outputs(member, cohort, self.cache / "outputs") for member in self.served.members]

    def known(self) -> Known:
        """The references of the simulated centres, from the holdout's controls."""
        own = self.own()
        return references(self.served.card, self.outputs(own), own)

    def calls(self, cohort: Cohort, known: Known | None = None) -> tuple[Cohort, list[Calls]]:
        """Call a cohort; returns its specimens that are not controls, and every system's calls for them."""
        found = call(self.served, self.outputs(cohort), cohort, known)
        rows = ~cohort.control
        return cohort.select(rows), [one.select(rows) for one in found]


def measure(study: Study, groups: Sequence[str]) -> Iterator[list[Row]]:
    """Yield the rows of each group, in the order of `GROUPS`; raises Rejected `unknown_group`."""
    unknown = [group for group in groups if group not in GROUPS]
    if unknown:
        raise Rejected("unknown_group", f"{unknown[0]!r} is not one of {', '.join(GROUPS)}")
    for group in GROUPS:
        if group in groups:
            yield _MEASURES[group](study)


def _own(study: Study) -> list[Row]:
    cohort, systems = study.calls(study.own())
    rows = [row for calls in systems for row in _auc_rows("own", cohort, calls, _OWN_LIMITS)]
    return rows + [row for calls in systems for row in _error_rows("own", cohort, calls)]


_OWN_LIMITS: Final = {1: ("0.95", "0.98"), 2: ("0.90", "0.95"), 3: ("0.87", "0.92")}
_FOREIGN_LIMITS: Final = {1: ("0.85", "0.95"), 2: ("0.75", "0.85"), 3: ("0.70", "0.80")}
_EVIDENCE_LIMITS: Final = {1: ("0.90", "0.95"), 2: ("0.75", "0.85"), 3: ("0.70", "0.80")}


def _auc_rows(row: str, cohort: Cohort, calls: Calls, limits: Mapping[int, tuple[str, str]]) -> list[Row]:
    return [
        Row(
            row,
            calls.system,
            f"AUC level {level}",
            auc_estimate(cohort.labels, calls.given_abnormal, level),
            len(cohort.labels),
            *limits[level],
        )
        for level in LEVELS
    ]


def _error_rows(row: str, cohort: Cohort, calls: Calls, limits: tuple[str, str] = ("", "")) -> list[Row]:
    """False alarms and sensitivity of level 1, both without the specimens that the system abstains from."""
    normal, abnormal = cohort.labels[:, 0] == 0, cohort.labels[:, 0] == 1
    alarm = calls.positive[:, 0] & ~calls.abstained
    found = [Row(row, calls.system, "normal, called abnormal", share(alarm[normal]), int(normal.sum()), *limits)]
    if abnormal.any():
        found.append(Row(row, calls.system, "abnormal, called abnormal", share(alarm[abnormal]), int(abnormal.sum())))
    return [*found, Row(row, calls.system, "abstained", share(calls.abstained), len(calls.abstained))]


def _members(study: Study) -> list[Row]:
    cohort = study.own()
    outputs = study.outputs(cohort)
    each = member_calls(study.served, outputs, cohort, referred=True)
    (together,) = [one for one in call(study.served, outputs, cohort) if one.system == SYSTEMS[-1]]
    rows = ~cohort.control
    labels = cohort.labels[rows]
    found = []
    for level in LEVELS:
        alone = {name: auc_estimate(labels, values[rows], level) for name, values in each.items()}
        found += [Row("members", name, f"AUC level {level}", one, len(labels)) for name, one in alone.items()]
        best = max(alone, key=lambda name: alone[name].value)
        difference = auc_difference(labels, together.given_abnormal[rows], each[best][rows], level)
        measure = f"AUC level {level}, set minus {best}"
        found.append(Row("members", SYSTEMS[-1], measure, difference, len(labels), "not below 0"))
    return found


def _prevalence(study: Study) -> list[Row]:
    cohort, systems = study.calls(study.own())
    truth, found = cohort.labels[:, 0], []
    for calls in systems:
        error = calibration_error(truth, calls.served[:, 0], IMPC_PREVALENCE)
        value = positive_predictive_value(truth, calls.positive[:, 0] & ~calls.abstained, IMPC_PREVALENCE)
        measure = f"at {IMPC_PREVALENCE:.2%}"
        found += [
            Row("prevalence", calls.system, f"level 1 calibration error {measure}", error, len(truth), "0.01"),
            Row("prevalence", calls.system, f"PPV {measure}", value, len(truth), "reported"),
        ]
    return found


def _shifts(study: Study) -> list[Row]:
    found = []
    for name in (name for name in BENIGN if name != _UNDRAWN):
        cohort, systems = study.calls(study.shift(name, controls=True))
        for calls in systems:
            found += _error_rows(f"shift: {name}", cohort, calls, ("0.08", "0.03"))
    return found


def _improper(study: Study) -> list[Row]:
    known, found = study.known(), []
    for name in IMPROPER:
        cohort = study.shift(name, controls=False)
        refused = sum(cohort.refused.values())
        _, systems = study.calls(cohort, known)
        for calls in systems:
            abstained = np.concatenate([calls.abstained, np.ones(refused, dtype=np.bool_)])
            measure = "refused or abstained"
            found.append(
                Row(f"improper: {name}", calls.system, measure, share(abstained), len(abstained), "0.98", "1.00")
            )
    return found


def _evidence(study: Study) -> list[Row]:
    cohort = study.own().select(~study.own().control)
    return [
        Row(
            "evidence of bones at its mean",
            name,
            f"AUC level {level}",
            auc_estimate(cohort.labels, probabilities, level),
            len(cohort.labels),
            *_EVIDENCE_LIMITS[level],
        )
        for name, probabilities in without_evidence(study.repository, study.served, cohort).items()
        for level in LEVELS
    ]


def _foreign(study: Study) -> list[Row]:
    if study.foreign is None:
        raise Rejected("no_foreign_set", "name the folder of the foreign set with --foreign")
    cohort, systems = study.calls(read_foreign(study.foreign))
    rows = [row for calls in systems for row in _auc_rows("foreign", cohort, calls, _FOREIGN_LIMITS)]
    return rows + [row for calls in systems for row in _error_rows("foreign", cohort, calls, ("0.10", "0.05"))]


def _radiographs(study: Study) -> list[Row]:
    if study.radiographs is None:
        raise Rejected("no_radiographs", "name the folder of the radiographs with --radiographs")
    cohort, systems = study.calls(read_radiographs(study.radiographs))
    limits = ("2 of 16", "0")
    return [row for calls in systems for row in _error_rows("radiographs", cohort, calls, limits)]


_MEASURES: Final[Mapping[str, Callable[[Study], list[Row]]]] = {
    "own": _own,
    "members": _members,
    "prevalence": _prevalence,
    "shifts": _shifts,
    "improper": _improper,
    "evidence": _evidence,
    "foreign": _foreign,
    "radiographs": _radiographs,
}
