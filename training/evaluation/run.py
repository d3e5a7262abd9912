"""Predictions of a training run's backbones, and of their consensus, on its test specimens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from services.common.labels import LABEL_ORDER
from training.data.store import Entry, SetFolder, Subset
from training.evaluation.evaluate import Judged, consensus
from training.evaluation.parquet import save
from training.evaluation.predictions import Numbers, Origin, Predictions
from training.fit.plan import Configuration
from training.phantom.specimen import make_specimen

CONSENSUS: Final = "consensus"


def write_predictions(
    folder: Path, store: SetFolder, judged: Mapping[str, Judged], configuration: Configuration
) -> list[Path]:
    """Write `predictions-NAME.parquet` for each backbone and for `consensus`: mean probability and threshold of all."""
    test = store.subset("test")
    entries = _entries(store, test)
    prevalence = training_prevalence(store.subset("train"))
    served = {name: (one.given_abnormal, one.served, one.thresholds) for name, one in judged.items()}
    served[CONSENSUS] = consensus(list(judged.values()))
    paths = []
    for name, (given_abnormal, probabilities, thresholds) in served.items():
        predictions = Predictions(
            origin=Origin(
                model=name,
                config=configuration.name,
                input="MV",
                seed=configuration.seed,
                thresholds=thresholds,
                training_prevalence=prevalence,
            ),
            specimens=tuple(entry.specimen for entry in entries),
            centres=test.centres,
            severity=_severity(store, entries),
            labels=test.labels,
            known=np.ones(test.labels.shape, dtype=np.bool_),
            given_abnormal=given_abnormal,
            served=probabilities,
        )
        paths.append(folder / f"predictions-{name}.parquet")
        save(predictions, paths[-1])
    return paths


def training_prevalence(train: Subset) -> dict[str, tuple[float | None, ...]]:
    """Share of positives of each of the 14 labels per centre; levels 2 and 3 among abnormal specimens, or None."""
    found: dict[str, tuple[float | None, ...]] = {}
    centres = np.array(train.centres)
    for centre in sorted(set(train.centres)):
        labels = train.labels[centres == centre]
        abnormal = labels[labels[:, 0] == 1]
        means = abnormal.mean(axis=0).tolist() if len(abnormal) else [None] * len(LABEL_ORDER)
        found[centre] = (float(labels[:, 0].mean()), *means[1:])
    return found


def _entries(store: SetFolder, subset: Subset) -> list[Entry]:
    by_index = {entry.index: entry for entry in store.entries()}
    return [by_index[index] for index in subset.rows.tolist()]


def _severity(store: SetFolder, entries: Sequence[Entry]) -> Numbers:
    """Severity of each simulated specimen's gravest finding [n], nan of a normal one."""
    specimens = [make_specimen(store.recipe.first_seed + entry.index) for entry in entries]
    gravest = [max((finding.severity for finding in specimen.findings), default=np.nan) for specimen in specimens]
    return np.array(gravest, dtype=np.float64)
