import base64
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from kafka import TopicPartition

from services.common.errors import Rejected
from services.common.events import Rejection
from services.common.events.rejection import left_out
from services.common.kafka.reading import OffsetRange
from services.common.settings import Settings
from services.operations import replay
from services.operations.replay import REPLAY_HEADER, record_of
from tests.ledger.examples import rejection


def test_a_record_is_sent_unchanged_with_one_additional_header() -> None:
    one = rejection()
    key, value, headers = record_of(one)
    assert (key, value) == (b"183808", b'\x00\xff{"not": "json"')
    assert headers == [("trace", b"\x00abc"), (REPLAY_HEADER, one.rejection_id.encode())]


def test_a_second_replay_names_the_newest_rejection_only() -> None:
    one = rejection(headers=((REPLAY_HEADER, base64.b64encode(b"older").decode()),))
    assert record_of(one)[2] == [(REPLAY_HEADER, one.rejection_id.encode())]


def test_a_record_without_key_and_value_stays_so() -> None:
    assert record_of(rejection(original=None, original_key=None))[:2] == (None, None)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Rejection, Any]]:
    """The rejections whose records were sent, with these records; topics hold what is in `HELD`."""
    sent: list[tuple[Rejection, Any]] = []

    @contextmanager
    def client(*_: Any, **_options: Any) -> Iterator[None]:
        yield None

    monkeypatch.setattr(replay, "publisher", client)
    monkeypatch.setattr(replay, "reader", client)
    monkeypatch.setattr(replay, "ranges_of", lambda *_: {TopicPartition("xray.images", 0): OffsetRange(5, 9)})
    monkeypatch.setattr(replay, "read", lambda _, ranges: [HELD[one.start] for one in ranges.values()])
    monkeypatch.setattr(replay, "_send", lambda _, one, record: sent.append((one, record)))
    return sent


HELD = {
    offset: SimpleNamespace(key=b"k", value=b"original" * 1000, headers=[("trace", b"1"), ("null", None)])
    for offset in range(5, 9)
}


def test_a_record_that_its_rejection_leaves_out_is_read_from_its_topic(sent: Any) -> None:
    one = rejection(offset=6, details=left_out(b"original" * 1000), original=None, original_key=None, headers=())
    assert list(replay.replay(Settings(), [one])) == [one]
    headers = [("trace", b"1"), ("null", b""), (REPLAY_HEADER, one.rejection_id.encode())]
    assert sent == [(one, (b"k", b"original" * 1000, headers))]


@pytest.mark.parametrize(
    ("one", "reason", "message"),
    [
        (rejection(offset=6, details=left_out(b"another"), original=None), "original_gone", "no longer holds it"),
        (rejection(offset=4, details=left_out(b"original" * 1000), original=None), "original_gone", "no longer holds"),
        (rejection(offset=6, reason="record_unreadable", original=None), "record_unreadable", "must send it again"),
        (rejection(offset=6, source_topic="elsewhere"), "topic_unknown", "is not a topic of this system"),
    ],
)
def test_a_record_that_cannot_be_sent_is_named_after_all_others_are_sent(
    sent: Any, one: Rejection, reason: str, message: str
) -> None:
    other = rejection(offset=7)
    with pytest.raises(Rejected, match=message) as caught:
        list(replay.replay(Settings(), [one, other]))
    assert caught.value.reason == reason
    assert [found for found, _ in sent] == [other]
