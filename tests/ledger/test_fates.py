"""The fate of every announcement, on a real PostgreSQL."""

from datetime import timedelta

import pytest
from prometheus_client import REGISTRY

from services.common.events import Event, ImageEvent, SpecimenReady, SpecimenView
from services.common.events.base import now
from services.ledger import queries
from services.ledger.database import Connection
from services.ledger.writer import Ledger
from services.sink.metrics import FATES, sample
from tests.ledger.examples import NOON, call, image, record, rejection, sha256, view

pytestmark = pytest.mark.integration


def fates(reader: Connection) -> dict[str, str]:
    """Fate by file name."""
    uris: dict[str, str] = dict(reader.execute("select event_id, image_uri from image").fetchall())
    return {uris[one.event_id].removeprefix("s3://images/"): one.fate for one in queries.image_fates(reader)}


def write(ledger: Ledger, *events: Event) -> None:
    assert ledger.write([record(event, offset) for offset, event in enumerate(events)]) == [None] * len(events)


def standardised(event: ImageEvent, which: str, content: str, **fields: object) -> Event:
    return view(
        event.biological_sample_id,
        "DV" if which == "DV" else "LAT",
        content,
        image_event_id=event.event_id,
        image_uri=event.image_uri,
        **fields,
    )


def members(*contents: str) -> tuple[SpecimenView, ...]:
    return tuple(
        SpecimenView(view="LAT" if number else "DV", image_sha256=sha256(content), view_key=f"views/{number}")
        for number, content in enumerate(contents)
    )


def test_every_announcement_has_one_fate(ledger: Ledger, reader: Connection) -> None:
    dv, lat, late = image("m", "dv"), image("m", "lat"), image("m", "late")
    alone, skull, gone, bad = (
        image("n", "alone"),
        image("m", "skull", "IMPC_XRY_051_001"),
        image("m", "gone"),
        image("m"),
    )
    write(ledger, dv, lat, late, alone, skull, gone, bad)
    write(ledger, standardised(dv, "DV", "1"), standardised(lat, "LAT", "2"), standardised(alone, "DV", "3"))
    write(ledger, call("m", views=members("1", "2")), standardised(late, "DV", "4"))
    write(ledger, rejection("m", image_event_id=bad.event_id))

    assert fates(reader) == {
        "dv": "called",
        "lat": "called",
        "late": "uncalled",
        "alone": "incomplete",
        "skull": "skipped",
        "gone": "unseen",
        "a.dcm": "rejected",
    }
    write(ledger, call("m", revision=3, views=members("1", "2", "4")))
    assert fates(reader)["late"] == "called"


def test_the_same_image_under_two_addresses_is_called_twice(ledger: Ledger, reader: Connection) -> None:
    one, other, lat = image("m", "one"), image("m", "other"), image("m", "lat")
    write(ledger, one, other, lat, standardised(one, "DV", "1"), standardised(lat, "LAT", "2"))
    write(ledger, call("m", views=members("1", "2")))
    assert fates(reader) == {"one": "called", "other": "unseen", "lat": "called"}
    write(ledger, standardised(other, "DV", "1"))
    assert fates(reader)["other"] == "called"


def test_a_replay_that_succeeds_outweighs_the_refusal(ledger: Ledger, reader: Connection) -> None:
    one = image("m", "one")
    write(ledger, one, rejection("m", image_event_id=one.event_id))
    assert fates(reader) == {"one": "rejected"}
    write(ledger, standardised(one, "DV", "1"))
    assert fates(reader) == {"one": "incomplete"}


def test_a_refused_revision_settles_its_views_and_no_later_one(ledger: Ledger, reader: Connection) -> None:
    dv, lat, late = image("m", "dv"), image("m", "lat"), image("m", "late")
    views = [standardised(dv, "DV", "1"), standardised(lat, "LAT", "2"), standardised(late, "DV", "3")]
    refused = SpecimenReady(
        biological_sample_id="m",
        centre="JAX",
        revision=2,
        views=members("1", "2"),
        preprocessing_version="p1",
        preprocessing_generation=1,
        announced_at=NOON,
        produced_at=NOON,
    )
    write(ledger, dv, lat, late, *views)
    ledger.write([record(rejection_of_set(refused))])
    assert fates(reader) == {"dv": "rejected", "lat": "rejected", "late": "uncalled"}


def rejection_of_set(refused: SpecimenReady) -> Event:
    import base64

    original = base64.b64encode(refused.encode()).decode()
    return rejection("m", image_event_id=None, source_topic="xray.specimens", stage="fuser", original=original)


def test_garbage_in_a_rejected_record_affects_no_image(ledger: Ledger, reader: Connection) -> None:
    write(ledger, image("m", "one"), rejection(None, image_event_id=None, source_topic="xray.tensors"))
    assert fates(reader) == {"one": "unseen"}


def test_a_digest_in_a_call_counts_without_any_view(ledger: Ledger, reader: Connection) -> None:
    """As in a ledger that was rebuilt after the records on the topic of views had expired."""
    write(ledger, image("m", "one", sha256=sha256("1")), image("m", "two"), call("m", views=members("1", "2")))
    assert fates(reader) == {"one": "called", "two": "unseen"}


def test_a_newer_preprocessing_is_judged_by_its_own_call(ledger: Ledger, reader: Connection) -> None:
    dv, lat = image("m", "dv"), image("m", "lat")
    newer = {"preprocessing_version": "p2", "preprocessing_generation": 2}
    write(
        ledger, dv, lat, standardised(dv, "DV", "1"), standardised(lat, "LAT", "2"), call("m", views=members("1", "2"))
    )
    write(ledger, standardised(dv, "DV", "1", **newer), standardised(lat, "LAT", "2", **newer))
    assert fates(reader) == {"dv": "uncalled", "lat": "uncalled"}


def test_unreadable_records_are_known_by_their_position(ledger: Ledger, reader: Connection) -> None:
    write(ledger, rejection(None, image_event_id=None, centre=None, source_partition=3, source_offset=8))
    assert queries.unreadable_records(reader) == [queries.UnreadableRecord(None, 3, 8)]


def test_the_gauges_agree_with_the_ledger(ledger: Ledger, reader: Connection) -> None:
    recent = now() - timedelta(minutes=10)
    ledger.write([record(image("m", "one"), 0, recent), record(image("m", "skull", "IMPC_XRY_051_001"), 1, recent)])
    sample(reader)

    def gauge(name: str, **labels: str) -> float | None:
        return REGISTRY.get_sample_value(name, {"centre": "JAX", **labels})

    shown = {fate: gauge("xray_ledger_images", fate=fate) for fate in FATES}
    assert shown == {"called": 0, "incomplete": 0, "rejected": 0, "skipped": 1, "in_flight": 1}
    assert gauge("xray_ledger_incomplete_specimens") == 1
    assert gauge("xray_ledger_oldest_in_flight_seconds") == pytest.approx(600, abs=60)
    assert gauge("xray_ledger_oldest_incomplete_seconds") == pytest.approx(600, abs=60)
