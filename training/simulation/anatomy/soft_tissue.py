"""Soft tissue: groups of overlapping ellipsoids, and organs that add or remove density.

Within a group only the thickest solid counts along a ray, so a chain of overlapping ellipsoids looks like one body.
Groups are added up.
"""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from training.simulation.anatomy.limbs import LimbPath
from training.simulation.solids import Points, Solids

BODY: Final = 0
TAIL: Final = 1
EARS: Final = 2
EAR_RIMS: Final = 3
LIMBS: Final = (4, 5, 6, 7)
GROUPS: Final = 8


@dataclass(slots=True)
class SoftTissue:
    """Soft solids with the group of each, and organs: air in the lungs, gas, food, pellets."""

    solids: Solids = field(default_factory=Solids)
    organs: Solids = field(default_factory=Solids)
    _groups: list[NDArray[np.int64]] = field(default_factory=list)

    def groups(self) -> NDArray[np.int64]:
        """Group number of every soft solid, in the order of `solids`."""
        return np.concatenate(self._groups)

    def add(self, group: int, centres: Points, axes: Points, sizes: Points) -> None:
        """Add n ellipsoids: centres (n, 3), unit axes as columns (n, 3, 3) or (3, 3), semi-axes (n, 3)."""
        columns = axes * sizes[:, None, :]
        self.solids.ellipsoids("soft", centres, columns @ columns.swapaxes(1, 2))
        self._groups.append(np.full(len(centres), group))

    def sweep(self, group: int, path: Points, radii: Points, step: float = 0.9) -> None:
        """Add spheres along a path of points (n, 3) with a radius at each; their distance is `step` smallest radii."""
        lengths = np.concatenate(([0.0], np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1))))
        count = max(int(lengths[-1] / (step * float(np.min(radii)))) + 1, 2)
        at = np.linspace(0.0, lengths[-1], count)
        points = np.empty((count, 3))
        for axis in range(3):
            points[:, axis] = np.interp(at, lengths, path[:, axis])
        girth = np.interp(at, lengths, radii)
        self.solids.ellipsoids("soft", points, np.eye(3) * (girth**2)[:, None, None])
        self._groups.append(np.full(count, group))


def add_limb(soft: SoftTissue, path: LimbPath, hind: bool, group: int) -> None:
    """Add muscle and skin along a limb's joints; thigh and upper arm belong to the body's outline."""
    thigh, knee, ankle, foot = (6.0, 3.5, 1.4, 1.1) if hind else (3.9, 2.3, 1.15, 0.9)
    points = path.segments()
    soft.sweep(BODY, points[:2], np.array([thigh, knee]), step=0.35)
    soft.sweep(group, points[1:3], np.array([knee, ankle]), step=0.6)
    soft.sweep(group, points[2:4], np.array([ankle, foot]), step=0.7)
    length = float(np.linalg.norm(points[3] - points[2]))
    forward = (points[3] - points[2]) / max(length, 1e-6)
    axes = np.column_stack((forward, path.across, np.cross(forward, path.across)))
    centre = points[2] + forward * length * 0.42
    soft.add(group, centre[None], axes, np.array([[length * 0.45, 1.9 if hind else 1.5, 1.0]]))
