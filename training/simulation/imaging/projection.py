"""Projects a posed mouse to ray thicknesses on a picture grid, and maps given bones for pretraining."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from training.simulation.anatomy.mouse import Mouse
from training.simulation.anatomy.soft_tissue import GROUPS
from training.simulation.imaging.radiograph import Box
from training.simulation.imaging.rays import Grid, Picture, add_up, greatest, sum_ellipsoids, sum_tubes
from training.simulation.imaging.triangles import sum_triangles
from training.simulation.solids import Points

_LEAST_MM: Final = 0.02
"""Bone that is thinner than this along the ray does not count."""


def bone_map(mouse: Mouse, grid: Grid, groups: Sequence[Collection[str]]) -> NDArray[np.bool_]:
    """For each group of part names, the pixels that its bones cover: bool [groups, height, width].

    Names that this mouse does not have (a missing rib) are ignored.
    """
    member = np.zeros((len(groups), len(mouse.parts)), dtype=np.bool_)
    for row, names in zip(member, groups, strict=True):
        row[[mouse.parts[name] for name in names if name in mouse.parts]] = True
    kinds = (mouse.tubes, mouse.ellipsoids, mouse.triangles)
    tubes, ellipsoids, triangles = (np.ascontiguousarray(member[:, one.part].T) for one in kinds)
    thick = sum_tubes(mouse.tubes, grid, tubes) + sum_ellipsoids(mouse.ellipsoids, grid, ellipsoids)
    thick += sum_triangles(mouse.triangles, grid, triangles)
    return np.asarray(thick > _LEAST_MM, dtype=np.bool_)


_SOFT_COARSER: Final = 2


@dataclass(frozen=True, slots=True)
class Thickness:
    """Ray thicknesses in millimetres, both (height, width) float32, and the pixel boxes of the requested bones."""

    soft: Picture
    bone: Picture
    boxes: dict[str, Box]


def picture_axes(mouse: Mouse, lateral: bool, head_angle: float, mirrored: bool, roll: float) -> Points:
    """World directions of picture right, picture down and the ray, as columns (3x3).

    With head up (angle 0) a DV has the animal's left on the picture's left, a LAT its back on the right.
    """
    heading = mouse.nose - mouse.rump
    side = np.array([0.0, 0.0, 1.0]) if lateral else np.array([0.0, -1.0, 0.0])
    ray = np.array([0.0, 1.0, 0.0]) if lateral else np.array([0.0, 0.0, -1.0])
    up = heading - (heading @ ray) * ray
    up /= np.linalg.norm(up)
    right = side - (side @ up) * up - (side @ ray) * ray
    right /= np.linalg.norm(right)
    tilt = np.radians(roll)
    right, ray = right * np.cos(tilt) + ray * np.sin(tilt), ray * np.cos(tilt) - right * np.sin(tilt)
    if mirrored:
        right = -right
    turn = np.radians(head_angle)
    # A head at +90 degrees points left: picture up is then the animal's own right in the unturned picture.
    turned_up = up * np.cos(turn) + right * np.sin(turn)
    turned_right = right * np.cos(turn) - up * np.sin(turn)
    return np.column_stack((turned_right, -turned_up, ray))


def extent(mouse: Mouse, axes: Points, parts: tuple[str, ...] = ()) -> Points:
    """Picture box (2, 2) of the mouse's bones, or of the named ones: low and high (right, down), millimetres."""
    tubes = mouse.tubes
    if parts:
        chosen = np.isin(tubes.part, [mouse.parts[name] for name in parts])
        meshes = mouse.triangles.of_parts([mouse.parts[name] for name in parts])
        points = np.concatenate((tubes.start[chosen], tubes.end[chosen], meshes))
    else:
        points = np.concatenate((tubes.start, tubes.end, mouse.triangles.vertices))
    flat = points @ axes[:, :2]
    low, high = flat.min(axis=0), flat.max(axis=0)
    if not parts:  # the snout consists of ellipsoids only, and must not be cut off
        middle = mouse.ellipsoids.centre @ axes[:, :2]
        reach = np.sqrt(np.einsum("ik,nij,jk->nk", axes[:, :2], mouse.ellipsoids.shape, axes[:, :2]))
        low, high = np.minimum(low, (middle - reach).min(axis=0)), np.maximum(high, (middle + reach).max(axis=0))
    return np.array([low, high])


def thicknesses(mouse: Mouse, grid: Grid, altered: tuple[str, ...]) -> Thickness:
    """Project all solids of one mouse."""
    bone = add_up(grid, mouse.tubes, mouse.ellipsoids)
    if len(mouse.triangles.faces):
        bone += np.maximum(sum_triangles(mouse.triangles, grid)[0], 0.0).astype(np.float32)
    return Thickness(_soft(mouse, grid), bone, _boxes(mouse, grid, altered))


def _soft(mouse: Mouse, grid: Grid) -> Picture:
    """Soft tissue, computed on a coarser grid: skin and organs have no smaller details."""
    coarse = grid.coarser(_SOFT_COARSER)
    body = greatest(mouse.soft, mouse.soft_group, GROUPS, coarse)
    body += sum_ellipsoids(mouse.organs, coarse)[0].astype(np.float32)
    smooth = cv2.GaussianBlur(np.maximum(body, 0.0), (0, 0), 0.35 / coarse.step if coarse.step < 0.7 else 0.5)
    wide = cv2.resize(smooth, None, fx=_SOFT_COARSER, fy=_SOFT_COARSER, interpolation=cv2.INTER_LINEAR)
    return np.ascontiguousarray(wide[: grid.height, : grid.width], dtype=np.float32)


def _boxes(mouse: Mouse, grid: Grid, parts: tuple[str, ...]) -> dict[str, Box]:
    tubes, ellipsoids = mouse.tubes, mouse.ellipsoids
    boxes = {}
    for name in parts:
        if name not in mouse.parts:
            continue
        number = mouse.parts[name]
        of_tubes, of_ellipsoids = tubes.part == number, ellipsoids.part == number
        points = np.concatenate(
            (
                tubes.start[of_tubes],
                tubes.end[of_tubes],
                ellipsoids.centre[of_ellipsoids],
                mouse.triangles.of_parts([number]),
            )
        )
        flat = grid.project(points)[:, :2]
        margin = 0.5 / grid.step
        left, top = np.clip(flat.min(axis=0) - margin, 0, (grid.width, grid.height)).astype(int).tolist()
        right, bottom = np.clip(flat.max(axis=0) + margin + 1, 0, (grid.width, grid.height)).astype(int).tolist()
        if bottom > top and right > left:
            boxes[name] = Box(top, left, bottom, right)
    return boxes
