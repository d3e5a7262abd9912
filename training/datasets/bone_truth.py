"""The simulator's bone truth: which bones each place of a view shows, and which of them are altered.

Pretraining reads it (docs/models.md), and the evaluation of explanation heat maps. Nothing in serving does.
"""

from collections.abc import Mapping
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from services.common.labels import CALL_LABELS, LABEL_ORDER, LEVEL2
from services.common.observations import call_vector
from services.intake.crop import Crop, ViewAxes, warped
from training.simulation.abnormalities.catalogue import GROUP
from training.simulation.imaging.projection import bone_map
from training.simulation.imaging.radiograph import Radiograph
from training.simulation.specimen import SimulatedSpecimen

Maps = NDArray[np.uint8]

SIDE: Final = 56
"""Cells per side: twice the resolution of the front end's map of the whole picture, about that of its trunk map."""
_FINE: Final = 4 * SIDE
"""Pixels per side of the grid that is averaged to cells."""
COARSER: Final = 2
"""Factor by which the rays are coarser than the picture's: the truth needs no higher resolution."""
LEAST_COVER: Final = 10
"""A cell of which less than 10/255 is bone does not count as bone."""
_LIMBS: Final = ("humerus", "ulna", "radius", "femur", "tibia", "fibula")
_BOTH: Final = ("L", "R")
REGIONS: Final[dict[str, tuple[str, ...]]] = {
    "cervical": tuple(f"C{n}" for n in range(1, 8)),
    "thoracic": tuple(f"T{n}" for n in range(1, 15)),
    "lumbar": tuple(f"L{n}" for n in range(1, 8)),
    "sacral": tuple(f"S{n}" for n in range(1, 6)),
    "caudal": tuple(f"Ca{n}" for n in range(1, 33)),
    "ribs": ("sternum", *(f"rib {side}{n}" for side in _BOTH for n in range(1, 15))),
    "skull": ("cranium", "snout", "teeth", "zygomatic arch", "mandible"),
    "girdles": tuple(f"{name} {side}" for side in _BOTH for name in ("scapula", "clavicle", "pelvis")),
    "limbs": tuple(f"{name} {side}" for side in _BOTH for name in _LIMBS),
    "paws": tuple(f"{name} {side}" for side in _BOTH for name in ("forepaw", "hindpaw")),
}
KINDS: Final = tuple(kind for kind, group in GROUP.items() if group in LEVEL2)
"""Kinds of abnormality that set one of the thirteen labels. Lesions of one kind look alike; a label covers several."""
CHANNELS: Final = (
    *REGIONS,
    "altered",
    *(f"altered: {label}" for label in CALL_LABELS),
    *(f"altered by {kind}" for kind in KINDS),
)
"""Names of a view's maps, in order."""


def bone_truth(radiograph: Radiograph, specimen: SimulatedSpecimen, provenance: Mapping[str, JsonValue]) -> Maps:
    """Share of each cell that the bones cover, uint8 [channels, 56, 56], in the standardised view of one picture.

    0 is none and 255 the whole cell; a cell that a bone only touches is at least 1. `provenance` is that of the
    StandardView: it describes how the picture was rotated and cropped.
    """
    groups = [*REGIONS.values(), *_altered(specimen)]
    named = [number for number, group in enumerate(groups) if group]
    maps = bone_map(radiograph.mouse, radiograph.grid.coarser(COARSER), [groups[number] for number in named])
    zoom = float(str(provenance["columns"])) / maps.shape[2]
    to_picture = _to_picture(provenance)
    affine = np.column_stack([to_picture[:, :2] / zoom, (to_picture[:, 2] + 0.5) / zoom - 0.5])
    cells = np.zeros((len(groups), SIDE, SIDE), dtype=np.uint8)
    for number, one in zip(named, maps, strict=True):
        fine = warped(one.astype(np.float32), affine, _FINE, beyond=0)
        cells[number] = np.ceil(cv2.resize(fine, (SIDE, SIDE), interpolation=cv2.INTER_AREA) * 255)
    return cells


def altered_cells(bones: Maps, column: int) -> NDArray[np.bool_]:
    """Cells [2, side, side] of the bones that set a label (level 1: that any finding altered).

    `bones` is one specimen's truth uint8 [2, channels, side, side], `column` the label's position in `LABEL_ORDER`.
    """
    return np.asarray(bones[:, altered_channel(column)] >= LEAST_COVER)


def altered_channel(column: int) -> int:
    """Channel of the bone truth with the bones behind a label, given by its position in `LABEL_ORDER`."""
    return CHANNELS.index("altered" if column == 0 else f"altered: {LABEL_ORDER[column]}")


def bone_cells(bones: Maps) -> NDArray[np.bool_]:
    """Cells [2, side, side] of any bone, from one specimen's truth uint8 [2, channels, side, side]."""
    return np.asarray((bones[:, : len(REGIONS)] >= LEAST_COVER).any(axis=1))


def _altered(specimen: SimulatedSpecimen) -> list[tuple[str, ...]]:
    """Altered parts of all findings, of the findings behind each label, and of each kind that sets a label."""
    by_label: list[tuple[str, ...]] = []
    for column in range(len(CALL_LABELS)):
        chosen = [finding for finding in specimen.findings if call_vector(finding.parameter_ids)[column]]
        by_label.append(tuple(part for finding in chosen for part in finding.parts))
    by_kind = [
        tuple(
            part
            for finding in specimen.findings
            if finding.kind == kind and finding.parameter_ids
            for part in finding.parts
        )
        for kind in KINDS
    ]
    return [specimen.altered_parts, *by_label, *by_kind]


def _to_picture(provenance: Mapping[str, JsonValue]) -> NDArray[np.float64]:
    """Affine from the grid's indices to the picture's pixel indices."""
    turn = np.radians(float(str(provenance["rotation_degrees"])))
    right = np.array([np.cos(turn), np.sin(turn)])
    down = np.array([-right[1], right[0]]) * (-1 if provenance["flipped"] else 1)
    centre = np.asarray(provenance["crop_centre"], dtype=np.float64)
    return Crop(centre, float(str(provenance["crop_side"])), ViewAxes(right, down)).to_picture(_FINE)
