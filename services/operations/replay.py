"""Sends refused records again, byte for byte."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from typing import Any, Final

from services.common.errors import Rejected
from services.common.events import Rejection
from services.common.kafka.clients import publisher
from services.common.settings import Settings
from services.common.topics import TOPICS
from services.ledger.database import Connection
from services.ledger.queries import find_rejection, rejections

REPLAY_HEADER: Final = "xray-replay-of"
"""Header of a replayed record; its value is the rejection's id. All other headers are the original ones."""
_ACKNOWLEDGED_SECONDS: Final = 60
_KNOWN: Final = frozenset(topic.name for topic in TOPICS)


def chosen(connection: Connection, beginnings: Iterable[str], *, limit: int, **filters: Any) -> Iterator[Rejection]:
    """Yield rejections with their originals: by the beginnings of their ids, or else all that match the filters.

    Raises Rejected(`rejection_unknown`, `id_ambiguous`).
    """
    wanted = list(beginnings) or [one.rejection_id for one in rejections(connection, limit=limit, **filters)]
    for beginning in wanted:
        yield found(connection, beginning)


def found(connection: Connection, beginning: str) -> Rejection:
    """Return the rejection whose id begins so; raises Rejected(`rejection_unknown`, `id_ambiguous`)."""
    rejection = find_rejection(connection, beginning)
    if rejection is None:
        raise Rejected("rejection_unknown", f"no rejection in the ledger has an id that begins with {beginning!r}")
    return rejection


def replay(settings: Settings, refused: Iterable[Rejection]) -> Iterator[Rejection]:
    """Send each record to the topic it came from and yield it once the broker has it.

    Value, key and headers are the original ones, plus REPLAY_HEADER; so it lands on its partition and is handled as
    if it had come now. Raises Rejected(`topic_unknown`) for a source topic that is not ours.
    """
    with publisher(settings) as producer:
        for rejection in refused:
            if rejection.source_topic not in _KNOWN:
                raise Rejected("topic_unknown", f"{rejection.source_topic} is not a topic of this system")
            _send(producer, rejection)
            yield rejection


def record_of(rejection: Rejection) -> tuple[bytes | None, bytes | None, list[tuple[str, bytes]]]:
    """Return key, value and headers of the record to send."""
    key = None if rejection.original_key is None else base64.b64decode(rejection.original_key)
    headers = [(name, base64.b64decode(value)) for name, value in rejection.headers if name != REPLAY_HEADER]
    return key, rejection.original_bytes(), [*headers, (REPLAY_HEADER, rejection.rejection_id.encode())]


def _send(producer: Any, rejection: Rejection) -> None:
    key, value, headers = record_of(rejection)
    # A record without a key goes back to the partition that it was refused on.
    partition = rejection.source_partition if key is None else None
    future = producer.send(rejection.source_topic, key=key, value=value, headers=headers, partition=partition)
    future.get(timeout=_ACKNOWLEDGED_SECONDS)
