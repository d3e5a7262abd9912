"""Writes `models.active` and `references.active`: one writer at a time, each starting from the newest record."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import Final, TypeVar

from kafka.errors import ProducerFencedError

from services.common.errors import Rejected
from services.common.events import Event, ModelActivation
from services.common.kafka.clients import open_producer
from services.common.kafka.errors import translated
from services.common.settings import Settings
from services.common.topics import ACTIVE_MODELS, Topic
from services.registry.active_models import ActiveModels

SomeRecord = TypeVar("SomeRecord", bound=Event | None)
_TRANSACTION_MS: Final = 10_000
_ACKNOWLEDGED_SECONDS: Final = 30
STANDING: Final = 2
"""Earlier sets that stand by in Triton, for a rollback or a loss: each takes 300 MB of its memory while idle."""


@dataclass(frozen=True)
class ActivationRecords:
    """What `models.active` holds: the activation in force and the newest record of a candidate in shadow, if any."""

    serving: ModelActivation | None
    shadow: ModelActivation | None


def records(settings: Settings) -> ActivationRecords:
    """Read the topic once, so that both records are of the same moment.

    Raises Retriable when Kafka is away, Fatal when the topic does not exist.
    """
    with closing(ActiveModels(settings)) as active:
        active.update()
        return ActivationRecords(active.serving, active.shadow)


def current(settings: Settings) -> ModelActivation | None:
    """Return the activation in force, None when the topic holds none; raises as `records` does."""
    return records(settings).serving


def current_shadow(settings: Settings) -> ModelActivation | None:
    """Return the newest record of a candidate in shadow, None when there was none; raises as `records` does."""
    return records(settings).shadow


def standing(settings: Settings) -> dict[str, set[int]]:
    """Return the versions of each model that Triton must keep: serving, standing by, in shadow.

    Raises as `records` does.
    """
    found = records(settings)
    sets = [] if found.serving is None else [found.serving.versions, *(one.versions for one in found.serving.earlier)]
    if found.shadow is not None and found.shadow.share:
        sets.append(found.shadow.versions)
    kept: dict[str, set[int]] = {}
    for versions in sets:
        for model, version in versions.items():
            kept.setdefault(model, set()).add(version)
    return kept


def publish(settings: Settings, make: Callable[[ModelActivation | None], ModelActivation | None]) -> bool:
    """Publish the record that `make` returns for the newest record; return False if it returns None.

    Raises as `publish_record` does.
    """
    return publish_record(settings, ACTIVE_MODELS, lambda: make(current(settings))) is not None


def publish_record(settings: Settings, topic: Topic, make: Callable[[], SomeRecord]) -> SomeRecord:
    """Publish the record that `make` derives from the newest one of the topic, unless it returns None; return it.

    A transaction shuts out whoever began earlier and has not finished, so that no two records follow the same one.
    Raises Rejected(`activation_overtaken`) if this writer is shut out, Retriable when Kafka is away.
    """
    with translated(f"write {topic.name}"):
        try:
            return _publish(settings, topic, make)
        except ProducerFencedError as error:
            message = (
                "another activation was published at the same moment, and this one was not: check it, then try again"
            )
            raise Rejected("activation_overtaken", message) from error


def _publish(settings: Settings, topic: Topic, make: Callable[[], SomeRecord]) -> SomeRecord:
    options = {"transactional_id": topic.name, "transaction_timeout_ms": _TRANSACTION_MS}
    with closing(open_producer(settings, **options)) as producer:
        producer.init_transactions()
        record = make()
        if record is None:
            return record
        producer.begin_transaction()
        future = producer.send(topic.name, key=record.key.encode(), value=record.encode())
        future.get(timeout=_ACKNOWLEDGED_SECONDS)
        producer.commit_transaction()
    return record


def publish_next(settings: Settings, follow: Callable[[ModelActivation], ModelActivation]) -> ModelActivation:
    """Publish the record that `follow` returns for the activation in force, and return it.

    Raises as `publish` does, and Rejected(`nothing_active`).
    """
    made: list[ModelActivation] = []

    def make(newest: ModelActivation | None) -> ModelActivation:
        if newest is None:
            raise Rejected("nothing_active", "models.active names no model version; run `xray init`")
        made.append(follow(newest))
        return made[-1]

    publish(settings, make)
    return made[-1]
