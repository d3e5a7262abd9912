"""Creates every Kafka client of the services: one set of connection options, one set of delivery options.

`open_consumer`, `open_producer` and `open_admin` return a client that the caller closes. `reader`, `publisher` and
`administrator` are the same as context managers, which also translate the errors of the block.

All of them raise Retriable when no broker answers, and Fatal when XRAY_KAFKA_BOOTSTRAP, the credentials or the access
rights are wrong.
"""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any, Final

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer

from services.common.errors import Fatal
from services.common.kafka.errors import translated
from services.common.kafka.fetching import bound
from services.common.kafka.security import security_options
from services.common.settings import Settings
from services.common.topics import MAX_MESSAGE_BYTES

_CONNECT_MS: Final = 10_000
_RECONNECT_MS: Final = 2_000
"""kafka-python's default of 30 s would leave a service idle long after the broker is back."""
_BLOCK_MS: Final = 5_000
"""How long one `send` may wait for a broker that does not answer: no stop can interrupt it."""
_COMMAND_LINGER_MS: Final = 5
"""A command sends many records one after the other: waiting this long puts more of them into one request."""


def bootstrap_servers(settings: Settings) -> list[str]:
    """Return the brokers' addresses, `host:port` each; raises Fatal for a port that is not a number."""
    addresses = [address.strip() for address in settings.kafka_bootstrap.split(",")]
    for address in addresses:
        _, colon, port = address.rpartition(":")
        if colon and not port.isdecimal():  # kafka-python would leak a socket and raise ValueError
            msg = f"XRAY_KAFKA_BOOTSTRAP is {settings.kafka_bootstrap!r}; write host:port, comma-separated"
            raise Fatal(msg)
    return addresses


def open_consumer(settings: Settings, **options: Any) -> Any:
    """Return a KafkaConsumer that never commits automatically and creates no topic; `options` are kafka-python's.

    It reads no record of an aborted transaction. A record that cannot be read is returned with an `Unreadable` as its
    value (`services/common/kafka/batches.py`).
    """
    fixed = {"enable_auto_commit": False, "allow_auto_create_topics": False, "isolation_level": "read_committed"}
    return bound(_open(KafkaConsumer, settings, fixed | options))


def open_producer(settings: Settings, **options: Any) -> Any:
    """Return an idempotent KafkaProducer (acks=all) that gives up on a dead broker after 30 s.

    The batch loop must run again by then to keep its partitions. `options` are kafka-python's.
    """
    delivery = {
        "acks": "all",
        "enable_idempotence": True,
        "allow_auto_create_topics": False,
        "linger_ms": 0,
        "compression_type": "gzip",
        "max_request_size": MAX_MESSAGE_BYTES,
        "max_block_ms": _BLOCK_MS,
        "request_timeout_ms": 10_000,
        "delivery_timeout_ms": 30_000,
    }
    return _open(KafkaProducer, settings, delivery | options)


def open_admin(settings: Settings) -> Any:
    """Return a KafkaAdminClient."""
    return _open(KafkaAdminClient, settings, {})


@contextmanager
def reader(settings: Settings, **options: Any) -> Iterator[Any]:
    """Open a consumer without a group: it never commits offsets."""
    with closing(open_consumer(settings, **options)) as consumer, translated("read topics"):
        yield consumer


@contextmanager
def publisher(settings: Settings) -> Iterator[Any]:
    """Open a producer; records that are still in flight are flushed at the end."""
    with closing(open_producer(settings, linger_ms=_COMMAND_LINGER_MS)) as producer, translated("publish"):
        yield producer


@contextmanager
def administrator(settings: Settings) -> Iterator[Any]:
    """Open an admin client."""
    with closing(open_admin(settings)) as admin, translated("administer topics"):
        yield admin


def _open(client: Any, settings: Settings, options: dict[str, Any]) -> Any:
    with translated(f"reach the broker at {settings.kafka_bootstrap} (XRAY_KAFKA_BOOTSTRAP)"):
        return client(**_connection(settings), **options)


def _connection(settings: Settings) -> dict[str, Any]:
    """Return the options with which every client connects; `services/monitor/app.py` has those of Faust's client."""
    return security_options(settings) | {
        "bootstrap_servers": bootstrap_servers(settings),
        "bootstrap_timeout_ms": _CONNECT_MS,
        "reconnect_backoff_max_ms": _RECONNECT_MS,
    }
