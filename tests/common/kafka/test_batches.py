"""One unreadable record costs only itself, and no batch exhausts memory."""

import struct
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka.record.default_records import DefaultRecordBatch

from services.common.errors import Rejected
from services.common.kafka.batches import BATCH_RECORDS, RECORD_HEADERS, Batches, Unreadable, readable
from tests.common.kafka.written import CODECS, batch, renamed, sealed, values

HEADER = DefaultRecordBatch.HEADER_STRUCT.size
Seen = list[tuple[int, bytes | None]]


def records(data: bytes, **options: int) -> list[Any]:
    batches, found = Batches(data, **options), []
    while (one := batches.next_batch()) is not None:
        found += list(one)
    return found


def seen(data: bytes, **options: int) -> Seen:
    return [(record.offset, record.value) for record in records(data, **options)]


def readable_only(data: bytes, **options: int) -> Seen:
    return [one for one in seen(data, **options) if not isinstance(one[1], Unreadable)]


def ranges(data: bytes, **options: int) -> list[tuple[int, int]]:
    """First and last offset of everything that could not be read."""
    return [(value.first_offset, last) for last, value in seen(data, **options) if isinstance(value, Unreadable)]


@pytest.mark.parametrize("codec", CODECS)
def test_every_codec_is_read(codec: str) -> None:
    contents = [b"first", b"", b"x" * 300_000, "\N{MOUSE}".encode() * 1000]
    data = batch([(b"key", content, [("trace", b"1"), ("none", None)]) for content in contents], base=7, codec=codec)
    found = records(data)
    assert [(one.offset, one.key, one.value) for one in found] == [
        (7 + number, b"key", content) for number, content in enumerate(contents)
    ]
    assert found[0].headers == [("trace", b"1"), ("none", None)]
    assert found[0].timestamp == 1_700_000_000_000


def test_null_keys_and_values_stay_null() -> None:
    (one,) = records(batch([(None, None, [])]))
    assert (one.key, one.value, one.headers) == (None, None, [])


def test_a_header_name_that_is_not_utf8_costs_only_its_record() -> None:
    good = values(b"before"), values(b"after")
    data = renamed(batch([*good[0], (b"k", b"bad", [("name!", b"1")]), *good[1]]), b"name!", b"nam\xff\xff")
    assert readable_only(data) == [(0, b"before"), (2, b"after")]
    assert ranges(data) == [(1, 1)]


@pytest.mark.parametrize("codec", CODECS)
def test_a_record_over_the_limit_costs_only_itself(codec: str) -> None:
    data = batch(values(b"before", b"0" * 300_000, b"after"), codec=codec)
    assert readable_only(data, record_bytes=100_000) == [(0, b"before"), (2, b"after")]
    assert ranges(data, record_bytes=100_000) == [(1, 1)]


@pytest.mark.parametrize(("codec", "size"), [("gzip", 10**8), ("lz4", 10**8), ("zstd", 10**8), ("snappy", 10**7)])
def test_a_bomb_takes_no_memory(codec: str, size: int) -> None:
    data = batch(values(b"before", b"0" * size, b"after"), codec=codec)
    tracemalloc.start()
    found = [(one.offset, one.value) for one in records(data, record_bytes=1024 * 1024)]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [value for _, value in found if not isinstance(value, Unreadable)] == [b"before", b"after"]
    assert peak < 3 * len(data) + 4 * 1024 * 1024


def test_a_batch_that_inflates_without_end_is_given_up() -> None:
    data = batch(values(b"before", *[b"0" * 60_000_000] * 5, b"after"), codec="zstd")
    assert readable_only(data, record_bytes=1024) == [(0, b"before")]
    assert ranges(data, record_bytes=1024) == [(1, 1), (2, 2), (3, 3), (4, 4), (5, 6)]


def test_batches_around_an_unreadable_one_are_read() -> None:
    bad = bytearray(batch(values(b"b1", b"b2"), base=10))
    bad[-1] ^= 1
    data = batch(values(b"a"), base=9) + bytes(bad) + batch(values(b"c"), base=12)
    assert readable_only(data) == [(9, b"a"), (12, b"c")]
    assert ranges(data) == [(10, 11)]


def test_a_corrupt_header_skips_no_offset_of_the_next_batch() -> None:
    bad = bytearray(batch(values(b"b1", b"b2"), base=10))
    bad[HEADER - 38 : HEADER - 34] = struct.pack(">i", 1_000_000)  # last offset delta
    assert ranges(bytes(bad) + batch(values(b"c"), base=12)) == [(10, 11)]
    assert ranges(bytes(bad), fetch_offset=10) == [(10, 10)]
    assert ranges(bytes(bad), fetch_offset=11) == [(10, 11)]


@pytest.mark.parametrize(("codec", "body"), [(7, b"x"), (1, b"not gzip"), (4, b"not zstd"), (3, b""), (2, b"\xff" * 9)])
def test_a_batch_that_cannot_be_inflated_is_one_range(codec: int, body: bytes) -> None:
    header = batch(values(b"1", b"2", b"3"))[:HEADER]
    data = batch(values(b"a")) + sealed(header, body, base=1, codec=codec) + batch(values(b"c"), base=4)
    assert readable_only(data) == [(0, b"a"), (4, b"c")]
    assert ranges(data) == [(1, 3)]


def test_a_snappy_block_that_claims_gigabytes_is_not_inflated() -> None:
    header = batch(values(b"1"))[:HEADER]
    assert ranges(sealed(header, b"\xff\xff\xff\xff\x0f" + b"x" * 50, base=0, codec=2)) == [(0, 0)]


def test_records_and_headers_are_counted_before_they_are_read() -> None:
    header = batch(values(b"1"))[:HEADER]
    many = sealed(header, b"", base=0, codec=0, count=BATCH_RECORDS + 1, delta=BATCH_RECORDS)
    assert ranges(many) == [(0, BATCH_RECORDS)]
    headers = [("h", b"")] * (RECORD_HEADERS + 1)
    assert ranges(batch([(b"k", b"v", headers), (b"k", b"v", headers[1:])])) == [(0, 0)]


def test_a_time_beyond_the_calendar_is_the_last_one() -> None:
    assert records(batch(values(b"a"), at=2**60))[0].timestamp == 253_402_300_799_000


@given(st.data(), st.sampled_from(list(CODECS)))
def test_whatever_is_broken_no_offset_is_reported_twice(data: st.DataObject, codec: str) -> None:
    """Any bytes of a batch's body may be wrong: nothing raises, and no offset is reported twice."""
    whole = batch(values(*[bytes([number]) * 50 for number in range(5)]), base=100, codec=codec)
    body = bytearray(whole[HEADER:])
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(body)))
    broken = sealed(whole[:HEADER], bytes(body[:cut]), base=100, codec=CODECS[codec][0])
    reported: list[int] = []
    for record in records(broken):
        first = record.value.first_offset if isinstance(record.value, Unreadable) else record.offset
        reported += range(first, record.offset + 1)
    assert reported == sorted(set(reported))
    assert not reported or 100 <= reported[0] <= reported[-1] <= 104
    # An offset that is left out has been compacted away, as far as the batch says.
    assert records(broken + batch(values(b"next"), base=105))[-1].value == b"next"


def test_a_record_that_claims_a_later_offset_costs_no_record_of_the_next_batch() -> None:
    """The consumer would take the next batch's first record for one that it has had already."""
    data = bytearray(batch(values(b"a", b"b", b"c"), base=100))
    data[HEADER + 3] = 4  # the first record claims the offset of the third
    broken = sealed(bytes(data[:HEADER]), bytes(data[HEADER:]), base=100, codec=0)
    assert [offset for offset, _ in seen(broken + batch(values(b"next"), base=103))] == [100, 101, 102, 103]


def test_more_records_than_offsets_cost_no_record_of_the_next_batch() -> None:
    data = batch(values(b"a", b"b", b"c"), base=100)
    broken = sealed(data[:HEADER], data[HEADER:], base=100, codec=0, delta=1)
    assert [offset for offset, _ in seen(broken + batch(values(b"next"), base=102))] == [100, 101, 102]


def test_the_reason_names_the_offsets() -> None:
    assert readable(b"value", 5) == b"value"
    assert readable(None, 5) is None
    with pytest.raises(Rejected, match="not UTF-8") as caught:
        readable(Unreadable(3, "the name of a header is not UTF-8"), 5)
    assert caught.value.reason == "record_unreadable"
    assert caught.value.details == {"first_offset": 3, "last_offset": 5}
