"""The classifier refuses model versions and tensors that do not fit it."""

import hashlib
import io
from typing import Any

import numpy as np
import pytest

from services.classifier.service import _tensor, call_id
from services.common.errors import Fatal, Rejected
from services.common.events import SpecimenView, TensorReady
from services.common.events.base import now
from services.common.labels import LABEL_ORDER
from services.common.preprocessing import VERSION
from services.fuser.service import npy
from services.registry.triton_client import ServedModel
from tests.classifier.test_decide import card
from tests.classifier.triton import TritonDouble


def test_a_fitting_version_is_accepted() -> None:
    assert ServedModel(TritonDouble(), "convnext", 1).card == card().model_copy(update={"model": "convnext"})


def test_another_label_order_is_rejected() -> None:
    client = TritonDouble()
    client.card_fields = {"labels": [LABEL_ORDER[0], *reversed(LABEL_ORDER[1:])]}
    with pytest.raises(Fatal, match="in this order"):
        ServedModel(client, "convnext", 1)


@pytest.mark.parametrize("change", [{"preprocessing_version": "p0"}, {"tensor_side": 448}])
def test_another_preprocessing_is_rejected(change: dict[str, Any]) -> None:
    client = TritonDouble()
    client.card_fields = change
    with pytest.raises(Fatal, match="was trained on"):
        ServedModel(client, "convnext", 1)


def test_a_version_without_a_card_is_rejected() -> None:
    client = TritonDouble()
    client.parameters = {"card.2": {"string_value": "{}"}}
    with pytest.raises(Fatal, match=r"card\.1"):
        ServedModel(client, "convnext", 1)


def test_other_tensors_are_rejected() -> None:
    client = TritonDouble()
    client.side = 448
    with pytest.raises(Fatal, match="takes"):
        ServedModel(client, "convnext", 1)
    client = TritonDouble()
    del client.outputs["level3"]
    with pytest.raises(Fatal, match="level3"):
        ServedModel(client, "convnext", 1)


def ready(data: bytes, **change: Any) -> TensorReady:
    view = SpecimenView(view="DV", image_sha256="0" * 64, view_key="k")
    valid: dict[str, Any] = {
        "biological_sample_id": "m",
        "centre": "JAX",
        "revision": 2,
        "views": (view, view),
        "tensor_key": "tensors/t",
        "tensor_sha256": hashlib.sha256(data).hexdigest(),
        "tensor_side": 224,
        "preprocessing_version": VERSION,
        "preprocessing_generation": 1,
        "announced_at": now(),
        "produced_at": now(),
    }
    return TensorReady.model_validate(valid | change)


@pytest.mark.parametrize(
    ("data", "change", "reason"),
    [
        (npy(np.zeros((224, 224, 3), np.uint8)), {"tensor_sha256": "1" * 64}, "tensor_digest_mismatch"),
        (npy(np.zeros((224, 224, 3), np.uint8)), {"preprocessing_version": "p0"}, "preprocessing_version_unknown"),
        (npy(np.zeros((448, 448, 3), np.uint8)), {}, "tensor_shape_wrong"),
        (b"no tensor", {}, "tensor_unreadable"),
    ],
)
def test_a_tensor_that_differs_from_its_announcement_is_rejected(
    data: bytes, change: dict[str, Any], reason: str
) -> None:
    with pytest.raises(Rejected) as caught:
        _tensor(ready(data, **change), data)
    assert caught.value.reason == reason


def test_a_pickle_in_a_tensor_is_never_loaded() -> None:
    buffer = io.BytesIO()
    np.save(buffer, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(Rejected) as caught:
        _tensor(ready(buffer.getvalue()), buffer.getvalue())
    assert caught.value.reason == "tensor_unreadable"


def test_the_call_id_distinguishes_specimens_models_and_activations() -> None:
    event = ready(b"x")
    ids = {
        call_id(event, 1, ["a", "b"]),
        call_id(event, 2, ["a", "b"]),
        call_id(event, 1, ["a", "c"]),
        call_id(event.model_copy(update={"biological_sample_id": "n"}), 1, ["a", "b"]),
        call_id(event.model_copy(update={"revision": 3}), 1, ["a", "b"]),
        call_id(event.model_copy(update={"tensor_sha256": "2" * 64}), 1, ["a", "b"]),
    }
    assert len(ids) == 6
    later = event.model_copy(update={"produced_at": now(), "centre": "WTSI"})
    assert call_id(event, 1, ["a", "b"]) == call_id(later, 1, ["a", "b"])
