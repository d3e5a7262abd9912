"""Which images count as in flight and which as missing, with hand-made snapshots."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import pytest

from services.common.kafka.batches import Unreadable
from services.common.topics import IMAGES
from services.ledger.queries import ImageFate, UnreadableRecord
from services.operations.reconcile import snapshot as snapshots
from services.operations.reconcile.account import COLUMNS, LedgerSide, account
from services.operations.reconcile.snapshot import Announcement, InFlight, RecordLocation, Snapshot
from tests.common.kafka.consumers import StoredRecord


def snapshot(*announced: str, **more: Any) -> Snapshot:
    """Announcements at offsets 0, 1, ... of partition 0; every group has read all of them."""
    announcements = {
        name: Announcement(name, f"specimen {name}", "JAX", (0, offset)) for offset, name in enumerate(announced)
    }
    unreadable: dict[RecordLocation, str | None] = more.pop("unreadable", {})
    parts: dict[str, Any] = {"in_flight": InFlight(), "ends": {0: 100}, "taken": {0: 100}, "recorded": {0: 100}}
    return Snapshot(announcements, unreadable, **(parts | more))


def fate(event_id: str, word: Any, centre: str = "JAX", offset: int = 0) -> ImageFate:
    at = datetime(2026, 3, 1, tzinfo=UTC)
    return ImageFate(event_id, f"specimen {event_id}", centre, at, 0, offset, "p1", f"sha {event_id}", word)


def counted(topics: Snapshot, *fates: ImageFate, **more: Any) -> dict[str, int]:
    """The total without zeros; asserts that the account adds up."""
    total = asdict(account(topics, LedgerSide(fates, more.pop("unreadable", ()), **more)).total)
    assert total["announced"] == sum(total[name] for name in COLUMNS if name != "announced")
    return {name: total[name] for name in COLUMNS if total[name]}


def test_every_fate_has_its_column_and_centres_are_kept_separate() -> None:
    fates = [
        fate("a", "called"),
        fate("b", "incomplete"),
        fate("c", "rejected", "TCP"),
        fate("d", "skipped", "TCP"),
    ]
    result = account(snapshot("a", "b", "c", "d"), LedgerSide(fates, ()))
    assert [(one.centre, one.announced, one.called, one.incomplete, one.rejected) for one in result.centres] == [
        ("JAX", 2, 1, 1, 0),
        ("TCP", 2, 0, 0, 1),
    ]
    assert result.missing == ()


def test_what_intake_has_yet_to_take_is_in_flight() -> None:
    waiting = InFlight(events={"a"})
    assert counted(snapshot("a", in_flight=waiting), fate("a", "unseen")) == {"announced": 1, "in_flight": 1}


def test_an_image_that_waits_for_its_source_is_parked_and_not_missing() -> None:
    waiting = InFlight(parked={"a", "b"}, events={"b"})
    unseen = (fate("a", "unseen"), fate("b", "unseen"), fate("c", "unseen"), fate("d", "rejected"))
    assert counted(snapshot("a", "b", "c", "d", in_flight=waiting), *unseen) == {
        "announced": 4,
        "rejected": 1,
        "in_flight": 1,
        "parked": 1,
        "missing": 1,
    }


def test_without_any_outcome_an_image_is_missing() -> None:
    result = account(snapshot("a"), LedgerSide([fate("a", "unseen")], ()))
    assert [(one.why, one.event_id, one.partition, one.offset) for one in result.missing] == [("no_outcome", "a", 0, 0)]


@pytest.mark.parametrize(
    "in_flight",
    [
        InFlight(specimens={("specimen a", "p1")}),
        InFlight(members={("specimen a", "p1", "sha a")}),
        InFlight(refused_specimens={"specimen a"}),
    ],
)
def test_a_view_is_in_flight_while_its_set_is_anywhere_between_the_services(in_flight: InFlight) -> None:
    assert counted(snapshot("a", in_flight=in_flight), fate("a", "uncalled")) == {"announced": 1, "in_flight": 1}


@pytest.mark.parametrize(
    "in_flight",
    [
        InFlight(),
        InFlight(specimens={("specimen a", "p2"), ("specimen b", "p1")}),
        InFlight(members={("specimen a", "p1", "sha b")}),
    ],
)
def test_another_set_under_way_does_not_hide_a_missing_call(in_flight: InFlight) -> None:
    assert counted(snapshot("a", in_flight=in_flight), fate("a", "uncalled")) == {"announced": 1, "missing": 1}


def test_an_announcement_is_in_flight_until_the_sink_has_read_it_and_then_missing() -> None:
    assert counted(snapshot("a", "b", recorded={0: 1})) == {"announced": 2, "in_flight": 1, "missing": 1}
    assert counted(snapshot("a", "b"), refused={"a"}) == {"announced": 2, "rejected": 1, "missing": 1}


def test_what_was_announced_before_or_after_the_time_asked_for_does_not_count() -> None:
    assert counted(snapshot("again"), earlier={"again"}) == {}
    assert counted(snapshot(ends={0: 5}), fate("later", "unseen", offset=5)) == {}


def test_unreadable_records_count_by_their_place() -> None:
    locations: dict[RecordLocation, str | None] = {(0, 1): "JAX", (0, 2): None, (0, 3): None, (0, 9): None}
    topics = snapshot(unreadable=locations, taken={0: 9}, in_flight=InFlight(refused_locations={(0, 3)}))
    refused = [UnreadableRecord("JAX", 0, 1)]
    assert counted(topics, unreadable=refused) == {"announced": 4, "rejected": 1, "in_flight": 2, "missing": 1}
    (missing,) = account(topics, LedgerSide((), refused)).missing
    assert (missing.why, missing.partition, missing.offset) == ("not_refused", 0, 2)


def test_a_record_that_kafkas_client_cannot_read_is_accounted_for_where_its_rejection_names_it() -> None:
    """The rejection names the first offset of several that cannot be told apart."""
    broken = StoredRecord(IMAGES.name, 3, 9, Unreadable(7, "a broken batch"))
    announcements, unreadable, waiting = snapshots._announced([broken], {3: 10})
    assert (announcements, unreadable, waiting) == ({}, {(3, 7): None}, set())
