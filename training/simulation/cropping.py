"""Cuts a radiograph at a landmark, as a technician crops a picture."""

from dataclasses import replace

import numpy as np

from training.simulation.imaging.radiograph import Box, Radiograph
from training.simulation.imaging.rays import Grid
from training.simulation.landmarks import LANDMARKS


def cropped_at(radiograph: Radiograph, landmark: str, *, keep_head: bool) -> Radiograph:
    """The part of an upright radiograph on one side of a landmark, towards the head or away from it.

    Upright means that the head is up (0 degrees) or left (90). The truth moves with the picture. A landmark that is not
    present leaves the picture whole.
    """
    row = LANDMARKS.index(landmark)
    if not radiograph.landmarks.present[row]:
        return radiograph
    vertical = abs(radiograph.head_angle_degrees) < 45.0
    rays = radiograph.grid
    pixels = np.array(radiograph.mask.shape)
    axis = 0 if vertical else 1
    # The cut falls on a whole number of rays, so that rays and pixels keep covering the same field.
    count = (rays.height, rays.width)[axis]
    zoom = pixels[axis] / count
    cut = int(np.clip(round(float(radiograph.landmarks.points[row, 1 - axis]) / zoom), 1, count - 1))
    first, last = (0, cut) if keep_head else (cut, count)
    low, high = round(first * zoom), round(last * zoom)
    box = Box(low, 0, high, int(pixels[1])) if vertical else Box(0, low, int(pixels[0]), high)
    origin = rays.origin + rays.axes[:, 1 - axis] * (first * rays.step)
    height, width = (last - first, rays.width) if vertical else (rays.height, last - first)
    return replace(_cropped(radiograph, box), grid=Grid(rays.axes, origin, rays.step, height, width))


def _cropped(radiograph: Radiograph, box: Box) -> Radiograph:
    window = slice(box.top, box.bottom), slice(box.left, box.right)
    height, width = box.bottom - box.top, box.right - box.left
    moved = radiograph.landmarks.warped([[1.0, 0.0, -box.left], [0.0, 1.0, -box.top]])
    boxes = {name: _inside(one, box) for name, one in radiograph.altered.items()}
    return replace(
        radiograph,
        transmission=np.ascontiguousarray(radiograph.transmission[window]),
        mask=np.ascontiguousarray(radiograph.mask[window]),
        animal=None if radiograph.animal is None else _inside(radiograph.animal, box),
        altered={name: one for name, one in boxes.items() if one is not None},
        collimated=_inside(radiograph.collimated, box) or Box(0, 0, height, width),
        landmarks=moved.within(0, 0, width, height),
    )


def _inside(one: Box, window: Box) -> Box | None:
    """The part of a box within a window, in the window's pixels; None if there is none."""
    top, left = max(one.top, window.top) - window.top, max(one.left, window.left) - window.left
    bottom, right = min(one.bottom, window.bottom) - window.top, min(one.right, window.right) - window.left
    return Box(top, left, bottom, right) if bottom > top and right > left else None
