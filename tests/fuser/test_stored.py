"""A tensor is fused a second time, on a real object store."""

import io

import numpy as np
import pytest

from deploy.local.stack import Stack
from services.common.settings import settings_of
from services.common.store import ObjectStore
from services.fuser.fuse import fuse
from services.fuser.service import npy, stored
from tests.fuser.pictures import bone

pytestmark = pytest.mark.integration

TENSOR = fuse([bone(1)], [bone(3)])


@pytest.fixture(scope="module")
def store(stack: Stack) -> ObjectStore:
    objects = ObjectStore(settings_of(stack.environment()))
    objects.create_bucket()
    return objects


def test_the_first_file_stays_when_another_processor_rounds_differently(store: ObjectStore) -> None:
    first = stored(store, "tensors/rounded.npy", TENSOR)
    assert first == npy(TENSOR)
    again = TENSOR.copy()
    again[::7] = np.minimum(again[::7], 254) + 1
    assert stored(store, "tensors/rounded.npy", again) == first
    assert store.get("tensors/rounded.npy") == first


@pytest.mark.parametrize(
    "damaged",
    [b"", b"nothing", npy(TENSOR)[:-9], npy(TENSOR[:-1]), npy(fuse([bone(5)], [bone(3)])), npy(TENSOR.astype(np.int8))],
    ids=["empty", "no array", "cut", "smaller", "of another animal", "of another kind"],
)
def test_a_file_that_is_not_the_tensor_of_these_views_is_replaced(store: ObjectStore, damaged: bytes) -> None:
    store.put("tensors/damaged.npy", damaged)
    assert stored(store, "tensors/damaged.npy", TENSOR) == npy(TENSOR)
    assert np.array_equal(np.load(io.BytesIO(store.get("tensors/damaged.npy"))), TENSOR)
