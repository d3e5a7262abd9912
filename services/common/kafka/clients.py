"""Kafka as the commands use it, with its errors sorted by what the caller should do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any, Final

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.errors import (
    AuthorizationError,
    KafkaConfigurationError,
    KafkaError,
    SaslAuthenticationFailedError,
    UnknownTopicOrPartitionError,
)

from services.common.errors import Fatal, Retriable
from services.common.settings import Settings
from services.common.topics import MAX_MESSAGE_BYTES

_CONNECT_MS: Final = 10_000


@contextmanager
def sorted_errors(what: str) -> Iterator[None]:
    """Turn Kafka's errors into Fatal (a missing topic, no right, wrong setting) or Retriable (anything else)."""
    try:
        yield
    except UnknownTopicOrPartitionError as error:
        msg = f"could not {what}: a topic does not exist; run `xray init`"
        raise Fatal(msg) from error
    except (AuthorizationError, SaslAuthenticationFailedError, KafkaConfigurationError) as error:
        msg = f"Kafka refused to {what}: {error!r}; check XRAY_KAFKA_BOOTSTRAP and the access rights"
        raise Fatal(msg) from error
    except KafkaError as error:
        msg = f"Kafka away, could not {what}: {error!r}"
        raise Retriable(msg, server="kafka", kind=type(error).__name__) from error


@contextmanager
def administrator(settings: Settings) -> Iterator[Any]:
    """Connect a KafkaAdminClient; its errors come out sorted."""
    with sorted_errors(f"reach the broker at {settings.kafka_bootstrap} (XRAY_KAFKA_BOOTSTRAP)"):
        admin = KafkaAdminClient(
            bootstrap_servers=settings.kafka_bootstrap.split(","), bootstrap_timeout_ms=_CONNECT_MS
        )
    with closing(admin), sorted_errors("administer topics"):
        yield admin


@contextmanager
def publisher(settings: Settings) -> Iterator[Any]:
    """Connect an idempotent KafkaProducer (acks=all); what is still in flight is flushed at the end."""
    with sorted_errors(f"reach the broker at {settings.kafka_bootstrap} (XRAY_KAFKA_BOOTSTRAP)"):
        producer = KafkaProducer(
            bootstrap_servers=settings.kafka_bootstrap.split(","),
            acks="all",
            enable_idempotence=True,
            allow_auto_create_topics=False,
            linger_ms=5,
            compression_type="gzip",
            max_request_size=MAX_MESSAGE_BYTES,
            max_block_ms=_CONNECT_MS,
            delivery_timeout_ms=30_000,
            request_timeout_ms=10_000,
        )
    with closing(producer), sorted_errors("publish"):
        yield producer


@contextmanager
def reader(settings: Settings, **options: Any) -> Iterator[Any]:
    """Connect a KafkaConsumer without a group: nothing it reads is ever committed."""
    with sorted_errors(f"reach the broker at {settings.kafka_bootstrap} (XRAY_KAFKA_BOOTSTRAP)"):
        consumer = KafkaConsumer(
            bootstrap_servers=settings.kafka_bootstrap.split(","),
            enable_auto_commit=False,
            allow_auto_create_topics=False,
            **options,
        )
    with closing(consumer), sorted_errors("read topics"):
        yield consumer
