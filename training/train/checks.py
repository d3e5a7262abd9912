"""What a training set must be before the first step: each fault has a reason, the thing and its mend."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from services.common.errors import Rejected
from services.common.labels import LABEL_ORDER
from training.datasets.bone_truth import CHANNELS, SIDE
from training.datasets.missing import MISSING
from training.datasets.store import Subset

SMALLEST_SIDE = 32
"""Pixels: an EfficientNet and a ConvNeXt halve a picture five times."""


def check_subsets(subsets: Mapping[str, Subset]) -> None:
    """Raise Rejected on the first fault of the parts (by name) that training reads.

    Reasons: `empty_part`, `wrong_image_shape`, `wrong_bones_shape`, `wrong_label_shape`, `label_not_binary`,
    `missing_row`, `class_absent`, `specimen_in_two_parts`.
    """
    for part, subset in subsets.items():
        if not len(subset):
            words = f"the {part} part has no usable specimen: make or curate more"
            raise Rejected("empty_part", words, part=part)
        _check_images(part, subset)
        _check_labels(part, subset)
        _check_classes(part, subset)
    _check_apart(subsets)


def _check_images(part: str, subset: Subset) -> None:
    shape, rows = subset.images.shape, subset.rows
    square = len(shape) == 4 and shape[1] == shape[2] >= SMALLEST_SIDE and shape[3] == 3
    if not square or subset.images.dtype != np.uint8:
        words = (
            f"{part} images must be uint8 [n, side, side, 3], got {subset.images.dtype} {list(shape)}: make them again"
        )
        raise Rejected("wrong_image_shape", words, part=part, shape=list(shape))
    expected = (len(subset.images), 2, len(CHANNELS), SIDE, SIDE)
    if subset.bones is not None and subset.bones.shape != expected:
        words = f"{part} bones must be {list(expected)}, got {list(subset.bones.shape)}: make them again"
        raise Rejected("wrong_bones_shape", words, part=part, shape=list(subset.bones.shape))
    outside = rows[(rows < 0) | (rows >= len(subset.images))]
    if len(outside):
        words = (
            f"the {part} part names row {outside[0]}, but there are {len(subset.images)} images: make the missing ones"
        )
        raise Rejected("missing_row", words, part=part, row=int(outside[0]), images=len(subset.images))


def _check_labels(part: str, subset: Subset) -> None:
    expected, shape = (len(subset), len(LABEL_ORDER)), subset.labels.shape
    if shape != expected:
        words = (
            f"{part} labels must be {list(expected)} (one row a specimen), got {list(shape)}: write the manifest again"
        )
        raise Rejected("wrong_label_shape", words, part=part, shape=list(shape))
    wrong = np.argwhere(~np.isin(subset.labels, (0, 1, MISSING)))
    if len(wrong):
        number, label = (int(index) for index in wrong[0])
        words = (
            f"{LABEL_ORDER[label]} of {part} specimen {number} is {subset.labels[number, label]}, "
            f"not 0, 1 or {MISSING} (missing): leave the specimen out or complete its label"
        )
        raise Rejected("label_not_binary", words, part=part, specimen=number, label=LABEL_ORDER[label])


def _check_classes(part: str, subset: Subset) -> None:
    abnormal = subset.labels[subset.labels[:, 0] == 1]
    for index, label in enumerate(LABEL_ORDER):
        # Levels 2 and 3 learn from abnormal specimens and are judged on them.
        values = subset.labels[:, 0] if index == 0 else abnormal[:, index]
        missing = next((value for value in (1, 0) if not (values == value).any()), None)
        if missing is not None:
            who = "specimen" if index == 0 else "abnormal specimen"
            words = (
                f"no {who} of the {part} part has {label} = {missing}, so {label} can be neither learnt nor judged: "
                "add such specimens"
            )
            raise Rejected("class_absent", words, part=part, label=label, value=missing)


def _check_apart(subsets: Mapping[str, Subset]) -> None:
    seen: dict[tuple[int, int], str] = {}
    for part, subset in subsets.items():
        for row in subset.rows.tolist():
            other = seen.setdefault((id(subset.images), row), part)
            if other != part:
                words = f"row {row} is in the parts {other} and {part}: split by specimen again"
                raise Rejected("specimen_in_two_parts", words, row=row, parts=[other, part])
