"""Straight edges at any angle: tilted collimator blades, and the corners of a picture that was turned in its frame.

Beyond such an edge the image has one level. It is removed from the field, the outermost edge first.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from services.intake.animal.trunk import Mask, Plane

_MOST_EDGES: Final = 12
"""Four corners, four blades, and as many pieces of a frame."""
_CANDIDATES: Final = 24
"""Lines with the most votes that are examined before the search ends."""
_ANGLES: Final = 180
"""Directions of lines over the half circle, one degree apart."""
_VOTES: Final = 0.15
"""Least votes per scout pixel of an edge's length."""
_NEAR: Final = 6
"""Scout pixels around a line in which its edge is searched."""
_STEEP: Final = 0.006
"""Least gradient of a pixel that votes, per scout pixel and as a fraction of the image's range. A blade's edge is
blurred over about three pixels and rises by at least 0.02."""
_JUMP: Final = 0.02
"""Least step across an edge, as a fraction of the range."""
_ALONG: Final = 0.75
"""Fraction of an edge's length that has at least half its usual step. An animal may cross the rest."""
_UNIFORM: Final = 0.85
"""Fraction of the pixels beyond an edge that must be near their own median."""
_TWO_LEVELS: Final = 0.96
"""Fraction that must be near one of two levels: an animal has many."""
_OPEN: Final = 0.3
"""Least fraction of an edge that no other blade crosses."""
_TOLERANCE: Final = 0.06
"""Pixels within this fraction of the range of a level are near it."""
_SHORTEST: Final = 0.08
"""Shortest edge, as a fraction of the longer side."""
_BLUR: Final = 2.5
"""Scout pixels from the middle of an edge to where the levels of its two sides begin."""
_LARGEST: Final = 0.5
"""Largest part of the field that one edge may remove."""


@dataclass(frozen=True)
class _Line:
    """The points p with normal . p = offset; the side to which `normal` points is the one beyond."""

    normal: NDArray[np.float64]
    offset: float


def within_edges(values: Plane, field: Mask) -> Mask:
    """Return the part of `field` inside all straight edges, bool [rows, columns]; all of it when there is none."""
    low, high = (float(level) for level in np.percentile(values[::2, ::2], (0.5, 99.5)))
    extent = max(high - low, 1e-3)
    smooth = np.asarray(cv2.GaussianBlur(values, (3, 3), 0), dtype=np.float32)
    x_step, y_step = (
        np.asarray(cv2.Sobel(smooth, cv2.CV_32F, *order, ksize=3, scale=1 / 8), dtype=np.float32)
        for order in ((1, 0), (0, 1))
    )
    size = cv2.magnitude(x_step, y_step)
    steep = (size > max(_STEEP * extent, 3 * float(np.median(size)))) & field
    open_part = field.copy()
    for _ in range(_MOST_EDGES):
        line = _outermost(values, open_part, extent, _voted(x_step, y_step, steep & open_part))
        if line is None:
            break
        open_part &= _distance(line, values.shape) < -_BLUR
    return open_part


def _distance(line: _Line, shape: tuple[int, ...]) -> Plane:
    x, y = np.arange(shape[1], dtype=np.float32)[None, :], np.arange(shape[0], dtype=np.float32)[:, None]
    across, down = (np.float32(part) for part in line.normal)
    return np.asarray(x * across + y * down - np.float32(line.offset), dtype=np.float32)


def _voted(x_step: Plane, y_step: Plane, steep: Mask) -> list[tuple[_Line, float]]:
    """Return the lines on which the most steep pixels lie with their gradients across, each with its votes."""
    rows, columns = np.nonzero(steep)
    if not rows.size:
        return []
    reach = int(np.hypot(*steep.shape)) + 1
    # Rising and falling edges of a line vote for one direction in the half circle.
    turns = np.rint(np.arctan2(y_step[steep], x_step[steep]) * (_ANGLES / np.pi)).astype(np.int64) % _ANGLES
    votes = np.zeros((_ANGLES, 2 * reach), dtype=np.float32)
    for nearby in (-1, 0, 1):
        turn = (turns + nearby) % _ANGLES
        angle = turn * (np.pi / _ANGLES)
        offset = np.rint(columns * np.cos(angle) + rows * np.sin(angle)).astype(np.int64) + reach
        votes += np.bincount(turn * 2 * reach + offset, minlength=votes.size).reshape(votes.shape)
    votes = np.asarray(cv2.blur(votes, (3, 1)), dtype=np.float32)
    peaks = votes == cv2.dilate(votes, np.ones((5, 5), np.uint8))
    found = np.flatnonzero(peaks & (votes > _SHORTEST * max(steep.shape) * _VOTES))
    best = found[np.argsort(votes.ravel()[found])[::-1][:_CANDIDATES]]
    angles, offsets = (best // (2 * reach)) * (np.pi / _ANGLES), best % (2 * reach) - reach
    normals = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    lines = map(_Line, normals, offsets.astype(float))
    return list(zip(lines, votes.ravel()[best].tolist(), strict=True))


def _outermost(values: Plane, field: Mask, extent: float, voted: list[tuple[_Line, float]]) -> _Line | None:
    """Return the first line that is the edge of a blade or corner, None when no line is."""
    for line, votes in voted:
        points = _chord(line, field)
        if len(points) < _SHORTEST * max(values.shape) or votes < _VOTES * len(points):
            continue
        refined = _refined(values, points, line)
        for side in (refined, _Line(-refined.normal, -refined.offset)):
            if _is_edge(values, field, extent, side):
                return side
    return None


def _chord(line: _Line, field: Mask) -> NDArray[np.float64]:
    """Return the points (x, y) of the line in the field, one scout pixel apart, [n, 2]."""
    reach = float(np.hypot(*field.shape))
    along = np.array([-line.normal[1], line.normal[0]])
    points = line.normal * line.offset + np.arange(-reach, reach)[:, None] * along
    rows, columns = field.shape
    x, y = np.rint(points).astype(np.int64).T
    inside = (x >= 0) & (y >= 0) & (x < columns) & (y < rows)
    points, x, y = points[inside], x[inside], y[inside]
    return np.asarray(points[field[y, x]], dtype=np.float64)


def _sampled(values: Plane, points: NDArray[np.float64]) -> NDArray[np.float32]:
    x, y = np.ascontiguousarray(points.astype(np.float32).reshape(-1, 2).T)
    found = cv2.remap(values, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(found, dtype=np.float32).reshape(points.shape[:-1])


def _refined(values: Plane, points: NDArray[np.float64], line: _Line) -> _Line:
    """Fit the line to the steepest points near it: votes give its direction to within a degree."""
    shifts = np.arange(-_NEAR, _NEAR + 1)
    profile = _sampled(values, points + shifts[:, None, None] * line.normal)
    steepest = shifts[1 + np.abs(profile[2:] - profile[:-2]).argmax(axis=0)].astype(np.float64)
    tangent = np.array([-line.normal[1], line.normal[0]])
    along = points @ tangent
    slope, level = _robust_line(along, steepest)
    turned = line.normal - slope * tangent
    scale = float(np.hypot(*turned))
    return _Line(turned / scale, (line.offset + level) / scale)


def _robust_line(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[float, float]:
    """Return slope and intercept of the line through most points."""
    taken = np.abs(y - np.median(y)) <= _NEAR / 2
    slope = level = 0.0
    for _ in range(2):
        near, height = x[taken], y[taken]
        middle = float(near.mean())
        slope = float((near - middle) @ (height - height.mean())) / float((near - middle) @ (near - middle) + 1e-9)
        level = float(height.mean()) - slope * middle
        off = np.abs(y - slope * x - level)
        taken = off <= max(float(np.median(off)), 1.0)
    return slope, level


def _is_edge(values: Plane, field: Mask, extent: float, line: _Line) -> bool:
    """Return whether blades or corners lie beyond the line, with a step along nearly all of it.

    Where another blade crosses the line there is no step: both sides have the level beyond.
    """
    points = _chord(line, field)
    if len(points) < _SHORTEST * max(values.shape):
        return False
    outside = _sampled(values, points + _BLUR * line.normal)
    inside = _sampled(values, points - _BLUR * line.normal)
    level, near = np.median(outside), _TOLERANCE * extent
    open_part = (np.abs(outside - level) > near / 2) | (np.abs(inside - level) > near / 2)
    steps = (outside - inside)[open_part]
    if len(steps) < max(_OPEN * len(points), _SHORTEST * max(values.shape)):
        return False
    usual = float(np.median(steps))
    if abs(usual) < _JUMP * extent or float((steps * np.sign(usual) > abs(usual) / 2).mean()) < _ALONG:
        return False
    beyond = values[(_distance(line, values.shape) > _BLUR) & field][::2]
    return 2 * beyond.size <= _LARGEST * field.sum() and _is_flat(beyond, near)


def _is_flat(beyond: Plane, near: float) -> bool:
    """Return whether the pixels have one level, or two: a blade and a corner."""
    if not beyond.size:
        return True
    off = np.abs(beyond - np.median(beyond)) > near
    if float(off.mean()) <= 1 - _UNIFORM:
        return True
    rest = beyond[off]
    return float((np.abs(rest - np.median(rest)) > near).sum()) <= (1 - _TWO_LEVELS) * beyond.size
