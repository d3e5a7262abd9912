"""The read queries, on a real PostgreSQL."""

from datetime import datetime, timedelta

import pytest

from services.common.errors import Rejected
from services.common.events.base import now
from services.ledger import queries
from services.ledger.database import Connection
from services.ledger.writer import Ledger
from tests.ledger.examples import NOON, call, image, minutes, record, records, rejection, review, view

pytestmark = pytest.mark.integration
FAR = datetime.max.replace(tzinfo=NOON.tzinfo) - timedelta(days=9)


def _specimens(found: list[queries.CallRecord]) -> list[str]:
    return [kept.call.biological_sample_id for kept in found]


def test_current_calls_can_be_narrowed(ledger: Ledger, reader: Connection) -> None:
    ledger.write(records([call("a"), call("b", centre="TCP", abnormal=False)]))
    ledger.write(records([call("a", revision=3, abnormal=False)]))
    ledger.write(records([call("c", centre="TCP")]))

    assert _specimens(queries.current_calls(reader)) == ["c", "a", "b"]
    assert _specimens(queries.current_calls(reader, centre="JAX")) == ["a"]
    assert _specimens(queries.current_calls(reader, abnormal_only=True)) == ["c"]
    assert _specimens(queries.current_calls(reader, centre="TCP", since=NOON, limit=1)) == ["c"]
    assert queries.current_calls(reader, since=FAR) == []
    assert all(kept.current for kept in queries.current_calls(reader))


def test_a_follower_sees_each_call_once_in_order_including_superseded_ones(ledger: Ledger, reader: Connection) -> None:
    assert queries.newest_sequence(reader) == 0
    ledger.write(records([call("a", revision=3)]))
    cursor = queries.newest_sequence(reader)
    ledger.write(records([call("a", revision=2)]))
    ledger.write(records([call("a", revision=2), call("b")]))

    newer = queries.calls_after(reader, cursor)
    assert [(kept.call.biological_sample_id, kept.current) for kept in newer] == [("a", False), ("b", True)]
    assert queries.calls_after(reader, cursor, limit=1) == newer[:1]
    assert queries.calls_after(reader, newer[-1].sequence) == []


def test_the_calls_of_a_specimen_start_with_the_current_one(ledger: Ledger, reader: Connection) -> None:
    later = [call("a", revision=2, generation=2), call("a", revision=4), call("a", revision=3, activation=9)]
    ledger.write(records([*reversed(later), call("b")]))

    found = queries.calls_of(reader, "a")
    assert [kept.call for kept in found] == later
    assert [kept.current for kept in found] == [True, False, False]


def test_a_specimen_goes_from_incomplete_to_complete_to_called(ledger: Ledger, reader: Connection) -> None:
    assert queries.specimen_state(reader, "a") is None
    skull = image("a", "skull.dcm", "IMPC_XRY_051_001")
    ledger.write([record(image("a"), 0, minutes(1)), record(skull, 1, minutes(3))])
    ledger.write(records([view("a", "DV", announced_at=minutes(1)), rejection("a")]))

    state = queries.specimen_state(reader, "a")
    assert state == queries.SpecimenState("a", "JAX", "incomplete", minutes(1), minutes(1), None, 2, 1, 1, 0, 1, None)
    ledger.write(records([view("a", "LAT", announced_at=minutes(7)), view("a", "LAT", "b", announced_at=minutes(8))]))
    state = queries.specimen_state(reader, "a")
    assert state is not None
    assert (state.state, state.since, state.dv_views, state.lat_views) == ("complete", minutes(7), 1, 2)

    made = call("a", revision=3, announced_at=minutes(8), produced_at=minutes(9))
    ledger.write(records([made]))
    state = queries.specimen_state(reader, "a")
    assert state is not None
    assert (state.state, state.since, state.complete_since, state.call_id) == (
        "called",
        minutes(9),
        minutes(7),
        made.call_id,
    )


def test_a_set_is_complete_within_one_preprocessing_version_only(ledger: Ledger, reader: Connection) -> None:
    newer = view("a", "LAT", preprocessing_version="p2", preprocessing_generation=2)
    ledger.write(records([view("a", "DV"), newer]))

    state = queries.specimen_state(reader, "a")
    assert state is not None
    assert (state.state, state.dv_views, state.lat_views) == ("incomplete", 0, 1)


def test_a_call_whose_views_are_not_recorded_still_makes_its_specimen_complete(
    ledger: Ledger, reader: Connection
) -> None:
    """As in a ledger that is rebuilt after the records on the topic of views have expired."""
    ledger.write(records([call("a"), image("b")]))

    assert [one.biological_sample_id for one in queries.incomplete_specimens(reader, timedelta(0))] == ["b"]


def test_incomplete_specimens_are_sorted_by_age(ledger: Ledger, reader: Connection) -> None:
    young = now() - timedelta(minutes=30)
    ledger.write([record(image("young"), 0, young), record(image("old", centre="TCP"), 0, minutes(1))])
    ledger.write([record(image("older"), 0, minutes(0)), *records([view("done"), view("done", "LAT")])])

    def found(older_than: timedelta, centre: str | None = None, limit: int = 9) -> list[str]:
        incomplete = queries.incomplete_specimens(reader, older_than, centre=centre, limit=limit)
        return [one.biological_sample_id for one in incomplete]

    assert found(timedelta(hours=1)) == ["older", "old"]
    assert found(timedelta(minutes=10)) == ["older", "old", "young"]
    assert found(timedelta(0), centre="TCP") == ["old"]
    assert found(timedelta(0), limit=1) == ["older"]


def test_rejections_can_be_counted_listed_and_read(ledger: Ledger, reader: Connection) -> None:
    blank, second = rejection("a", 1), rejection("a", 2, centre="TCP")
    broken = rejection(None, 3, stage="assembler", reason="json_invalid", original=None, centre=None)
    ledger.write(records([blank, second]))
    ledger.write(records([broken]))

    counts = queries.rejection_counts(reader)
    assert [(one.stage, one.reason, one.count) for one in counts] == [
        ("intake", "view_blank", 2),
        ("assembler", "json_invalid", 1),
    ]
    assert [one.count for one in queries.rejection_counts(reader, centre="TCP")] == [1]
    assert queries.rejection_counts(reader, since=FAR) == []
    assert [one.source_offset for one in queries.rejections(reader, limit=1)] == [3]
    assert [one.source_offset for one in queries.rejections(reader, reason="view_blank", centre="TCP")] == [2]
    assert [one.original_bytes for one in queries.rejections(reader, stage="assembler")] == [None]
    assert len(queries.rejections(reader, biological_sample_id="a")) == 2
    assert queries.rejections(reader, since=FAR) == []

    found = queries.find_rejection(reader, blank.rejection_id[:12])
    assert found == blank
    assert found.original_bytes() == b'\x00\xff{"not": "json"'
    assert queries.find_rejection(reader, "%") is None
    with pytest.raises(Rejected) as ambiguous:
        queries.find_rejection(reader, "")
    assert ambiguous.value.reason == "id_ambiguous"


def test_a_specimen_known_by_rejections_alone_has_a_history_without_a_state(ledger: Ledger, reader: Connection) -> None:
    assert queries.specimen_history(reader, "a") is None
    ledger.write(records([rejection("a")]))

    history = queries.specimen_history(reader, "a")
    assert history is not None
    assert (history.state, len(history.rejections), history.images) == (None, 1, ())


def test_counts_by_centre_and_in_all(ledger: Ledger, reader: Connection) -> None:
    ledger.write(records([image("a"), view("a"), view("a", "LAT"), call("a"), call("a", revision=3, abnormal=False)]))
    ledger.write([record(image("b", centre="TCP"), 0, minutes(5)), record(image("c", centre="TCP"), 1, minutes(6))])
    ledger.write(records([rejection("b", 1, centre="TCP"), rejection(None, 2, centre=None)]))

    assert queries.centre_counts(reader) == [
        queries.CentreCount("JAX", specimens=1, complete=1, called=1, abnormal=0, rejected=0, abstained=0),
        queries.CentreCount("TCP", specimens=2, complete=0, called=0, abnormal=0, rejected=1, abstained=0),
        queries.CentreCount(None, specimens=0, complete=0, called=0, abnormal=0, rejected=1, abstained=0),
    ]
    assert queries.ledger_count(reader) == queries.LedgerCount(3, 3, 2, 2, 2, 2, minutes(5))


def test_reviews_are_stored_once_and_listed_newest_first(ledger: Ledger, reader: Connection) -> None:
    reviews = [review("a", "anna", 2, Spine="abnormal"), review("a", "ben", 3, Spine="normal"), review("b", "anna", 1)]
    ledger.write(records([call("a"), *reviews]))
    ledger.write(records(reviews))

    assert [one.review for one in queries.reviews(reader)] == [reviews[1], reviews[0], reviews[2]]
    assert [one.review for one in queries.reviews(reader, who="anna", limit=1)] == [reviews[0]]
    assert queries.reviews(reader, since=FAR) == []
    history = queries.specimen_history(reader, "a")
    assert history is not None
    assert [one.review_id for one in history.reviews] == [reviews[1].review_id, reviews[0].review_id]
    assert set(queries.current_calls_of(reader, ["a", "b"])) == {"a"}


def test_a_rejection_has_the_name_of_its_file(ledger: Ledger, reader: Connection) -> None:
    plain, named = image("a", "folder/scan.dcm"), image("a", "b.dcm", metadata={"file_name": "mouse 7.dcm"})
    refused = [
        rejection("a", number, image_event_id=event, rejection_id=str(number))
        for number, event in enumerate((plain.event_id, named.event_id, None))
    ]
    ledger.write(records([plain, named, *refused]))
    found = {one.rejection_id: one.file_name for one in queries.rejections(reader)}
    assert found == {"0": "scan.dcm", "1": "mouse 7.dcm", "2": None}
