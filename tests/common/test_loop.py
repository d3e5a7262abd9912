"""The order of effects, with a transport and a handler that record every call."""

import errno
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from services.common.errors import Fatal, Rejected, Retriable
from services.common.events import Event, ImageEvent, ModelActivation, Rejection
from services.common.events.base import now
from services.common.identity import image_event_id, log_fields
from services.common.kafka.batches import Unreadable
from services.common.loop import BatchLoop, Done, Message, Outcome, Record, ServiceTopics
from services.common.loop.transport import Offsets, PartitionsLostError, RawRecord
from services.common.topics import ACTIVE_MODELS, IMAGES, REJECTED


def image(offset: int, partition: int = 0, value: bytes | None = None, specimen: str = "mouse") -> RawRecord:
    event = ImageEvent(
        biological_sample_id=specimen,
        centre="JAX",
        parameter_stable_id="IMPC_XRY_034_001",
        image_uri=f"s3://bucket/{offset}",
    )
    return RawRecord(
        IMAGES.name,
        partition,
        offset,
        datetime.now(UTC),
        b"k",
        event.encode() if value is None else value,
        (("h", b"1"),),
    )


def done(count: int) -> Done:
    return Done(
        (Message(ACTIVE_MODELS, ModelActivation(activation=count, versions={"m": 1}, why="test", produced_at=now())),)
    )


class Recorder:
    """Transport and handler that record every call."""

    def __init__(self, batches: list[list[RawRecord]]) -> None:
        self.topics = ServiceTopics[ImageEvent]("test", (IMAGES,))
        self.batches, self.calls, self.published = batches, list[str](), list[Message]()
        self.stop = threading.Event()
        self.trouble: dict[str, list[Exception]] = {}
        self.work: Callable[[Record[Event]], Outcome] = lambda record: done(record.offset + 1)
        self.committed: Offsets = {}
        self.rewound: Offsets = {}
        self.assigned = 1

    def run(self) -> None:
        BatchLoop(self, self, self.stop, log_fields=log_fields, image_event_id=image_event_id).run()

    def _maybe_fail(self, what: str) -> None:
        self.calls.append(what)
        if self.trouble.get(what):
            raise self.trouble[what].pop(0)

    def poll(self, timeout: float) -> list[RawRecord]:
        if not self.batches:
            self.stop.set()
            return []
        self._maybe_fail("poll")
        return self.batches.pop(0)

    def start(self) -> None: ...

    def handle(self, records: Sequence[Record[ImageEvent]]) -> list[Outcome]:
        self._maybe_fail(f"handle {len(records)}")
        return [self.work(record) for record in records]

    def publish(self, messages: Iterable[Message]) -> None:
        self._maybe_fail("publish")
        self.published.extend(messages)

    def acknowledged(self, outcomes: Sequence[Outcome]) -> None:
        self.calls.append("acknowledged")

    def commit(self, offsets: Offsets) -> None:
        self._maybe_fail("commit")
        self.committed |= offsets

    def hold(self, seconds: float, partitions: Sequence[tuple[str, int]]) -> None:
        self._maybe_fail("hold")

    def release(self) -> None:
        self.calls.append("release")

    def rewind(self, offsets: Offsets) -> None:
        self.rewound |= offsets

    def close(self) -> None: ...

    @property
    def rejections(self) -> list[Rejection]:
        return [message.event for message in self.published if isinstance(message.event, Rejection)]


def test_effects_come_before_the_commit() -> None:
    recorder = Recorder([[image(4), image(5), image(0, partition=1)]])
    recorder.run()
    assert recorder.calls == ["poll", "handle 3", "publish", "acknowledged", "commit"]
    assert recorder.committed == {(IMAGES.name, 0): 6, (IMAGES.name, 1): 1}


@pytest.mark.parametrize("what", ["handle 1", "publish", "commit", "poll"])
def test_unreachable_servers_are_retried_and_nothing_is_dropped(what: str) -> None:
    recorder = Recorder([[image(7)]])
    recorder.trouble[what] = [Retriable("away"), Retriable("still away")]
    recorder.run()
    assert recorder.calls.count("hold") == 2
    assert recorder.calls.count("release") == 1
    # Partitions are released as soon as the server answers again: after a late commit, that is at the very end.
    assert recorder.calls[-1] == ("release" if what == "commit" else "commit")
    assert len(recorder.published) == 1
    assert recorder.committed == {(IMAGES.name, 0): 8}


def test_a_lost_partition_is_given_back_uncommitted() -> None:
    recorder = Recorder([[image(7), image(8)]])
    recorder.trouble = {"handle 2": [Retriable("away")], "hold": [PartitionsLostError()]}
    recorder.run()
    assert recorder.committed == {}
    assert recorder.published == []
    assert recorder.rewound == {(IMAGES.name, 0): 7}


def test_stopping_while_a_server_is_unreachable_commits_nothing() -> None:
    recorder = Recorder([[image(7)], [image(8)]])

    def stop_and_fail(record: Record[Event]) -> Outcome:
        recorder.stop.set()
        raise Retriable("away")

    recorder.work = stop_and_fail
    recorder.run()
    assert recorder.committed == {}
    assert recorder.rewound == {(IMAGES.name, 0): 7}


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"not json", "json_invalid"),
        (b'{"biological_sample_id": ""}', "id_empty"),
        (b"[" * 100_000, "json_invalid"),
        (b"", "value_missing"),
    ],
)
def test_a_bad_record_becomes_a_rejection_and_the_others_go_on(value: bytes, reason: str) -> None:
    recorder = Recorder([[image(1), image(2, value=value), image(3)]])
    recorder.run()
    assert [message.topic for message in recorder.published] == [ACTIVE_MODELS, REJECTED, ACTIVE_MODELS]
    rejection = recorder.rejections[0]
    assert (rejection.reason, rejection.stage, rejection.source_offset) == (reason, "test", 2)
    assert (rejection.original_bytes() or b"") == value
    assert recorder.committed == {(IMAGES.name, 0): 4}


def test_a_record_that_cannot_be_read_is_rejected_by_position() -> None:
    recorder = Recorder([[image(1), image(4, value=Unreadable(2, "no codec")), image(5)]])
    recorder.run()
    assert [message.topic for message in recorder.published] == [ACTIVE_MODELS, REJECTED, ACTIVE_MODELS]
    rejection = recorder.rejections[0]
    assert (rejection.reason, rejection.source_offset) == ("record_unreadable", 2)
    assert rejection.details == {"first_offset": 2, "last_offset": 4}
    assert rejection.original is None
    assert recorder.committed == {(IMAGES.name, 0): 6}


def test_what_another_service_refuses_is_only_counted() -> None:
    recorder = Recorder([[image(1), image(2, value=b"not json")]])
    recorder.topics = replace(recorder.topics, observed=(IMAGES,))
    recorder.run()
    assert recorder.rejections == []
    assert recorder.committed == {(IMAGES.name, 0): 3}


def test_a_rejection_too_large_for_a_message_gives_the_position_of_the_record() -> None:
    recorder = Recorder([[image(1, value=b"x" * 9_000_000)]])
    recorder.run()
    rejection = recorder.rejections[0]
    assert rejection.original is None
    assert rejection.details["original_bytes"] == 9_000_000
    assert len(rejection.encode()) < 10_000


def test_a_rejection_keeps_what_a_replay_needs() -> None:
    recorder = Recorder([[image(9, specimen="m/1")]])

    def refuse(record: Record[Event]) -> Outcome:
        return Rejected("blank", "nothing to see", mean=3.5, where=("a", 1))

    recorder.work = refuse
    recorder.run()
    rejection = recorder.rejections[0]
    assert rejection.biological_sample_id == "m/1"
    assert rejection.centre == "JAX"
    assert rejection.details == {"mean": 3.5, "where": ["a", 1]}
    assert rejection.headers == (("h", "MQ=="),)
    assert rejection.original_key == "aw=="


def test_an_unknown_failure_costs_only_its_own_record() -> None:
    recorder = Recorder([[image(1), image(2), image(3)]])

    def fail_on_two(record: Record[Event]) -> Outcome:
        if record.offset == 2:
            raise ZeroDivisionError
        return Done()

    recorder.work = fail_on_two
    recorder.run()
    assert [rejection.reason for rejection in recorder.rejections] == ["internal_error"]
    assert "ZeroDivisionError" in str(recorder.rejections[0].details["traceback"])
    assert recorder.committed == {(IMAGES.name, 0): 4}


def test_a_program_that_fails_on_everything_rejects_everything_and_goes_on() -> None:
    """Who may write to a topic could otherwise stop the service with a few records that trigger the same bug."""
    recorder = Recorder([[image(offset) for offset in range(40)], [image(40)]])

    def fail(record: Record[Event]) -> Outcome:
        if record.offset < 40:
            raise ZeroDivisionError
        return done(41)

    recorder.work = fail
    recorder.run()
    assert [rejection.reason for rejection in recorder.rejections] == ["internal_error"] * 40
    assert recorder.committed == {(IMAGES.name, 0): 41}
    assert recorder.published[-1].topic is ACTIVE_MODELS


@pytest.mark.parametrize(
    "shortage",
    [
        MemoryError(),
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EMFILE, "Too many open files"),
        BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable"),
        RuntimeError("can't start new thread"),
    ],
)
def test_a_shortage_of_this_machine_is_no_fault_of_the_record(shortage: Exception) -> None:
    recorder = Recorder([[image(1), image(2)]])
    shortages = [shortage] * 4

    def fail_at_first(record: Record[Event]) -> Outcome:
        if shortages:
            raise shortages.pop()
        return done(record.offset)

    recorder.work = fail_at_first
    recorder.run()
    assert recorder.rejections == []
    assert recorder.calls.count("hold") == 2  # each attempt fails on both records together and then on the first alone
    assert recorder.committed == {(IMAGES.name, 0): 3}


def test_fatal_ends_the_loop_at_once() -> None:
    recorder = Recorder([[image(1)], [image(2)]])
    recorder.trouble["handle 1"] = [Fatal("bucket gone")]
    with pytest.raises(Fatal, match="bucket gone"):
        recorder.run()
    assert recorder.committed == {}
