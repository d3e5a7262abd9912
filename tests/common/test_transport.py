"""What the loop's transport does when the broker refuses, is silent, or sends what nobody can read."""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from kafka import TopicPartition
from kafka.errors import KafkaConnectionError, KafkaTimeoutError, MessageSizeTooLargeError

from services.common.errors import Retriable
from services.common.events import ImageEvent, Rejection
from services.common.loop import Message, transport
from services.common.loop.transport import KafkaTransport, StopRequestedError
from services.common.settings import ServiceSettings
from services.common.topics import IMAGES, REJECTED
from tests.ledger.examples import image, rejection


class Future:
    """The future of a record: acknowledged, refused, or never answered."""

    def __init__(self, error: Exception | None = None, *, is_done: bool = True) -> None:
        self.is_done, self._error = is_done, error
        self.serialized_value_size = 1

    def get(self, timeout: float) -> Any:
        if not self.is_done:
            time.sleep(timeout)
            raise KafkaTimeoutError
        if self._error is not None:
            raise self._error
        return self


class Clients:
    """A producer and a consumer in one, with the calls that the transport makes."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.answer: Callable[[bytes], Future] = lambda value: Future()
        self.closed = 0
        self.committed_within_ms = 0

    def send(self, topic: str, key: bytes, value: bytes, headers: Sequence[tuple[str, bytes]]) -> Future:
        self.sent.append(value)
        return self.answer(value)

    def assignment(self) -> set[TopicPartition]:
        return {TopicPartition(IMAGES.name, 0)}

    def pause(self, *partitions: TopicPartition) -> None: ...

    def poll(self, timeout_ms: int) -> dict[TopicPartition, list[Any]]:
        time.sleep(timeout_ms / 1000)
        return {}

    def commit(self, offsets: Any, timeout_ms: int) -> None:
        self.committed_within_ms = timeout_ms

    def close(self, **_: Any) -> None:
        self.closed += 1
        raise KafkaTimeoutError


@pytest.fixture
def clients(monkeypatch: pytest.MonkeyPatch) -> Clients:
    clients = Clients()
    for name in ("open_consumer", "open_producer"):
        monkeypatch.setattr(transport, name, lambda *_args, **_options: clients)
    monkeypatch.setattr(transport, "_STOP_SECONDS", 0.2)
    monkeypatch.setattr(transport, "_SLICE_SECONDS", 0.05)
    return clients


def connected(stop: threading.Event | None = None) -> KafkaTransport:
    return KafkaTransport(ServiceSettings(), "test", [IMAGES.name], stop)


def limit(size: int) -> Callable[[bytes], Future]:
    """A broker that refuses values over this size."""
    return lambda value: Future(MessageSizeTooLargeError() if len(value) > size else None)


def test_a_rejection_that_the_broker_refuses_is_sent_in_its_smallest_form(clients: Clients) -> None:
    clients.answer = limit(1500)
    connected().publish([Message(REJECTED, rejection(details={"long": "x" * 3000}))])
    large, small = (Rejection.model_validate_json(value) for value in clients.sent)
    assert small == large.smallest()
    assert small.rejection_id == large.rejection_id
    assert small.left_out is not None


def test_any_other_event_that_is_too_large_is_kept(clients: Clients) -> None:
    clients.answer = limit(10)
    for event in (rejection(), image("m")):
        with pytest.raises(Retriable, match="larger than its topic allows"):
            connected().publish([Message(REJECTED if isinstance(event, Rejection) else IMAGES, event)])


def test_publishing_ends_soon_after_a_stop(clients: Clients) -> None:
    clients.answer = lambda value: Future(is_done=False)
    stop = threading.Event()
    threading.Timer(0.1, stop.set).start()
    event: ImageEvent = image("m")
    started = time.monotonic()
    with pytest.raises(StopRequestedError):
        connected(stop).publish([Message(IMAGES, event)])
    assert 0.25 < time.monotonic() - started < 5


def test_a_commit_waits_less_than_a_stop_may_take(clients: Clients) -> None:
    connected().commit({(IMAGES.name, 0): 5})
    assert 0 < clients.committed_within_ms <= 10_000


def test_holding_ends_with_a_stop(clients: Clients) -> None:
    stop = threading.Event()
    threading.Timer(0.1, stop.set).start()
    started = time.monotonic()
    with pytest.raises(StopRequestedError):
        connected(stop).hold(60, [(IMAGES.name, 0)])
    assert time.monotonic() - started < 5


def test_a_connection_that_breaks_while_holding_does_not_end_the_wait(
    clients: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is waited for may be Kafka itself."""
    polls: list[int] = []

    def broken(timeout_ms: int) -> None:
        polls.append(timeout_ms)
        raise KafkaConnectionError

    monkeypatch.setattr(clients, "poll", broken)
    started = time.monotonic()
    connected().hold(0.2, [(IMAGES.name, 0)])
    assert time.monotonic() - started >= 0.2
    assert 2 <= len(polls) < 20, "it does not ask without a pause"


def test_a_silent_broker_keeps_no_client_from_closing(clients: Clients) -> None:
    connected().close()
    assert clients.closed == 2
