"""The queries of `xray reprocess`, on a real PostgreSQL."""

import base64

import pytest

from services.common.events import Event, ImageEvent
from services.common.reprocess import REPROCESS_HEADER
from services.ledger.database import Connection
from services.ledger.queries import Selection, count_specimens, current_calls_of, outdated_images, specimens_after
from services.ledger.writer import Ledger
from tests.ledger.examples import NOON, call, image, minutes, record, rejection, sha256, view
from tests.ledger.test_fates import members, standardised

pytestmark = pytest.mark.integration


def write(ledger: Ledger, *events: Event, offset: int = 0) -> None:
    written = [record(event, offset + number, minutes(number)) for number, event in enumerate(events)]
    assert ledger.write(written) == [None] * len(events)


def outdated(reader: Connection, *specimens: str) -> dict[str, str]:
    """Digest of the original by file name."""
    found = outdated_images(reader, specimens, "p2", 2)
    return {one.event.image_uri.removeprefix("s3://images/"): one.original_sha256 for one in found}


def newer(event: ImageEvent, content: str) -> Event:
    return standardised(event, "DV", content, preprocessing_version="p2", preprocessing_generation=2)


def test_specimens_are_returned_page_by_page_in_the_order_of_their_ids(ledger: Ledger, reader: Connection) -> None:
    write(ledger, *(image(name, name) for name in ("c", "B", "a", "é")), image("d", "d", centre="TCP"))

    def names(after: str | None, limit: int, selection: Selection = Selection()) -> list[str]:  # noqa: B008
        found = specimens_after(reader, selection, after, limit=limit)
        return [one.biological_sample_id for one in found]

    assert names(None, 2) == ["B", "a"]
    assert names("a", 9) == ["c", "d", "é"]
    chosen = {
        Selection(centre="TCP"): ["d"],
        Selection(specimens=("a", "unknown")): ["a"],
        Selection(since=minutes(2)): ["a", "d", "é"],
        Selection(until=minutes(2)): ["B", "c"],
        Selection(since=NOON, until=NOON): [],
    }
    for selection, expected in chosen.items():
        assert names(None, 9, selection) == expected
        assert count_specimens(reader, selection) == len(expected)


def test_each_specimen_has_its_current_call(ledger: Ledger, reader: Connection) -> None:
    write(ledger, call("a", activation=1), call("a", activation=2), call("a", revision=3), call("b"), image("c"))
    found = current_calls_of(reader, ["a", "b", "c"])
    assert {name: (one.revision, one.activation) for name, one in found.items()} == {"a": (3, 1), "b": (2, 1)}


def test_images_without_a_view_of_the_newer_generation_are_outdated(ledger: Ledger, reader: Connection) -> None:
    old, done, alone, skull, bad = (
        image("m", "old"),
        image("m", "done"),
        image("n", "alone"),
        image("m", "skull", "IMPC_XRY_051_001"),
        image("m", "bad"),
    )
    write(ledger, old, done, alone, skull, bad)
    write(ledger, standardised(old, "DV", "1"), standardised(done, "LAT", "2"), standardised(alone, "DV", "3"))
    write(ledger, newer(done, "2"), rejection("m", image_event_id=bad.event_id))
    assert outdated(reader, "m", "n") == {"old": sha256("1"), "alone": sha256("3")}
    assert outdated(reader, "n") == {"alone": sha256("3")}
    write(ledger, newer(old, "1"), newer(alone, "3"))
    assert outdated(reader, "m", "n") == {}


def test_both_announcements_of_the_same_image_are_outdated(ledger: Ledger, reader: Connection) -> None:
    first, second = image("m", "first"), image("m", "second")
    write(ledger, first, second)
    write(ledger, standardised(first, "DV", "1"), standardised(second, "DV", "1"))
    assert outdated(reader, "m") == {"first": sha256("1"), "second": sha256("1")}


def test_a_call_counts_as_a_view_that_the_ledger_no_longer_has(ledger: Ledger, reader: Connection) -> None:
    write(ledger, image("m", "dv", sha256=sha256("1")), image("m", "lat"), call("m", views=members("1", "2")))
    assert outdated(reader, "m") == {"dv": sha256("1")}


def test_an_image_that_was_rejected_in_reprocessing_is_not_reprocessed_again(
    ledger: Ledger, reader: Connection
) -> None:
    events = {version: image("m", version) for version in ("p1", "p2", "none")}
    write(ledger, *events.values())
    write(ledger, *(standardised(event, "DV", name) for name, event in events.items()))
    for offset, (version, event) in enumerate(events.items()):
        reprocessed = ((REPROCESS_HEADER, base64.b64encode(version.encode()).decode()),)
        headers = (("trace", "AA=="), *(reprocessed if version != "none" else ()))
        write(ledger, rejection("m", offset, image_event_id=event.event_id, headers=headers), offset=offset)
    assert set(outdated(reader, "m")) == {"p1", "none"}


def test_the_whole_announcement_is_returned(ledger: Ledger, reader: Connection) -> None:
    event = image("m", "a", sha256=sha256("1"), increment="2", acquired_at=NOON, metadata={"scanner": "Faxitron"})
    write(ledger, event)
    write(ledger, view("m", "DV", "1", image_event_id=event.event_id))
    (found,) = outdated_images(reader, ["m"], "p2", 2)
    assert (found.event, found.event.event_id) == (event, event.event_id)
