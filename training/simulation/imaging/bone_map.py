"""Where given bones lie in a picture: the simulator's own knowledge, for pretraining."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from training.simulation.anatomy.mouse import Mouse
from training.simulation.imaging.rays import Cover, Grid, cover_ellipsoids, cover_tubes

_LEAST_MM: Final = 0.02
"""Thinner bone than this along the ray does not count."""


def bone_map(mouse: Mouse, grid: Grid, groups: Sequence[Collection[str]]) -> NDArray[np.bool_]:
    """For each group of part names, the pixels that its bones cover: bool [groups, height, width].

    Names that this mouse does not have (a missing rib) are passed over.
    """
    covers = (
        (cover_tubes(mouse.tubes, grid), mouse.tubes.part),
        (cover_ellipsoids(mouse.ellipsoids, grid), mouse.ellipsoids.part),
    )
    member = np.zeros((len(groups), len(mouse.parts)), dtype=np.bool_)
    for row, names in zip(member, groups, strict=True):
        row[[mouse.parts[name] for name in names if name in mouse.parts]] = True
    totals = [sum(_of_parts(cover, wanted[part], grid) for cover, part in covers) for wanted in member]
    return np.stack([np.asarray(total) > _LEAST_MM for total in totals])


def _of_parts(cover: Cover, wanted: NDArray[np.bool_], grid: Grid) -> NDArray[np.float64]:
    taken = wanted[cover.solid]
    size = grid.height * grid.width
    total = np.bincount(cover.pixel[taken], weights=cover.thickness[taken], minlength=size)
    return np.asarray(total, dtype=np.float64).reshape(grid.height, grid.width)
