"""From events to rows, without a server."""

from datetime import datetime
from functools import reduce
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.types.json import Jsonb

from services.common.errors import Rejected
from services.common.events import ModelActivation, Rejection
from services.common.loop import Record
from services.common.topics import ACTIVE_MODELS
from services.ledger.rows import SpecimenUpdate, row_of, storable
from services.ledger.writer import merged
from tests.ledger.examples import NOON, call, image, minutes, record, rejection, review, view


@pytest.mark.parametrize(
    ("parameter", "kind"),
    [
        ("IMPC_XRY_034_001", "DV"),
        ("IMPC_XRY_048_001", "LAT"),
        ("IMPC_XRY_050_001", "other"),
        ("HAS_XRY_034_001", "unknown"),
    ],
)
def test_an_image_is_filed_under_the_view_its_parameter_declares(parameter: str, kind: str) -> None:
    assert row_of(record(image("1", parameter=parameter))).row["kind"] == kind


def test_an_image_was_announced_when_its_record_reached_the_broker() -> None:
    made = row_of(record(image("1", produced_at=minutes(-9)), offset=7, timestamp=minutes(3)))

    assert made.table == "image"
    assert made.specimen == SpecimenUpdate("1", "JAX", minutes(3))
    assert (made.row["announced_at"], made.row["kafka_offset"], made.row["produced_at"]) == (minutes(3), 7, minutes(-9))


def test_the_query_of_a_uri_is_not_stored_and_the_identity_is_the_same_when_the_row_is_read() -> None:
    event = image("1", image_uri="https://host/x.png?X-Amz-Signature=planted-secret")
    row = row_of(record(event)).row
    assert row["image_uri"].startswith("https://host/x.png?sha256=")
    assert row["event_id"] == event.event_id == image("1", image_uri=row["image_uri"]).event_id


def test_a_call_makes_its_specimen_complete() -> None:
    assert row_of(record(call("1"))).specimen == SpecimenUpdate("1", "JAX", NOON, NOON)
    assert row_of(record(view("1"))).specimen == SpecimenUpdate("1", "JAX", NOON)
    assert row_of(record(rejection("1"))).specimen is None


def test_null_characters_become_visible_at_any_depth() -> None:
    assert storable({"a\0": ["\0", {"b": ("c\0", 1, None, 0.5)}]}) == {"a␀": ["␀", {"b": ["c␀", 1, None, 0.5]}]}


def test_a_rejection_keeps_the_original_bytes_and_a_clean_text() -> None:
    row = row_of(record(rejection("1", words="bad \0 byte"))).row

    assert row["original"] == b'\x00\xff{"not": "json"'
    assert row["original_key"] == b"183808"
    assert row["words"] == "bad ␀ byte"
    assert isinstance(row["headers"], Jsonb)


@pytest.mark.parametrize("broken", [rejection(original="no base64!"), rejection(original_key="no base64!")])
def test_an_original_that_is_not_base64_is_rejected(broken: Rejection) -> None:
    with pytest.raises(Rejected) as refusal:
        row_of(record(broken))
    assert refusal.value.reason == "original_invalid"


def test_an_event_without_a_table_is_a_mistake_in_the_program() -> None:
    event = ModelActivation(activation=1, versions={"cae": 1}, why="first", produced_at=NOON)
    with pytest.raises(TypeError, match="ModelActivation"):
        row_of(Record(ACTIVE_MODELS.name, 0, 0, NOON, None, None, (), event))


_moments = st.integers(0, 5).map(minutes)
_sightings = st.builds(
    SpecimenUpdate, st.sampled_from(["1", "2", "3"]), st.sampled_from(["JAX", "TCP"]), _moments, st.none() | _moments
)


def _as_sql_would(known: SpecimenUpdate, new: SpecimenUpdate) -> SpecimenUpdate:
    """The `specimen` table's upsert in Python."""
    known_first = (known.announced_at, known.centre) <= (new.announced_at, new.centre)
    moments: list[datetime] = [moment for moment in (known.complete_since, new.complete_since) if moment]
    return SpecimenUpdate(
        known.biological_sample_id,
        known.centre if known_first else new.centre,
        min(known.announced_at, new.announced_at),
        min(moments) if moments else None,
    )


@given(st.lists(_sightings, max_size=12))
def test_merged_updates_are_minima_in_any_order_and_grouping(sightings: list[SpecimenUpdate]) -> None:
    expected = {
        name: reduce(_as_sql_would, (one for one in sightings if one.biological_sample_id == name))
        for name in sorted({one.biological_sample_id for one in sightings})
    }
    middle = len(sightings) // 2
    in_two_steps = merged(chain(merged(sightings[middle:]), merged(sightings[:middle])))

    assert merged(sightings) == list(expected.values())
    assert in_two_steps == list(expected.values())


def test_a_review_is_one_row_with_an_id_derived_from_its_content() -> None:
    event = review("1", Spine="abnormal", Ribs="unknown")
    made = row_of(record(event))

    assert (made.table, made.specimen) == ("review", None)
    assert made.row["review_id"] == event.review_id
    assert made.row["verdicts"].obj == {"Spine": "abnormal", "Ribs": "unknown"}
