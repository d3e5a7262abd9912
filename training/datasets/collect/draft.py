"""The contents of a dataset before it is written: its rows, and what was left out and why."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from services.common.labels import LABEL_ORDER
from services.common.preprocessing import TENSOR_SIDE, VERSION
from training.datasets.collect.dataset import Description, EvaluationCount, LabelCount
from training.datasets.collect.evaluation_set import EvaluationSet
from training.datasets.collect.merge import Labelled, StatementConflict
from training.datasets.collect.specimens import SpecimenTensor

_FORMAT: Final = 1
"""Increased when the same specimens must get another digest."""


@dataclass(frozen=True)
class DatasetRow:
    """One specimen of a dataset; `evaluation` is whether it is in the fixed evaluation set."""

    found: SpecimenTensor
    labelled: Labelled
    evaluation: bool


@dataclass(frozen=True)
class DatasetDraft:
    """Rows sorted by specimen, the evaluation set, specimens left out by reason, and all conflicts."""

    rows: tuple[DatasetRow, ...]
    evaluation: EvaluationSet
    left_out: Mapping[str, Sequence[str]]
    conflicts: tuple[StatementConflict, ...]

    def digest(self) -> str:
        """SHA-256 over every specimen's tensor, labels and part, the preprocessing version and the evaluation set."""
        lines: list[list[object]] = [[_FORMAT, VERSION, TENSOR_SIDE, self.evaluation.digest]]
        lines += [
            [
                row.found.specimen,
                row.found.centre,
                row.found.part,
                row.evaluation,
                row.found.tensor_sha256,
                list(row.labelled.labels),
            ]
            for row in self.rows
        ]
        text = "\n".join(json.dumps(line, ensure_ascii=False, separators=(",", ":")) for line in lines)
        return hashlib.sha256(text.encode()).hexdigest()

    def description(self) -> Description:
        """The counts of `dataset.json`."""
        return Description(
            digest=self.digest(),
            preprocessing_version=VERSION,
            tensor_side=TENSOR_SIDE,
            specimens=_counted(row.found.part for row in self.rows),
            centres=_counted(row.found.centre for row in self.rows),
            labels={label: self._count(place) for place, label in enumerate(LABEL_ORDER)},
            label_sources=_counted(source for row in self.rows for source in row.labelled.sources if source),
            evaluation=self._evaluation(),
            left_out={reason: len(specimens) for reason, specimens in sorted(self.left_out.items())},
            conflicts=_counted(conflict.kind for conflict in self.conflicts),
        )

    def _count(self, place: int) -> LabelCount:
        values = [row.labelled.labels[place] for row in self.rows]
        return LabelCount(positives=values.count(1), negatives=values.count(0), missing=values.count(None))

    def _evaluation(self) -> EvaluationCount:
        members = self.evaluation.members
        judged = [row for row in self.rows if row.evaluation]
        return EvaluationCount(
            generation=self.evaluation.generation,
            digest=self.evaluation.digest,
            specimens=len(judged),
            waiting=sum(row.found.part == "test" and not row.evaluation for row in self.rows),
            relabelled=sum(members[row.found.specimen] != row.labelled.labels for row in judged),
        )


def _counted(names: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(names).items()))
