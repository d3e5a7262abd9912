"""Kafka's record batches with wrong bytes: every offset is reported once, and the batch behind them is read."""

from random import Random
from typing import Any, Final

import pytest
from kafka.record.default_records import DefaultRecordBatch

from services.common.errors import Rejected
from services.common.kafka.batches import Batches, Unreadable, readable
from services.common.topics import IMAGES
from tests.common.kafka.written import CODECS, Written, batch, sealed
from tests.fuzz.harness import ACCEPTED, TIMEOUT, run
from tests.fuzz.oracle import check_refused, raw_record

pytestmark = pytest.mark.timeout(TIMEOUT)
HEADER: Final = DefaultRecordBatch.HEADER_STRUCT.size
BASE: Final = 100
_NUMBERS: Final = (-(2**63), -(2**31), -2, -1, 0, 1, 2, 7, 1000, 100_001, 2**31 - 1, 2**63 - 1)
_LENGTHS: Final = (
    b"\x01",
    b"\xff\xff\xff\xff\x0f",
    b"\xff" * 9 + b"\x01",
    b"\xff" * 11,
    b"\xfe\xff\xff\xff\x07",
    b"\x80\x80\x00",
)
"""Variable-length integers: -1, the smallest and the largest ones, one that does not end, and an overlong zero."""
_INT32: Final = (-(2**31), 2**31 - 1)
_FIELDS: Final = {
    "delta": (0, 2**31 - 1),
    "count": _INT32,
    "first": (-(2**63), 2**63 - 1),
    "latest": (-(2**63), 2**63 - 1),
    "epoch": _INT32,
    "producer": (-(2**63), 2**63 - 1),
    "sequence": _INT32,
    "attributes": (0, 2**15 - 1),
    "magic": (0, 127),
}
"""Fields of the header and their ranges. The broker sees to it that the next batch begins after the last offset."""


def records_of(random: Random) -> list[Written]:
    sizes = (0, 1, 40, 40, 3000, 200_000 if random.random() < 0.05 else 10)
    return [
        (
            random.choice((None, b"", b"key")),
            random.choice((None, b"x" * random.choice(sizes), random.randbytes(random.choice(sizes)))),
            [("trace", random.choice((None, b"1")))] * random.choice((0, 1, 3, 101)),
        )
        for _ in range(random.randint(1, 6))
    ]


def damaged(random: Random, data: bytes) -> bytes:
    """Some bytes replaced, inserted or cut off, often by numbers that mislead a reader."""
    body = bytearray(data)
    for _ in range(random.choice((0, 0, 1, 1, 2, 4))):
        at = random.randint(0, min(len(body), random.choice((12, 100_000))))
        end = at + random.choice((0, 1, 1, 4))
        body[at:end] = random.choice((random.randbytes(random.randint(0, 4)), *_LENGTHS))
    return bytes(body[: random.randint(0, len(body))]) if random.random() < 0.1 else bytes(body)


def changed_batch(random: Random) -> tuple[bytes, int]:
    """A batch with a right checksum, and the offset after its last one as its header gives it."""
    records = records_of(random)
    number, encode = CODECS[random.choice(list(CODECS))]
    whole = batch(records, base=BASE)
    plain = whole[HEADER:]
    body = encode(damaged(random, plain)) if random.random() < 0.5 else damaged(random, encode(plain))
    if random.random() < 0.7:
        return sealed(whole[:HEADER], body, base=BASE, codec=number), BASE + len(records)
    name, (least, most) = random.choice(list(_FIELDS.items()))
    value = max(least, min(random.choice(_NUMBERS), most))
    last = value if name == "delta" else len(records) - 1
    return sealed(whole[:HEADER], body, base=BASE, codec=number, **{name: value}), BASE + last + 1


def read(data: bytes, fetch_offset: int) -> list[Any]:
    batches, found = Batches(data, fetch_offset), []
    while (one := batches.next_batch()) is not None:
        found += list(one)
    return found


def test_record_batches() -> None:
    def check(random: Random) -> str:
        broken, following = changed_batch(random)
        found = read(broken + batch([(b"k", b"next", [])], base=following), random.choice((0, BASE, following - 1)))
        offsets = [record.offset for record in found]
        assert offsets == sorted(set(offsets))
        assert (offsets[-1], found[-1].value) == (following, b"next")
        outcome = ACCEPTED
        for record in found:
            first = record.value.first_offset if isinstance(record.value, Unreadable) else record.offset
            assert first <= record.offset
            assert 0 <= record.timestamp <= 253_402_300_799_000
            assert not record.headers or all(isinstance(name, str) for name, _ in record.headers)
            try:
                readable(record.value, record.offset)
            except Rejected as rejected:
                outcome = check_refused(raw_record(IMAGES, record.value, offset=record.offset), rejected)
        return outcome

    run("record batches", check, {"record_unreadable"})
