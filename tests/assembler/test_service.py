"""The assembler's handler, batch by batch, on a store in memory."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from services.assembler import service
from services.assembler.service import Assembler
from services.common.errors import Fatal, Retriable
from services.common.events import CallWithdrawal, ImageWithdrawal, SpecimenReady, ViewReady
from services.common.events.base import View
from services.common.keys import view_key, withdrawal_key
from services.common.loop import Done, Held, Outcome
from services.common.preprocessing import GENERATION, VERSION
from services.common.topics import SPECIMENS
from tests.common.memory_store import MemoryStore
from tests.ledger.examples import image_withdrawal, minutes, records, sha256, view

CLOCK = datetime(2026, 5, 1, tzinfo=UTC)


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def assembler(store: MemoryStore) -> Iterator[Assembler]:
    with closing(Assembler(store, workers=2, now=lambda: CLOCK)) as assembler:
        yield assembler


def stored(store: MemoryStore, specimen: str, which: View, name: str, minute: int = 0, **fields: Any) -> ViewReady:
    """Store a view and return its announcement."""
    event = view(specimen, which, name, announced_at=minutes(minute), **fields)
    store.put(view_key(event.preprocessing_version, specimen, event.centre, which, sha256(name)), b"view")
    return event


THREE: list[tuple[View, str]] = [("DV", "a"), ("LAT", "b"), ("LAT", "c")]
BLURRED: list[tuple[View, str]] = [("DV", "good"), ("DV", "blurred"), ("LAT", "blurred")]
NOW: dict[str, Any] = {"preprocessing_version": VERSION, "preprocessing_generation": GENERATION}


def lost(outcome: Outcome) -> CallWithdrawal:
    assert isinstance(outcome, Done | Held)
    (message,) = outcome.messages
    assert message.topic is SPECIMENS
    assert isinstance(message.event, CallWithdrawal)
    return message.event


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
        view_key("p1", "m", "JAX", "DV", sha256("b")),
        view_key("p1", "m", "JAX", "LAT", sha256("a")),
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
    events = [stored(store, specimen, which, which) for specimen in ("m", "m/2") for which in ("DV", "LAT")]
    store.put(view_key("p2", "m", "JAX", "DV", sha256("other")), b"view")
    outcomes = assembler.handle(records(events))
    assert [published(outcomes[index]).biological_sample_id for index in (1, 3)] == ["m", "m/2"]
    assert {published(outcomes[index]).revision for index in (1, 3)} == {2}


def test_other_objects_under_the_prefix_are_ignored(store: MemoryStore, assembler: Assembler) -> None:
    events = [stored(store, "m", "DV", "a"), stored(store, "m", "LAT", "b")]
    for name in ("DV/short.png", f"DV/{sha256('x')}.txt", f"PA/{sha256('x')}.png", "index.json", "withdrawn"):
        store.put(f"views/m/p1/JAX/{name}", b"")
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
    batches = [[stored(store, name, "DV", "a"), stored(store, name, "LAT", "b")] for name in ("m", "n")]
    for batch in batches:
        assembler.acknowledged(assembler.handle(records(batch)))
    assert skipped(assembler.handle(records(batches[1]))[1]) == "set_published_already"
    assert published(assembler.handle(records(batches[0]))[1]).biological_sample_id == "m"


def test_a_specimen_is_published_again_without_a_withdrawn_picture(store: MemoryStore, assembler: Assembler) -> None:
    events = [stored(store, "m", which, name, **NOW) for which, name in THREE]
    assert published(assembler.handle(records(events))[2]).revision == 3
    event = image_withdrawal("m", "LAT", "c")
    (outcome,) = assembler.handle(records([event]))
    assert names(published(outcome)) == [("DV", sha256("a")), ("LAT", sha256("b"))]
    assert published(outcome).revision == 4
    assert store.objects[withdrawal_key("m", "JAX", "LAT", sha256("c"))] == event.encode()
    assembler.acknowledged([outcome])
    again = image_withdrawal("m", "LAT", "c", who="ben")
    assert skipped(assembler.handle(records([again]))[0]) == "set_published_already"


def test_a_specimen_without_a_side_loses_its_call(store: MemoryStore, assembler: Assembler) -> None:
    assembler.handle(records([stored(store, "m", "DV", "a", **NOW), stored(store, "m", "LAT", "b", **NOW)]))
    (outcome,) = assembler.handle(records([image_withdrawal("m", None, "b")]))
    event = lost(outcome)
    assert isinstance(outcome, Done)
    assert (event.reason, event.revision, event.centre) == ("images_withdrawn", 4, "JAX")
    assert (event.preprocessing_version, event.preprocessing_generation) == (VERSION, GENERATION)
    (outcome,) = assembler.handle(records([stored(store, "m", "LAT", "c", **NOW)]))
    assert published(outcome).revision == 5


def test_a_withdrawal_comes_before_or_after_its_picture(store: MemoryStore, assembler: Assembler) -> None:
    assert skipped(assembler.handle(records([image_withdrawal("m", "LAT", "b")]))[0]) == "incomplete"
    events = [stored(store, "m", "DV", "a", **NOW), stored(store, "m", "LAT", "b", **NOW)]
    assert lost(assembler.handle(records(events))[1]).revision == 3
    # The withdrawal of another centre does not count.
    other = image_withdrawal("m", "DV", "a", centre="TCP"), stored(store, "m", "LAT", "c", **NOW)
    assert names(published(assembler.handle(records(other))[1])) == [("DV", sha256("a")), ("LAT", sha256("c"))]


def test_pictures_of_two_centres_are_held_until_those_of_one_are_withdrawn(
    store: MemoryStore, assembler: Assembler
) -> None:
    ours = [stored(store, "m", "DV", "a", **NOW), stored(store, "m", "LAT", "b", **NOW)]
    theirs = [stored(store, "m", "LAT", "c", centre="TCP", **NOW)]
    _, _, outcome = assembler.handle(records([*ours, *theirs]))
    assert isinstance(outcome, Held)
    assert (outcome.reason, outcome.details) == ("centres_conflict", {"revision": 3})
    assert "JAX and TCP" in outcome.message
    assert (lost(outcome).reason, lost(outcome).revision) == ("centres_conflict", 3)
    (outcome,) = assembler.handle(records([image_withdrawal("m", "LAT", "c", centre="TCP")]))
    assert names(published(outcome)) == [("DV", sha256("a")), ("LAT", sha256("b"))]
    assert (published(outcome).revision, published(outcome).centre) == (4, "JAX")


def test_a_picture_that_was_announced_as_both_views_becomes_one(store: MemoryStore, assembler: Assembler) -> None:
    *_, outcome = assembler.handle(records([stored(store, "m", which, name, **NOW) for which, name in BLURRED]))
    assert isinstance(outcome, Held)
    assert outcome.reason == "view_conflict"
    (outcome,) = assembler.handle(records([image_withdrawal("m", "DV", "blurred")]))
    assert names(published(outcome)) == [("DV", sha256("good")), ("LAT", sha256("blurred"))]


def test_a_withdrawal_is_never_rejected(store: MemoryStore, assembler: Assembler) -> None:
    first = stored(store, "m", "DV", "a", **NOW)
    theirs = [stored(store, "m", "LAT", name, centre="TCP", **NOW) for name in "bc"]
    events: list[ViewReady | ImageWithdrawal] = [first, *theirs, image_withdrawal("m", "LAT", "c", centre="TCP")]
    outcomes = assembler.handle(records(events))
    assert isinstance(outcomes[2], Held)
    assert skipped(outcomes[3]) == "listed_with_a_later_view"
    (outcome,) = assembler.handle(records([image_withdrawal("m", None, "x")]))
    assert isinstance(outcome, Done)
    assert lost(outcome).reason == "centres_conflict"


def test_a_call_of_an_older_preprocessing_version_is_lost_too(store: MemoryStore, assembler: Assembler) -> None:
    events = [stored(store, "m", which, name) for which, name in THREE]
    assembler.handle(records(events))
    event = lost(assembler.handle(records([image_withdrawal("m", "LAT", "c")]))[0])
    assert (event.preprocessing_version, event.preprocessing_generation, event.revision) == (VERSION, GENERATION, 1)
    again = [stored(store, "m", which, name, **NOW) for which, name in THREE]
    assert names(published(assembler.handle(records(again))[2])) == [("DV", sha256("a")), ("LAT", sha256("b"))]


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
