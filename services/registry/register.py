"""Writes `models.active`: one writer at a time, each starting from the newest record."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Final

from kafka import KafkaProducer
from kafka.errors import KafkaError, ProducerFencedError

from services.common.errors import Fatal, Rejected, Retriable
from services.common.events import ModelActivation
from services.common.settings import Settings
from services.common.topics import ACTIVE_MODELS
from services.registry.active_models import ActiveModels

_WRITER: Final = "models.active"
_SECONDS: Final = 30
STANDING: Final = 2
"""Earlier sets that stand by in Triton, for rollbacks and for a loss: each takes 300 MB of its memory at rest."""


@dataclass(frozen=True)
class ActivationRecords:
    """What `models.active` holds: the activation in force and the newest record of a candidate in shadow, if any."""

    serving: ModelActivation | None
    shadow: ModelActivation | None


def records(settings: Settings) -> ActivationRecords:
    """Read the topic once, so that both are of one moment; raises Retriable when Kafka is away."""
    with closing(ActiveModels(settings)) as active:
        try:
            return ActivationRecords(active.refresh(), active.shadow)
        except Fatal:  # this is how it says that the topic holds no activation
            return ActivationRecords(None, active.shadow)


def current(settings: Settings) -> ModelActivation | None:
    """Return the activation in force, None when the topic holds none; raises Retriable when Kafka is away."""
    return records(settings).serving


def current_shadow(settings: Settings) -> ModelActivation | None:
    """Return the newest record of a candidate in shadow, None when there was none; raises Retriable."""
    return records(settings).shadow


def standing(settings: Settings) -> dict[str, set[int]]:
    """Return the versions of each model that Triton is to keep: serving, standing by, in shadow; raises Retriable."""
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
    """Publish what `make` makes of the newest record; False, and nothing, when it makes none.

    A transaction shuts out whoever began earlier and has not finished, so that no two records follow the same one.
    Raises Rejected(`activation_overtaken`) for the one that is shut out, Retriable when Kafka is away.
    """
    try:
        with closing(_producer(settings)) as producer:
            producer.init_transactions()
            record = make(current(settings))
            if record is None:
                return False
            producer.begin_transaction()
            producer.send(ACTIVE_MODELS.name, key=record.key.encode(), value=record.encode()).get(timeout=_SECONDS)
            producer.commit_transaction()
    except ProducerFencedError as error:
        words = "another activation was made at the same moment, this one was not: look at it, then try again"
        raise Rejected("activation_overtaken", words) from error
    except KafkaError as error:
        msg = f"Kafka away, could not write {ACTIVE_MODELS.name} (XRAY_KAFKA_BOOTSTRAP): {error!r}"
        raise Retriable(msg, server="kafka", kind=type(error).__name__) from error
    return True


def publish_next(settings: Settings, follow: Callable[[ModelActivation], ModelActivation]) -> ModelActivation:
    """Publish what `follow` makes of the activation in force, and return it.

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


def _producer(settings: Settings) -> Any:
    return KafkaProducer(
        bootstrap_servers=settings.kafka_bootstrap.split(","),
        transactional_id=_WRITER,
        acks="all",
        enable_idempotence=True,
        allow_auto_create_topics=False,
        transaction_timeout_ms=10_000,
        max_block_ms=10_000,
    )
