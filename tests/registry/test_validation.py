"""Outputs for validation specimens, stored with a version, and sets fitted from those of several versions."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from services.common.decision.fit import SetVersion
from services.common.decision.set_card import MemberOutputs
from services.common.errors import Rejected
from services.registry.validation import (
    FEWEST_SPECIMENS,
    VALIDATION_FILE,
    ValidationOutputs,
    fit_versions,
    read_validation,
    tensor_id,
)

COUNT = 120


def validation(seed: int = 0, count: int = COUNT) -> ValidationOutputs:
    labels = (np.random.default_rng(7).random((count, 14)) < 0.4).astype(np.uint8)
    labels[labels[:, 0] == 0] = 0
    random = np.random.default_rng(seed)
    scores = 3.0 * labels - 1.5 + random.normal(size=labels.shape)
    outputs = MemberOutputs(scores, random.normal(size=(count, 6)), random.random(count))
    names = tuple(f"{index:016x}" for index in range(count))
    return ValidationOutputs(names, ("JAX", "TCP") * (count // 2), labels, outputs)


def stored(folder: Path, found: ValidationOutputs) -> Path:
    (folder / VALIDATION_FILE).write_bytes(found.file())
    return folder


def test_outputs_are_read_back_and_equal_outputs_give_equal_bytes(tmp_path: Path) -> None:
    found = read_validation(stored(tmp_path, validation()))
    assert found.specimens == validation().specimens
    assert found.centres == validation().centres
    np.testing.assert_array_equal(found.labels, validation().labels)
    np.testing.assert_allclose(found.outputs.scores, validation().outputs.scores, rtol=1e-6)
    np.testing.assert_allclose(found.outputs.features, validation().outputs.features, atol=2e-3)
    assert validation().file() == validation().file()


def test_a_version_without_the_file_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(Rejected, match="xray train extend") as refused:
        read_validation(tmp_path)
    assert refused.value.reason == "validation_missing"


def broken() -> list[bytes]:
    one = validation()
    outputs = one.outputs
    return [
        b"",
        one.file()[:500],
        replace(one, centres=one.centres[:5]).file(),
        replace(one, labels=one.labels[:, :5]).file(),
        replace(one, outputs=outputs._replace(scores=outputs.scores[:, :2])).file(),
        replace(one, outputs=outputs._replace(unfamiliar=np.full(COUNT, np.nan))).file(),
    ]


@pytest.mark.parametrize("content", broken())
def test_damaged_files_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / VALIDATION_FILE).write_bytes(content)
    with pytest.raises(Rejected) as refused:
        read_validation(tmp_path)
    assert refused.value.reason == "validation_damaged"


def test_a_set_is_fitted_on_the_specimens_that_all_members_have() -> None:
    other = validation(seed=1)
    fewer = replace(
        other,
        specimens=other.specimens[20:],
        centres=other.centres[20:],
        labels=other.labels[20:],
        outputs=MemberOutputs(*(values[20:] for values in other.outputs)),
    )
    card = fit_versions({SetVersion("convnext", 2): validation(), SetVersion("cae", 1): fewer})
    assert card.specimens == COUNT - 20
    assert [(member.model, member.version) for member in card.members] == [("convnext", 2), ("cae", 1)]


def test_the_order_of_the_stored_specimens_does_not_matter() -> None:
    one = validation()
    order = np.random.default_rng(2).permutation(COUNT)
    shuffled = ValidationOutputs(
        tuple(one.specimens[row] for row in order),
        tuple(one.centres[row] for row in order),
        one.labels[order],
        MemberOutputs(*(values[order] for values in one.outputs)),
    )
    version = SetVersion("cae", 1)
    assert fit_versions({version: one}).digest() == fit_versions({version: shuffled}).digest()


def test_members_without_common_specimens_or_with_other_labels_are_refused() -> None:
    one = validation()
    renamed = replace(one, specimens=tuple(f"x{name}" for name in one.specimens))
    relabelled = replace(one, labels=1 - one.labels)
    for other in (renamed, relabelled):
        with pytest.raises(Rejected) as refused:
            fit_versions({SetVersion("convnext", 1): one, SetVersion("cae", 1): other})
        assert refused.value.reason == "validation_differs"
    assert FEWEST_SPECIMENS < COUNT


def test_a_tensor_is_named_by_its_bytes() -> None:
    tensor = np.zeros((4, 4, 3), np.uint8)
    assert tensor_id(tensor) == tensor_id(np.asfortranarray(tensor))
    assert tensor_id(tensor) != tensor_id(tensor + 1)
    assert len(tensor_id(tensor)) == 16
