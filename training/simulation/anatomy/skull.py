"""Skull, mandible, teeth and ears, in a frame at the occipital condyles.

Local measurements (cranial, left, dorsal) in millimetres: 23 mm long, 10.5 mm wide over the parietals, 12.5 mm over the
zygomatic arches.
"""

from typing import Final

import numpy as np

from training.simulation.anatomy.plan import BodyPlan, Skull
from training.simulation.solids import Frame, Points, Solids

CRANIUM: Final = "cranium"
SNOUT: Final = "snout"
ZYGOMA: Final = "zygomatic arch"
MANDIBLE: Final = "mandible"
TEETH: Final = "teeth"


def build_skull(solids: Solids, plan: BodyPlan, frame: Frame) -> dict[str, Points]:
    """Add the bones of the head; `frame` sits at the occipital condyles and points along the skull.

    Returns the landmarks nose and occiput, each (3,).
    """
    measures = plan.skull
    stretch = np.array([measures.length, measures.width, measures.height])
    _cranium(solids, frame, stretch)
    _bullae(solids, frame, stretch)
    face = frame.moved(np.array([13.0, 0.0, 1.2]) * stretch).turned(yaw=measures.snout_yaw)
    snout = stretch * np.array([measures.snout, 1.0, 1.0])
    _snout(solids, face, snout, measures)
    _upper_incisors(solids, face, snout, measures)
    for side in (1.0, -1.0):
        _zygoma(solids, frame, stretch * np.array([1.0, side, 1.0]), measures)
        _mandible(solids, frame, stretch * np.array([1.0, side, 1.0]), measures)
        _molars(solids, frame, stretch * np.array([1.0, side, 1.0]))
    nose, occiput = face.at(np.array([9.0, 0.0, 0.5]) * snout), frame.at(np.array([0.3, 0.0, 5.0]) * stretch)
    return {"skull.nose": nose, "skull.occiput": occiput}


def _axes(frame: Frame, lengths: Points) -> Points:
    axes: Points = frame.axes * lengths
    return axes


def _cranium(solids: Solids, frame: Frame, s: Points) -> None:
    """Brain case: an ovoid shell that narrows between the orbits, thick base, occipital rim and sutures."""
    case = frame.moved(np.array([6.7, 0.0, 2.7]) * s).turned(pitch=-4.0)
    solids.ellipsoid(CRANIUM, case.origin, _axes(case, np.array([7.2, 5.2, 4.1]) * s), 0.85, wall=0.23)
    brow = frame.moved(np.array([12.4, 0.0, 2.9]) * s).turned(pitch=-12.0)
    solids.ellipsoid(CRANIUM, brow.origin, _axes(brow, np.array([4.6, 2.5, 2.3]) * s), 0.4, wall=0.4)
    base = np.array([[0.2, 0, -0.2], [3, 0, -0.9], [6, 0, -1.1], [9, 0, -0.9], [13, 0, -0.4]]) * s
    solids.chain(CRANIUM, frame.at(base), np.array([1.3, 0.9, 0.75, 0.7, 0.6]), 0.42)
    floor = frame.moved(np.array([8.5, 0.0, -0.9]) * s)
    solids.ellipsoid(CRANIUM, floor.origin, _axes(floor, np.array([7.5, 2.6, 0.45]) * s), 0.6)
    rim = np.array([[0.3, y, z] for y, z in _arc(4.0, 3.6, 0.4, 11)]) * s
    solids.chain(CRANIUM, frame.at(rim + np.array([0.0, 0.0, 1.4])), 0.26, 0.7)
    lambda_line = np.array([[1.6 - 0.12 * y * y, y, 6.0 - 0.13 * y * y] for y in np.linspace(-4, 4, 7)]) * s
    solids.chain(CRANIUM, frame.at(lambda_line), 0.16, 0.6)
    solids.chain(CRANIUM, frame.at(np.array([[1.5, 0, 6.1], [6, 0, 6.5], [10, 0, 5.9], [14, 0, 4.7]]) * s), 0.13, 0.6)


def _arc(width: float, height: float, floor: float, count: int) -> list[tuple[float, float]]:
    turn = np.linspace(floor, np.pi - floor, count)
    return [(width * float(np.cos(t)), height * float(np.sin(t))) for t in turn]


def _bullae(solids: Solids, frame: Frame, s: Points) -> None:
    """Tympanic bullae with the dense inner ear: the two bright rings at the back of the skull."""
    for side in (1.0, -1.0):
        bulla = frame.moved(np.array([2.9, side * 3.6, -0.6]) * s).turned(yaw=-side * 32.0)
        solids.ellipsoid(CRANIUM, bulla.origin, _axes(bulla, np.array([2.1, 1.45, 1.7]) * s), 0.95, wall=0.28)
        for at, size in (((0.5, 0.0, 0.6), 0.62), ((-0.5, 0.1, 0.9), 0.7), ((0.1, -0.5, 0.2), 0.5)):
            solids.ellipsoid(CRANIUM, bulla.at(np.array(at) * s), _axes(bulla, np.full(3, size) * s), 0.8, wall=0.3)


def _snout(solids: Solids, face: Frame, s: Points, measures: Skull) -> None:
    """Nasal bones, premaxilla and maxilla: walls of a tapering box, with turbinates inside."""
    for side in (1.0, -1.0):
        mirror = s * np.array([1.0, side, 1.0])
        nasal = np.array([[-2.5, 1.1, 3.5], [1.5, 0.95, 2.8], [5.5, 0.8, 2.0], [9.0, 0.55, 1.0]]) * mirror
        solids.chain(SNOUT, face.at(nasal), np.array([0.3, 0.26, 0.24, 0.2]), 0.75)
        wall = np.array([[-2.5, 2.3, 1.0], [1.5, 1.9, 0.4], [5.0, 1.45, -0.1], [8.2, 0.9, -0.2]]) * mirror
        solids.chain(SNOUT, face.at(wall), np.array([0.45, 0.4, 0.36, 0.3]), 0.62)
        plate = np.array([[-3.0, 1.2, -1.4], [1.0, 1.0, -1.4], [5.0, 0.8, -1.3], [8.0, 0.6, -1.0]]) * mirror
        solids.chain(SNOUT, face.at(plate), np.array([0.4, 0.36, 0.34, 0.3]), 0.62)
        for lift in (0.4, 1.2, 2.0):
            curl = np.array([[-1.5, 0.5, lift], [2.0, 0.7, lift * 0.9], [5.0, 0.45, lift * 0.6]]) * mirror
            solids.chain(SNOUT, face.at(curl), 0.13, 0.7)
    hollow = face.moved(np.array([1.0, 0.0, 1.0]) * s).turned(pitch=-10.0)
    size = np.array([8.6, 2.2, 2.6]) * s
    solids.ellipsoid(SNOUT, hollow.origin, _axes(hollow, size), 0.45, wall=0.25)
    orbit = face.moved(np.array([-3.2, 0.0, 1.6]) * s)
    for side in (1.0, -1.0):
        ridge = np.array([[-4.5, 3.2, 1.6], [-1.5, 2.0, 2.4], [1.2, 2.1, 1.8], [2.2, 2.6, 0.2]]) * s
        solids.chain(SNOUT, orbit.at(ridge * np.array([1.0, side, 1.0])), 0.24, 0.7)


def _upper_incisors(solids: Solids, face: Frame, s: Points, measures: Skull) -> None:
    """Two dense arcs from above the diastema, out of the mouth and down."""
    turn = np.radians(np.linspace(-55.0, 62.0 + 45.0 * (measures.incisor - 1.0), 9))
    for side in (0.62, -0.62):
        arc = np.column_stack((4.7 + 3.7 * np.sin(turn), np.full(9, side), -3.2 + 3.4 * np.cos(turn))) * s
        solids.chain(TEETH, face.at(arc), np.linspace(0.5, 0.42, 9) * s[2], 1.25, marrow=0.45)


def _zygoma(solids: Solids, frame: Frame, s: Points, measures: Skull) -> None:
    out = measures.zygoma
    path = np.array(
        [
            [16.2, 1.9, 0.9],
            [15.2, 3.1 * out, 0.6],
            [14.2, 4.4 * out, 0.1],
            [12.8, 5.3 * out, -0.4],
            [11.0, 5.9 * out, -0.6],
            [9.0, 6.2 * out, -0.7],
            [7.2, 6.0, -0.4],
            [5.9, 5.4, 0.1],
            [4.9, 4.5, 0.6],
        ]
    )
    girth = np.array([0.5, 0.46, 0.4, 0.34, 0.31, 0.31, 0.34, 0.36, 0.3]) * min(out + 0.1, 1.1)
    solids.chain(ZYGOMA, frame.at(path * s), girth, 0.85)


def _mandible(solids: Solids, frame: Frame, s: Points, measures: Skull) -> None:
    """Half a lower jaw: body, ramus with its three processes, and the long incisor within."""
    m = np.array([measures.mandible, 1.0, 1.0])
    pivot = np.array([5.4, 0.0, 0.0])

    def placed(points: list[list[float]]) -> Points:
        return frame.at(((np.array(points) - pivot) * m + pivot) * s)

    body = placed([[17.6, 0.6, -4.4], [15.2, 1.1, -5.0], [12.4, 2.0, -4.6], [9.4, 3.1, -3.9], [7.0, 4.0, -3.4]])
    solids.chain(MANDIBLE, body, np.array([0.5, 0.75, 0.95, 0.9, 0.6]) * s[0], 0.55, marrow=0.5)
    solids.chain(
        MANDIBLE, placed([[9.8, 3.0, -3.2], [7.4, 3.9, -2.2], [5.4, 4.3, -0.7]]), np.array([0.5, 0.4, 0.45]), 0.7
    )
    solids.chain(
        MANDIBLE, placed([[7.6, 3.9, -3.6], [5.2, 4.4, -4.3], [3.9, 4.5, -4.4]]), np.array([0.5, 0.36, 0.25]), 0.7
    )
    solids.chain(
        MANDIBLE, placed([[10.0, 3.1, -2.6], [8.8, 3.5, -1.2], [8.0, 3.7, -0.5]]), np.array([0.42, 0.3, 0.18]), 0.7
    )
    tip = -2.0 + 1.6 * (measures.incisor - 1.0)
    incisor = placed([[8.6, 3.2, -3.4], [12.0, 2.0, -4.7], [15.2, 1.0, -5.0], [17.8, 0.55, -4.1], [19.3, 0.4, tip]])
    solids.chain(TEETH, incisor, np.array([0.25, 0.36, 0.42, 0.4, 0.3]) * s[0], 1.1, marrow=0.4)


def _molars(solids: Solids, frame: Frame, s: Points) -> None:
    for cranial, size in ((12.9, 0.85), (11.3, 0.7), (10.1, 0.5)):
        for dorsal, lateral in ((-1.6, 1.75), (-3.0, 1.95)):
            at = frame.at(np.array([cranial, lateral, dorsal]) * s)
            solids.ellipsoid(TEETH, at, _axes(frame, np.array([size, 0.5, 0.62]) * np.abs(s)), 1.15)
