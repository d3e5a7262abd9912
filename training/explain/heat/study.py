"""Heat on the altered bones over a test set, by label and by kind of abnormality."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.common.labels import LABEL_ORDER
from training.datasets.store import Images, Subset
from training.explain.heat.altered import altered_cells, bone_cells
from training.explain.heat.grad_cam import Rows
from training.explain.heat.localisation import Localisation, Shares, shares, summarise
from training.explain.heat.maps import heat_maps
from training.explain.inspection.trained import Trained

MOST_PAIRS: Final = 1500
"""Specimens times labels that are looked at; of a larger test set as many, evenly spaced."""
FEWEST: Final = 3
"""Kinds with fewer specimens are left out."""


@dataclass(frozen=True)
class HeatStudy:
    """One source's heat on the altered bones.

    `labels`: heat of each positive label on the bones that set it, over the specimens that have the label. `kinds`:
    heat of level 1 on all altered bones, over the specimens whose only finding is of the kind.
    """

    source: str
    labels: tuple[Localisation, ...]
    kinds: tuple[Localisation, ...]


@dataclass(frozen=True)
class Pairs:
    """Specimens (rows of the subset) with a positive label whose altered bones can be seen, [n] each."""

    specimens: Rows
    columns: Rows


def study(trained: Trained) -> tuple[HeatStudy, ...]:
    """Compute the heat of every positive label from each source; empty where nobody knows which bones are altered."""
    test, bones = trained.test, trained.test.bones
    if bones is None:
        return ()
    pairs = positive_pairs(test, bones)
    rows = test.rows[pairs.specimens]
    altered = np.stack([altered_cells(bones[row], column) for row, column in zip(rows, pairs.columns, strict=True)])
    skeleton = np.stack([bone_cells(bones[row]) for row in rows])
    single = _single_kinds(trained)[pairs.specimens]
    return tuple(
        _of_source(one.title, shares(one.heat, altered, skeleton), pairs.columns, single)
        for one in heat_maps(trained.backbone, test.images, rows, pairs.columns)
    )


def positive_pairs(test: Subset, bones: Images) -> Pairs:
    """Every positive label of every specimen, where at least one cell of either view shows an altered bone."""
    specimens, columns = np.nonzero(test.labels == 1)
    places = zip(test.rows[specimens].tolist(), columns.tolist(), strict=True)
    chosen = np.flatnonzero([altered_cells(bones[row], column).any() for row, column in places])
    if len(chosen) > MOST_PAIRS:
        chosen = chosen[np.linspace(0, len(chosen) - 1, MOST_PAIRS).astype(np.int64)]
    return Pairs(specimens[chosen], columns[chosen])


def _of_source(source: str, found: Shares, columns: Rows, single: NDArray[np.str_]) -> HeatStudy:
    labels = [summarise(label, found.part(columns == column)) for column, label in enumerate(LABEL_ORDER)]
    level1 = columns == 0
    names = sorted(set(single[level1].tolist()) - {""})
    kinds = [summarise(kind, found.part(level1 & (single == kind))) for kind in names]
    return HeatStudy(source, tuple(labels), tuple(one for one in kinds if one.specimens + one.blind >= FEWEST))


def _single_kinds(trained: Trained) -> NDArray[np.str_]:
    """Kind of each test specimen's only finding [n]; empty where it has none, several, or nobody knows."""
    findings = trained.predictions.findings or ((),) * len(trained.test)
    return np.array([one[0].kind if len(one) == 1 else "" for one in findings])
