"""Checks of a training set before the first step: each error gives the reason, the item and how to fix it."""

from collections.abc import Mapping
from typing import Final

import numpy as np

from services.common.errors import Rejected
from services.common.labels import LABEL_ORDER
from training.datasets.arrays import MISSING
from training.datasets.store import Subset
from training.simulation.bone_truth import CHANNELS, SIDE

SMALLEST_SIDE: Final = 32
"""Pixels: an EfficientNet and a ConvNeXt halve an image five times."""


def check_subsets(subsets: Mapping[str, Subset]) -> None:
    """Raise Rejected for the first error in the parts (by name) that training reads.

    Reasons: `empty_part`, `wrong_image_shape`, `wrong_bones_shape`, `wrong_label_shape`, `label_not_binary`,
    `missing_row`, `class_absent`, `specimen_in_two_parts`.
    """
    for part, subset in subsets.items():
        if not len(subset):
            message = f"the {part} part has no usable specimen: create or curate more"
            raise Rejected("empty_part", message, part=part)
        _check_images(part, subset)
        _check_labels(part, subset)
        _check_classes(part, subset)
    _check_apart(subsets)


def _check_images(part: str, subset: Subset) -> None:
    shape, rows = subset.images.shape, subset.rows
    square = len(shape) == 4 and shape[1] == shape[2] >= SMALLEST_SIDE and shape[3] == 3
    if not square or subset.images.dtype != np.uint8:
        found = f"{subset.images.dtype} {list(shape)}"
        message = f"{part} images must be uint8 [n, side, side, 3], got {found}: create them again"
        raise Rejected("wrong_image_shape", message, part=part, shape=list(shape))
    expected = (len(subset.images), 2, len(CHANNELS), SIDE, SIDE)
    if subset.bones is not None and subset.bones.shape != expected:
        message = f"{part} bones must be {list(expected)}, got {list(subset.bones.shape)}: create them again"
        raise Rejected("wrong_bones_shape", message, part=part, shape=list(subset.bones.shape))
    outside = rows[(rows < 0) | (rows >= len(subset.images))]
    if len(outside):
        images = len(subset.images)
        message = f"the {part} part names row {outside[0]}, but there are {images} images: create the missing ones"
        raise Rejected("missing_row", message, part=part, row=int(outside[0]), images=images)


def _check_labels(part: str, subset: Subset) -> None:
    expected, shape = (len(subset), len(LABEL_ORDER)), subset.labels.shape
    if shape != expected:
        shape_text = f"{list(expected)} (one row per specimen)"
        message = f"{part} labels must be {shape_text}, got {list(shape)}: write the manifest again"
        raise Rejected("wrong_label_shape", message, part=part, shape=list(shape))
    wrong = np.argwhere(~np.isin(subset.labels, (0, 1, MISSING)))
    if len(wrong):
        number, label = (int(index) for index in wrong[0])
        message = (
            f"{LABEL_ORDER[label]} of {part} specimen {number} is {subset.labels[number, label]}, "
            f"not 0, 1 or {MISSING} (missing): leave the specimen out or complete its label"
        )
        raise Rejected("label_not_binary", message, part=part, specimen=number, label=LABEL_ORDER[label])


def _check_classes(part: str, subset: Subset) -> None:
    abnormal = subset.labels[subset.labels[:, 0] == 1]
    for index, label in enumerate(LABEL_ORDER):
        # Levels 2 and 3 are trained and evaluated on abnormal specimens.
        values = subset.labels[:, 0] if index == 0 else abnormal[:, index]
        missing = next((value for value in (1, 0) if not (values == value).any()), None)
        if missing is not None:
            who = "specimen" if index == 0 else "abnormal specimen"
            message = (
                f"no {who} of the {part} part has {label} = {missing}, so {label} can be neither trained nor "
                "evaluated: add such specimens"
            )
            raise Rejected("class_absent", message, part=part, label=label, value=missing)


def _check_apart(subsets: Mapping[str, Subset]) -> None:
    seen: dict[tuple[int, int], str] = {}
    for part, subset in subsets.items():
        for row in subset.rows.tolist():
            other = seen.setdefault((id(subset.images), row), part)
            if other != part:
                message = f"row {row} is in the parts {other} and {part}: split by specimen again"
                raise Rejected("specimen_in_two_parts", message, row=row, parts=[other, part])
