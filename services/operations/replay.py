"""Rejected records: the reason codes, finding one by its id, and sending records again byte for byte."""

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
REASONS: Final = frozenset(
    {
        "animal_too_small",
        "bits_unsupported",
        "blank",
        "body_angle",
        "cut_off",
        "dicom_without_picture",
        "digest_mismatch",
        "field_invalid",
        "field_missing",
        "file_too_large",
        "format_unsupported",
        "id_empty",
        "id_too_long",
        "image_corrupt",
        "image_empty",
        "image_too_many_bytes",
        "image_too_many_pixels",
        "image_too_small",
        "image_truncated",
        "internal_error",
        "json_invalid",
        "low_contrast",
        "not_storable",
        "not_whole_body",
        "object_missing",
        "original_invalid",
        "original_unknown",
        "over_exposed",
        "parameter_unknown",
        "photometric_unsupported",
        "preprocessing_version_unknown",
        "schema_version_unsupported",
        "several_animals",
        "sharp_steps",
        "source_not_allowed",
        "source_refused",
        "source_unavailable",
        "specimen_incomplete",
        "tensor_digest_mismatch",
        "tensor_refused",
        "tensor_shape_wrong",
        "tensor_unreadable",
        "too_many_frames",
        "transfer_syntax_unsupported",
        "under_exposed",
        "value_missing",
        "view_corrupt",
        "view_key_foreign",
        "view_unknown",
        "view_unreadable",
    }
)
"""Every reason code with which a service rejects a record (docs/intake.md, docs/delivery.md)."""
_ACKNOWLEDGED_SECONDS: Final = 60
_KNOWN: Final = frozenset(topic.name for topic in TOPICS)


def choose(connection: Connection, prefixes: Iterable[str], *, limit: int, **filters: Any) -> Iterator[Rejection]:
    """Yield rejections with their original records: by prefixes of their ids, or else all that match the filters.

    Raises Rejected(`rejection_unknown`, `id_ambiguous`).
    """
    chosen = list(prefixes) or [one.rejection_id for one in rejections(connection, limit=limit, **filters)]
    for prefix in chosen:
        yield find(connection, prefix)


def find(connection: Connection, prefix: str) -> Rejection:
    """Return the rejection whose id starts with `prefix`; raises Rejected(`rejection_unknown`, `id_ambiguous`)."""
    rejection = find_rejection(connection, prefix)
    if rejection is None:
        raise Rejected("rejection_unknown", f"no rejection in the ledger has an id that starts with {prefix!r}")
    return rejection


def replay(settings: Settings, rejected: Iterable[Rejection]) -> Iterator[Rejection]:
    """Send each record to the topic it came from and yield it once the broker has acknowledged it.

    Value, key and headers are the original ones, plus REPLAY_HEADER, so the record goes to the same partition and is
    handled like a new one. Raises Rejected(`topic_unknown`) for a source topic that is not ours.
    """
    with publisher(settings) as producer:
        for rejection in rejected:
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
    # A record without a key goes to the partition that it was rejected on.
    partition = rejection.source_partition if key is None else None
    future = producer.send(rejection.source_topic, key=key, value=value, headers=headers, partition=partition)
    future.get(timeout=_ACKNOWLEDGED_SECONDS)
