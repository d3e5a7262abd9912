"""Follows a topic on which each record must follow from the one before it: `models.active`, `references.active`."""

from collections.abc import Callable
from typing import Generic, TypeVar

import structlog

from services.common.errors import Rejected
from services.common.events import ModelActivation, ReferenceActivation, parse_event
from services.common.kafka.reading import TopicFollower
from services.common.settings import Settings
from services.common.topics import Topic

log = structlog.get_logger()
Activation = TypeVar("Activation", ModelActivation, ReferenceActivation)


class ActivationFollower(Generic[Activation]):
    """Reads all of a topic at first, then what is new at each call, up to its end at that moment.

    A record that does not follow from the last sound record of its name is ignored, whoever wrote it: the last sound
    one stays in force, the next record starts from it, and `ignored` counts such records.
    """

    def __init__(
        self,
        settings: Settings,
        topic: Topic,
        event_type: type[Activation],
        follows: Callable[[Activation | None, Activation], bool],
    ) -> None:
        """Prepare; connects at the first read. `follows` gets the last sound record, None before the first."""
        self._name = topic.name
        self._event_type: type[Activation] = event_type
        self._follows: Callable[[Activation | None, Activation], bool] = follows
        self._topic = TopicFollower(settings, topic.name)
        self._newest: dict[str, Activation] = {}
        self._seen: dict[int, int] = {}
        self.ignored = 0

    def update(self) -> None:
        """Read what is new; raises Retriable when Kafka is away, Fatal when the topic does not exist."""
        for record in self._topic.read():
            # A follower that lost its connection reads from the beginning: each record counts once.
            if record.offset < self._seen.get(record.partition, 0):
                continue
            self._take(record.value, record.offset)
            self._seen[record.partition] = record.offset + 1

    def newest(self, name: str) -> Activation | None:
        """Return the last sound record of a name, as of the last update; None before the first."""
        return self._newest.get(name)

    def close(self) -> None:
        """Disconnect."""
        self._topic.close()

    def _take(self, value: bytes | None, offset: int) -> None:
        try:
            activation = parse_event(self._event_type, value)
        except Rejected as error:
            self._ignore(offset, str(error))
            return
        if self._follows(self._newest.get(activation.name), activation):
            self._newest[activation.name] = activation
        else:
            self._ignore(offset, f"{activation.name} {activation.activation} does not follow the record before it")

    def _ignore(self, offset: int, why: str) -> None:
        self.ignored += 1
        log.error(f"record of {self._name} ignored", offset=offset, why=why)
