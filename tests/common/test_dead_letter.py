"""A rejection fits into its topic whatever was rejected, and leads to the same bytes."""

import base64
import hashlib
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.common.errors import Rejected
from services.common.events import Rejection
from services.common.events.rejection import rejection_id
from services.common.kafka.batches import Unreadable
from services.common.loop.dead_letter import bounded_details, rejection_of
from services.common.loop.transport import RawRecord
from services.common.topics import IMAGES, MAX_MESSAGE_BYTES

MIB = 1024 * 1024
SPARE = 64 * 1024
"""For Kafka's own fields of a record and a batch."""
NAMES = st.text(max_size=30) | st.sampled_from(["\0" * MIB, "\N{MOUSE}" * MIB])
CONTENT = st.binary(max_size=30) | st.sampled_from([b"\xff" * MIB, b"x" * (9 * MIB), b"x" * (16 * MIB)])
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(6000, 6001).map(lambda digits: 10**digits)  # too long for str()
    | st.floats()
    | st.sampled_from(["\0" * MIB, "\ud800", b"bytes", object(), datetime(2026, 1, 1, tzinfo=UTC)]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES | st.integers(), inner, max_size=4),
    max_leaves=8,
)


def record(value: bytes | None = b"{}", key: bytes | None = b"k", topic_id: str = "a", **fields: Any) -> RawRecord:
    headers = fields.get("headers", (("trace", b"1"),))
    return RawRecord(IMAGES.name, 0, fields.get("offset", 5), datetime.now(UTC), key, value, headers, topic_id)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    value=st.none() | CONTENT,
    key=st.none() | CONTENT,
    headers=st.lists(st.tuples(NAMES, CONTENT), max_size=4),
    details=st.dictionaries(st.text(max_size=5), VALUES, max_size=5),
    message=NAMES,
)
def test_a_rejection_fits_whatever_it_holds(
    value: bytes | None, key: bytes | None, headers: list[tuple[str, bytes]], details: dict[str, Any], message: str
) -> None:
    raw = record(value, key, headers=tuple(headers))
    made = rejection_of(
        "intake", raw, Rejected("blank", message, **{"_" + name: one for name, one in details.items()}), None
    )
    encoded = made.encode()
    assert len(encoded) <= MAX_MESSAGE_BYTES - SPARE
    read = Rejection.model_validate_json(encoded)
    if read.left_out is None:
        assert read.original_bytes() == value
        assert (None if read.original_key is None else base64.b64decode(read.original_key)) == key
        assert [(name, base64.b64decode(one)) for name, one in read.headers] == headers
    else:
        assert read.left_out == hashlib.sha256(value or b"").hexdigest()
        assert (read.original, read.original_key, read.headers) == (None, None, ())
    smallest = read.smallest()
    assert len(smallest.encode()) < 8 * 1024
    assert smallest.left_out == hashlib.sha256(value or b"").hexdigest()
    assert (smallest.rejection_id, smallest.source_offset) == (made.rejection_id, 5)
    assert smallest.is_smallest


@pytest.mark.parametrize("text", ["\0" * 512, "\N{MOUSE}" * 512])
def test_the_smallest_form_is_small_for_the_longest_specimen(text: str) -> None:
    raw = record(b'{"biological_sample_id": "' + text.encode().replace(b"\0", b"\\u0000") + b'"}')
    assert len(rejection_of("intake", raw, Rejected("r", "m"), None).smallest().encode()) < 8 * 1024


def test_of_many_details_the_first_are_kept_and_the_others_counted() -> None:
    details = bounded_details(
        {"fields": {f"{'long' * 1000}{n}": "x" for n in range(9)} | {f"f{n}": "" for n in range(99)}}
    )
    fields = details["fields"]
    assert isinstance(fields, dict)
    assert fields["left_out"] == 9 + 99 - (len(fields) - 1)
    assert max(map(len, fields)) <= 200
    assert bounded_details({"a": [1.5, "b", {"c": None}], "n": float("nan")}) == {
        "a": [1.5, "b", {"c": None}],
        "n": "nan",
    }


def test_an_unreadable_record_is_a_position() -> None:
    raw = record(Unreadable(3, "no codec"), None, headers=(), offset=9)
    made = rejection_of("intake", raw, Rejected("record_unreadable", "m", first_offset=3, last_offset=9), None)
    assert (made.source_offset, made.original, made.original_key, made.left_out) == (3, None, None, None)
    assert made.smallest().details == {"last_offset": 9}
    assert made.rejection_id == rejection_id("intake", "a", IMAGES.name, 0, 3)


def test_the_same_position_in_a_topic_that_is_created_again_is_another_rejection() -> None:
    rejected = Rejected("blank", "m")
    ids = [rejection_of("intake", record(topic_id=one), rejected, None).rejection_id for one in ("a", "a", "b")]
    assert ids[0] == ids[1] != ids[2]
