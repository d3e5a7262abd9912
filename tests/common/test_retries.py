"""A record from a retry topic is handled, rejected and replayed as the announcement that it was."""

import base64
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from services.common.errors import Rejected, SourceUnavailable
from services.common.events import Event, ImageEvent
from services.common.events.rejection import rejection_id
from services.common.loop import Done, Message, Outcome, Record, RetryState, ServiceTopics
from services.common.loop.retries import LONGEST_ERROR, RETRY_HEADER, retry_state
from services.common.loop.transport import RawRecord
from services.common.metrics.definitions import LAST_PARKED, PARKED
from services.common.topics import IMAGE_RETRIES, IMAGES, REJECTED
from services.operations.replay import REPLAY_HEADER, record_of
from tests.common.test_loop import Recorder, image

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
STATE = RetryState(
    topic=IMAGES.name, topic_id="first", partition=3, offset=1207, timestamp=NOON, since=NOON, attempts=2, error="503"
)
ORIGINAL = (("trace", b"\xff1"), ("xray-recall", b"p2"))


def parked(headers: tuple[tuple[str, bytes], ...]) -> RawRecord:
    """A record on the first retry topic, with these headers."""
    return replace(image(7), topic=IMAGE_RETRIES[0].name, headers=headers)


def recorder(*records: RawRecord) -> Recorder:
    one = Recorder([list(records)])
    one.topics = ServiceTopics[ImageEvent]("test", (IMAGES, *IMAGE_RETRIES))
    return one


def test_the_handler_sees_the_announcement_and_what_has_happened_since() -> None:
    seen: list[Record[Event]] = []

    def look(record: Record[Event]) -> Outcome:
        seen.append(record)
        return Done()

    one = recorder(parked(STATE.added_to(ORIGINAL)))
    one.work = look
    one.run()
    (record,) = seen
    assert (record.topic, record.partition, record.offset) == (IMAGES.name, 3, 1207)
    assert (record.timestamp, record.headers, record.retry) == (NOON, ORIGINAL, STATE)
    assert record.topic_id == "first"
    assert one.committed == {(IMAGE_RETRIES[0].name, 0): 8}


def test_a_rejection_points_to_the_announcement_and_a_replay_repeats_it() -> None:
    one = recorder(parked(STATE.added_to(ORIGINAL)))
    one.work = lambda _: Rejected("source_unavailable", "too old")
    one.run()
    (rejection,) = one.rejections
    assert rejection.rejection_id == rejection_id("test", "first", IMAGES.name, 3, 1207)
    assert (rejection.source_topic, rejection.source_partition, rejection.source_offset) == (IMAGES.name, 3, 1207)
    assert rejection.source_timestamp == NOON
    key, value, headers = record_of(rejection)
    assert (key, value) == (b"k", image(7).value)
    assert headers == [*ORIGINAL, (REPLAY_HEADER, rejection.rejection_id.encode())]


def test_a_parked_record_is_published_byte_for_byte_and_counted() -> None:
    one = recorder(replace(image(4), value=b'{"unknown_field": 1, ' + (image(4).value or b"")[1:]))
    error = SourceUnavailable("down", source="https://h", server="https")
    one.work = lambda record: Done((Message(IMAGE_RETRIES[0], record.event, STATE.added_to(()), record),), parked=error)
    before = PARKED.labels("test", "https")._value.get()
    one.run()
    (message,) = one.published
    assert (message.topic, message.key) == (IMAGE_RETRIES[0], b"k")
    assert message.value == b'{"unknown_field": 1, ' + (image(4).value or b"")[1:]
    assert one.rejections == []
    assert one.committed == {(IMAGES.name, 0): 5}
    assert PARKED.labels("test", "https")._value.get() == before + 1
    assert time.time() - LAST_PARKED.labels("test", "JAX")._value.get() < 60


@pytest.mark.parametrize(
    "headers",
    [
        (),
        ((RETRY_HEADER, b"not json"),),
        ((RETRY_HEADER, b"[" * 100_000),),
        ((RETRY_HEADER, STATE.model_dump_json().replace("1207", "-1").encode()),),
        ((RETRY_HEADER, STATE.model_dump_json().replace(IMAGES.name, REJECTED.name).encode()),),
    ],
)
def test_a_record_that_no_service_of_ours_put_there_stands_for_itself(headers: tuple[tuple[str, bytes], ...]) -> None:
    one = recorder(parked(headers))
    one.work = lambda _: Rejected("blank", "nothing to see")
    one.run()
    (rejection,) = one.rejections
    assert (rejection.source_topic, rejection.source_offset) == (IMAGE_RETRIES[0].name, 7)
    assert [(name, base64.b64decode(value)) for name, value in rejection.headers] == list(headers)


def test_a_centre_cannot_send_a_state() -> None:
    """On the topic of announcements the header means nothing, and it comes back unchanged from a retry topic."""
    forged = ((RETRY_HEADER, STATE.model_dump_json().encode()),)
    one = recorder(replace(image(5), headers=forged))
    one.work = lambda record: Rejected("blank", repr(record.retry))
    one.run()
    assert one.rejections[0].source_offset == 5
    assert one.rejections[0].words == "None"
    mine = STATE.model_copy(update={"offset": 5})
    assert retry_state(mine.added_to(forged)) == (mine, forged)


def test_a_state_counts_attempts_and_keeps_the_first_failure() -> None:
    later = STATE.attempted("x" * 1000)
    assert (later.attempts, later.since, len(later.error)) == (3, NOON, LONGEST_ERROR)
    assert RetryState.model_validate_json(later.model_dump_json()) == later
    assert later.age_seconds(NOON + timedelta(hours=2)) == 7200
    assert later.age_seconds(NOON - timedelta(hours=2)) == 0
