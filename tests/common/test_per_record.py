"""A handler whose records do not depend on each other repeats only those that have no outcome yet."""

from collections import Counter
from collections.abc import Iterator
from contextlib import closing

import pytest

from services.common.errors import Rejected, Retriable
from services.common.events import ImageEvent
from services.common.loop import Done, PerRecordHandler, Record, ServiceTopics
from services.common.topics import IMAGES
from tests.ledger.examples import NOON, image


class Counting(PerRecordHandler[ImageEvent]):
    """Counts how often each record is handled; the offsets in `away` wait for a server, those in `bad` are refused."""

    topics = ServiceTopics[ImageEvent]("test", (IMAGES,))

    def __init__(self) -> None:
        super().__init__(workers=4)
        self.handled: Counter[int] = Counter()
        self.away: set[int] = set()
        self.bad: set[int] = set()
        self.broken: set[int] = set()

    def start(self) -> None: ...

    def handle_one(self, record: Record[ImageEvent]) -> Done:
        self.handled[record.offset] += 1
        if record.offset in self.away:
            raise Retriable("store away", server="objects")
        if record.offset in self.bad:
            raise Rejected("blank", "nothing to see")
        if record.offset in self.broken:
            raise ZeroDivisionError
        return Done(skipped=str(record.offset))


@pytest.fixture
def handler() -> Iterator[Counting]:
    with closing(Counting()) as handler:
        yield handler


def batch(count: int) -> list[Record[ImageEvent]]:
    event = image("m")
    return [Record(IMAGES.name, 0, offset, NOON, b"m", event.encode(), (), event) for offset in range(count)]


def test_only_the_failed_record_of_a_held_batch_is_handled_again(handler: Counting) -> None:
    records = batch(32)
    handler.away, handler.bad = {7}, {9}
    for _ in range(3):
        with pytest.raises(Retriable):
            handler.handle(records)
    handler.away = set()
    outcomes = handler.handle(records)
    assert handler.handled == Counter({offset: 4 if offset == 7 else 1 for offset in range(32)})
    assert isinstance(outcomes[9], Rejected)
    assert [one.skipped for one in outcomes if isinstance(one, Done)] == [str(n) for n in range(32) if n != 9]


def test_another_batch_at_the_same_offsets_is_handled_in_full(handler: Counting) -> None:
    """A topic that was deleted and created again has the same offsets."""
    handler.away = {1}
    with pytest.raises(Retriable):
        handler.handle(batch(3))
    handler.away = set()
    handler.handle(batch(3))
    assert handler.handled == {0: 2, 1: 2, 2: 2}


def test_a_finished_batch_is_not_remembered(handler: Counting) -> None:
    records = batch(2)
    handler.handle(records)
    handler.handle(records)
    assert handler.handled == {0: 2, 1: 2}


def test_an_unexpected_error_is_the_rejection_of_its_own_record(handler: Counting) -> None:
    handler.broken = {1, 2}
    outcomes = handler.handle(batch(4))
    assert [one.reason if isinstance(one, Rejected) else None for one in outcomes] == [
        None, "internal_error", "internal_error", None,
    ]  # fmt: skip
    assert set(handler.handled.values()) == {1}
