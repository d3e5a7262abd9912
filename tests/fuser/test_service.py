"""The fuser's handler on a store in memory."""

import hashlib
import io
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import Any, cast

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from services.common.errors import Fatal, Rejected, Retriable
from services.common.events import CallWithdrawal, SpecimenReady, SpecimenView, TensorReady
from services.common.events.base import View
from services.common.events.specimen import MOST_VIEWS
from services.common.keys import tensor_key, view_key
from services.common.loop import Done, Message, Outcome, Record
from services.common.preprocessing import GENERATION, TENSOR_SIDE, VERSION
from services.common.topics import SPECIMENS, TENSORS
from services.fuser.fuse import Image, fuse
from services.fuser.service import Fuser, npy
from tests.common.memory_store import MemoryStore
from tests.fuser.pictures import bone
from tests.ledger.examples import NOON, call_withdrawal, sha256

CLOCK = datetime(2026, 5, 1, tzinfo=UTC)


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def fuser(store: MemoryStore) -> Iterator[Fuser]:
    with closing(Fuser(store, workers=2, now=lambda: CLOCK)) as fuser:
        yield fuser


def stored(store: MemoryStore, specimen: str, which: View, seed: int) -> SpecimenView:
    """Store the picture of a seed as a view."""
    done, png = cv2.imencode(".png", bone(seed))
    assert done
    digest = sha256(f"{which} {seed}")
    key = view_key(VERSION, specimen, "JAX", which, digest)
    store.put(key, bytes(png))
    return SpecimenView(view=which, image_sha256=digest, view_key=key)


def ready(specimen: str, *views: SpecimenView, **change: Any) -> SpecimenReady:
    valid: dict[str, Any] = {
        "biological_sample_id": specimen,
        "centre": "JAX",
        "revision": len(views),
        "views": views,
        "preprocessing_version": VERSION,
        "preprocessing_generation": GENERATION,
        "announced_at": NOON,
        "produced_at": NOON,
    }
    return SpecimenReady.model_validate(valid | change)


def records(*events: SpecimenReady | CallWithdrawal) -> list[Record[Any]]:
    return [
        Record(SPECIMENS.name, 0, offset, NOON, event.key.encode(), event.encode(), (), event)
        for offset, event in enumerate(events)
    ]


def published(outcome: Outcome) -> TensorReady:
    assert isinstance(outcome, Done), outcome
    (message,) = outcome.messages
    assert message.topic is TENSORS
    return cast(TensorReady, message.event)


def reason(outcome: Outcome) -> str:
    assert isinstance(outcome, Rejected)
    return outcome.reason


def loaded(data: bytes) -> Image:
    return cast(Image, np.load(io.BytesIO(data), allow_pickle=False))


def test_the_stored_tensor_is_the_fusion_of_the_views(store: MemoryStore, fuser: Fuser) -> None:
    views = stored(store, "m", "DV", 1), stored(store, "m", "LAT", 2)
    (outcome,) = fuser.handle(records(ready("m", *views)))
    event = published(outcome)
    data = store.objects[event.tensor_key]
    assert np.array_equal(loaded(data), fuse([bone(1)], [bone(2)]))
    assert event.tensor_sha256 == hashlib.sha256(data).hexdigest()
    assert event.tensor_key == tensor_key(VERSION, TENSOR_SIDE, views)
    assert (event.tensor_side, event.revision, event.views) == (TENSOR_SIDE, 2, views)
    assert (event.announced_at, event.produced_at) == (NOON, CLOCK)


def test_only_the_newest_revision_of_a_batch_is_fused(store: MemoryStore, fuser: Fuser) -> None:
    dv, lat, more = stored(store, "m", "DV", 1), stored(store, "m", "LAT", 2), stored(store, "m", "LAT", 3)
    events = ready("m", dv, lat, more), ready("m", dv, lat), ready("n", *(stored(store, "n", w, 4) for w in VIEWS))
    first, second, third = fuser.handle(records(*events))
    assert second == Done(skipped="superseded")
    assert published(first).revision == 3
    assert published(third).biological_sample_id == "n"
    assert sum(key.startswith("tensors/") for key in store.objects) == 2


VIEWS: tuple[View, View] = ("DV", "LAT")


def test_a_bad_set_does_not_stop_the_others(store: MemoryStore, fuser: Fuser) -> None:
    good = [stored(store, "good", which, 1) for which in VIEWS]
    gone = [stored(store, "gone", which, 1) for which in VIEWS]
    store.delete(gone[1].view_key)
    broken = [stored(store, "broken", which, 1) for which in VIEWS]
    store.put(broken[0].view_key, b"no picture")
    outcomes = fuser.handle(
        records(
            ready("gone", *gone),
            ready("broken", *broken),
            ready("foreign", *good),
            ready("old", *good, preprocessing_version="p0"),
            ready("half", *(stored(store, "half", "DV", seed) for seed in (1, 2))),
            ready("good", *good),
        )
    )
    assert [reason(outcome) for outcome in outcomes[:5]] == [
        "object_missing",
        "view_unreadable",
        "view_key_foreign",
        "preprocessing_version_unknown",
        "specimen_incomplete",
    ]
    assert published(outcomes[5]).biological_sample_id == "good"
    assert sum(key.startswith("tensors/") for key in store.objects) == 1


def encoded(pixels: NDArray[Any]) -> bytes:
    done, png = cv2.imencode(".png", pixels)
    assert done
    return bytes(png)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        encoded(bone(1))[:200],
        encoded(bone(1)[:447]),
        encoded(bone(1).astype(np.uint16)),
        encoded(np.dstack([bone(1)] * 3)),
    ],
    ids=["empty", "cut off", "too small", "16 bits", "three channels"],
)
def test_a_view_that_is_not_a_standardised_image_is_rejected(store: MemoryStore, fuser: Fuser, data: bytes) -> None:
    views = [stored(store, "m", which, 1) for which in VIEWS]
    store.put(views[1].view_key, data)
    assert [reason(outcome) for outcome in fuser.handle(records(ready("m", *views)))] == ["view_unreadable"]


def test_a_specimen_with_too_many_views_is_rejected_unread(store: MemoryStore, fuser: Fuser) -> None:
    dv, *lats = stored(store, "m", "DV", 1), *(stored(store, "m", "LAT", seed) for seed in range(MOST_VIEWS))
    assert published(fuser.handle(records(ready("m", dv, *lats)))[0]).revision == MOST_VIEWS + 1
    missing = SpecimenView(
        view="LAT", image_sha256=sha256("m"), view_key=view_key(VERSION, "m", "JAX", "LAT", sha256("m"))
    )
    (outcome,) = fuser.handle(records(ready("m", dv, *lats, missing)))
    assert reason(outcome) == "too_many_views"


def test_views_of_another_centre_are_rejected(store: MemoryStore, fuser: Fuser) -> None:
    views = [stored(store, "m", which, 1) for which in VIEWS]
    assert [reason(one) for one in fuser.handle(records(ready("m", *views, centre="TCP")))] == ["view_key_foreign"]


def test_the_loss_of_a_call_is_passed_on_and_supersedes_older_sets(store: MemoryStore, fuser: Fuser) -> None:
    views = [stored(store, "m", which, 1) for which in VIEWS]
    lost = call_withdrawal("m", revision=3, preprocessing_generation=GENERATION)
    older, outcome = fuser.handle(records(ready("m", *views), lost))
    assert older == Done(skipped="superseded")
    assert outcome == Done((Message(TENSORS, lost),))
    (newer,) = fuser.handle(records(ready("m", *views, revision=4)))
    assert published(newer).revision == 4


def test_the_first_file_of_a_tensor_is_announced_again(store: MemoryStore, fuser: Fuser) -> None:
    views = stored(store, "m", "DV", 1), stored(store, "m", "LAT", 2)
    rounded = fuse([bone(1)], [bone(2)])
    rounded[0, 0, 0] ^= 1
    key = tensor_key(VERSION, TENSOR_SIDE, views)
    store.put(key, npy(rounded))
    event = published(fuser.handle(records(ready("m", *views)))[0])
    assert event.tensor_sha256 == hashlib.sha256(npy(rounded)).hexdigest()
    assert store.objects[key] == npy(rounded)


def test_a_damaged_tensor_is_replaced(store: MemoryStore, fuser: Fuser) -> None:
    views = stored(store, "m", "DV", 1), stored(store, "m", "LAT", 2)
    key = tensor_key(VERSION, TENSOR_SIDE, views)
    store.put(key, b"damaged")
    event = published(fuser.handle(records(ready("m", *views)))[0])
    assert event.tensor_sha256 == hashlib.sha256(store.objects[key]).hexdigest()
    assert np.array_equal(loaded(store.objects[key]), fuse([bone(1)], [bone(2)]))


def test_a_concurrent_writer_has_the_batch_handled_again(store: MemoryStore, fuser: Fuser) -> None:
    views = stored(store, "m", "DV", 1), stored(store, "m", "LAT", 2)
    store.contended.add(tensor_key(VERSION, TENSOR_SIDE, views))
    with pytest.raises(Retriable):
        fuser.handle(records(ready("m", *views)))
    store.contended.clear()
    assert published(fuser.handle(records(ready("m", *views)))[0]).revision == 2


def test_a_missing_bucket_stops_the_start(store: MemoryStore, fuser: Fuser) -> None:
    fuser.start()
    store.exists_bucket = False
    with pytest.raises(Fatal, match="xray init"):
        fuser.start()
