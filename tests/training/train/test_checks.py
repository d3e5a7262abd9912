from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from services.common.errors import Rejected
from services.common.labels import LABEL_ORDER
from tests.training.synthetic import tiny_subset
from training.datasets.arrays import MISSING
from training.datasets.store import Subset
from training.train.checks import check_subsets

SPINE = LABEL_ORDER.index("Spine")


def _labels(subset: Subset, row: int | slice, column: int | slice, value: float, kind: type = np.uint8) -> Subset:
    labels: NDArray[Any] = subset.labels.astype(kind)
    labels[row, column] = value
    return replace(subset, labels=labels)


FAULTS: dict[str, tuple[Callable[[Subset], Subset], str]] = {
    "empty_part": (lambda s: replace(s, rows=s.rows[:0], labels=s.labels[:0]), "no usable specimen"),
    "wrong_image_shape": (lambda s: replace(s, images=s.images[..., :2]), r"got uint8 \[12, 48, 48, 2\]"),
    "wrong_bones_shape": (lambda s: replace(s, bones=s.images), "bones must be"),
    "wrong_label_shape": (lambda s: replace(s, labels=s.labels[:, :13]), r"got \[12, 13\]"),
    "missing_row": (lambda s: replace(s, images=s.images[:7], bones=None), "names row 7, but there are 7 images"),
    "label_not_binary": (lambda s: _labels(s, 4, SPINE, np.nan, float), "Spine of validation specimen 4 is nan"),
    "class_absent": (lambda s: _labels(s, slice(None), SPINE, 0), "no abnormal specimen .* has Spine = 1"),
}


@pytest.mark.parametrize("reason", FAULTS)
def test_fault_is_named_with_its_part_before_the_first_step(reason: str) -> None:
    spoil, message = FAULTS[reason]
    parts = {"train": tiny_subset(24, seed=1), "validation": spoil(tiny_subset(12, seed=2))}
    with pytest.raises(Rejected, match=message) as caught:
        check_subsets(parts)
    assert caught.value.reason == reason
    assert "validation" in caught.value.message


def test_all_normal_or_all_abnormal_cannot_be_learnt() -> None:
    with pytest.raises(Rejected, match="no specimen of the train part has Abnormal = 1"):
        check_subsets({"train": _labels(tiny_subset(24, seed=1), slice(None), slice(None), 0)})


def test_images_of_floats_are_refused() -> None:
    subset = tiny_subset(24, seed=1)
    with pytest.raises(Rejected, match="got float32"):
        check_subsets({"train": replace(subset, images=subset.images.astype(np.float32))})


def test_specimen_in_two_parts_is_refused() -> None:
    subset = tiny_subset(24, seed=1)
    with pytest.raises(Rejected, match="row 0 is in the parts train and validation"):
        check_subsets({"train": subset, "validation": subset})


def test_valid_parts_pass_the_checks() -> None:
    check_subsets({"train": tiny_subset(24, seed=1), "validation": tiny_subset(12, seed=2)})


def test_missing_labels_pass_as_long_as_each_class_is_known_somewhere() -> None:
    subset = _labels(tiny_subset(24, seed=1), 5, slice(None), MISSING)
    check_subsets({"train": subset, "validation": tiny_subset(12, seed=2)})
