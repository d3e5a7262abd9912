"""The assembler's handler, batch by batch, on a store in memory."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import cast

import pytest

from services.assembler import service
from services.assembler.service import Assembler
from services.common.errors import Fatal, Retriable
from services.common.events import SpecimenReady, ViewReady
from services.common.events.base import View
from services.common.keys import view_key
from services.common.loop import Done, Outcome
from services.common.topics import SPECIMENS
from tests.common.memory_store import MemoryStore
from tests.ledger.examples import minutes, records, sha256, view

CLOCK = datetime(2026, 5, 1, tzinfo=UTC)


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def assembler(store: MemoryStore) -> Iterator[Assembler]:
    with closing(Assembler(store, workers=2, now=lambda: CLOCK)) as assembler:
        yield assembler


def stored(store: MemoryStore, specimen: str, which: View, name: str, minute: int = 0) -> ViewReady:
    """Store a view and return its announcement."""
    event = view(specimen, which, name, announced_at=minutes(minute))
    store.put(view_key("p1", specimen, which, sha256(name)), b"view")
    return event


def skipped(outcome: Outcome) -> str | None:
    assert isinstance(outcome, Done)
    assert not outcome.messages
    return outcome.skipped


def published(outcome: Outcome) -> SpecimenReady:
    assert isinstance(outcome, Done)
    (message,) = outcome.messages
    assert message.topic is SPECIMENS
    return cast(SpecimenReady, message.event)


def names(event: SpecimenReady) -> list[tuple[str, str]]:
    return [(one.view, one.image_sha256) for one in event.views]


def test_one_view_alone_is_incomplete(store: MemoryStore, assembler: Assembler) -> None:
    (outcome,) = assembler.handle(records([stored(store, "m", "DV", "a")]))
    assert skipped(outcome) == "incomplete"


def test_two_views_of_one_kind_are_incomplete(store: MemoryStore, assembler: Assembler) -> None:
    events = [stored(store, "m", "LAT", "a"), stored(store, "m", "LAT", "b")]
    assert [skipped(one) for one in assembler.handle(records(events))] == ["listed_with_a_later_view", "incomplete"]


def test_the_set_is_published_once_per_batch_with_the_last_record(store: MemoryStore, assembler: Assembler) -> None:
    events = [stored(store, "m", "LAT", "a", minute=5), stored(store, "m", "DV", "b", minute=2)]
    first, last = assembler.handle(records(events))
    assert skipped(first) == "listed_with_a_later_view"
    event = published(last)
    assert names(event) == [("DV", sha256("b")), ("LAT", sha256("a"))]
    assert [one.view_key for one in event.views] == [
        view_key("p1", "m", "DV", sha256("b")),
        view_key("p1", "m", "LAT", sha256("a")),
    ]
    assert (event.revision, event.centre, event.biological_sample_id) == (2, "JAX", "m")
    assert (event.preprocessing_version, event.preprocessing_generation) == ("p1", 1)
    assert (event.announced_at, event.produced_at) == (minutes(5), CLOCK)


def test_views_that_were_announced_in_earlier_batches_belong_to_the_set(
    store: MemoryStore, assembler: Assembler
) -> None:
    assembler.handle(records([stored(store, "m", "DV", "a")]))
    stored(store, "m", "LAT", "c")  # announced to another worker
    (outcome,) = assembler.handle(records([stored(store, "m", "LAT", "b")]))
    assert set(names(published(outcome))) == {("DV", sha256("a")), ("LAT", sha256("b")), ("LAT", sha256("c"))}


def test_specimens_and_preprocessing_versions_are_kept_separate(store: MemoryStore, assembler: Assembler) -> None:
    events = [stored(store, specimen, which, "a") for specimen in ("m", "m/2") for which in ("DV", "LAT")]
    store.put(view_key("p2", "m", "DV", sha256("other")), b"view")
    outcomes = assembler.handle(records(events))
    assert [published(outcomes[index]).biological_sample_id for index in (1, 3)] == ["m", "m/2"]
    assert {published(outcomes[index]).revision for index in (1, 3)} == {2}


def test_other_objects_under_the_prefix_are_ignored(store: MemoryStore, assembler: Assembler) -> None:
    events = [stored(store, "m", "DV", "a"), stored(store, "m", "LAT", "b")]
    for name in ("DV/short.png", f"DV/{sha256('x')}.txt", f"PA/{sha256('x')}.png", "index.json"):
        store.put(f"views/p1/m/{name}", b"")
    assert published(assembler.handle(records(events))[1]).revision == 2


def test_only_an_acknowledged_set_is_skipped(store: MemoryStore, assembler: Assembler) -> None:
    events = [stored(store, "m", "DV", "a"), stored(store, "m", "LAT", "b")]
    first = assembler.handle(records(events))
    again = assembler.handle(records(events))
    assert published(again[1]) == published(first[1])
    assembler.acknowledged(again)
    assert skipped(assembler.handle(records(events))[1]) == "set_published_already"
    (grown,) = assembler.handle(records([stored(store, "m", "LAT", "c")]))
    assert published(grown).revision == 3


def test_a_forgotten_set_is_published_again(
    store: MemoryStore, assembler: Assembler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "_REMEMBERED", 1)
    batches = [[stored(store, name, "DV", "a"), stored(store, name, "LAT", "a")] for name in ("m", "n")]
    for batch in batches:
        assembler.acknowledged(assembler.handle(records(batch)))
    assert skipped(assembler.handle(records(batches[1]))[1]) == "set_published_already"
    assert published(assembler.handle(records(batches[0]))[1]).biological_sample_id == "m"


def test_an_unreachable_store_fails_the_whole_batch(store: MemoryStore, assembler: Assembler) -> None:
    events = [stored(store, "m", "DV", "a"), stored(store, "n", "LAT", "b")]
    store.away = Retriable("away", server="objects")
    with pytest.raises(Retriable):
        assembler.handle(records(events))


def test_a_missing_bucket_stops_the_start(store: MemoryStore, assembler: Assembler) -> None:
    assembler.start()
    store.exists_bucket = False
    with pytest.raises(Fatal, match="xray init"):
        assembler.start()
