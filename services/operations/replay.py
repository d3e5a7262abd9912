"""Rejected records: the reason codes, finding one by its id, and sending records again byte for byte."""

import base64
import hashlib
from collections.abc import Iterable, Iterator
from typing import Any, Final

from kafka import TopicPartition

from services.common.errors import Rejected
from services.common.events import Rejection
from services.common.events.rejection import UNREADABLE
from services.common.kafka.clients import publisher, reader
from services.common.kafka.reading import OffsetRange, ranges_of, read
from services.common.settings import Settings
from services.common.topics import CENTRE_IMAGES, MAX_MESSAGE_BYTES, TOPICS
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
        "centre_mismatch",
        "centres_conflict",
        "cut_off",
        "decoder_crashed",
        "decoder_limit",
        "dicom_too_complex",
        "dicom_without_picture",
        "digest_mismatch",
        "field_invalid",
        "field_missing",
        "file_too_large",
        "format_unsupported",
        "id_empty",
        "id_placeholder",
        "id_too_long",
        "id_without_centre",
        "image_corrupt",
        "image_empty",
        "image_erased",
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
        "record_unreadable",
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
        "too_many_views",
        "transfer_syntax_unsupported",
        "under_exposed",
        "value_missing",
        "view_conflict",
        "view_key_foreign",
        "view_unknown",
        "view_unreadable",
    }
)
"""Every reason code with which a service rejects a record (docs/intake.md, docs/delivery.md)."""
SentRecord = tuple[bytes | None, bytes | None, list[tuple[str, bytes]]]
"""Key, value and headers."""
_LISTED: Final = 5
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
    handled like a new one. What a rejection does not contain is read from where the record was rejected. After all
    others are sent, raises Rejected for those that cannot be: `topic_unknown` for a source topic that is not ours,
    `record_unreadable` for a record that could not be read, `original_gone` for one that its topic no longer holds.
    """
    refused: list[Rejected] = []
    with publisher(settings) as producer:
        for rejection in rejected:
            try:
                record = _record(settings, rejection)
            except Rejected as error:
                refused.append(error)
                continue
            _send(producer, rejection, record)
            yield rejection
    if refused:
        listing = "; ".join(error.message for error in refused[:_LISTED])
        others = f"; and {len(refused) - _LISTED} more" if len(refused) > _LISTED else ""
        raise Rejected(refused[0].reason, f"{len(refused)} records were not sent again: {listing}{others}")


def record_of(rejection: Rejection) -> SentRecord:
    """Return key, value and headers of the record to send, for a rejection that contains them."""
    key = None if rejection.original_key is None else base64.b64decode(rejection.original_key)
    headers = [(name, base64.b64decode(value)) for name, value in rejection.headers]
    return key, rejection.original_bytes(), _marked(headers, rejection)


def _record(settings: Settings, rejection: Rejection) -> SentRecord:
    if rejection.source_topic not in _KNOWN and not CENTRE_IMAGES.has(rejection.source_topic):
        raise Rejected("topic_unknown", f"{rejection.source_topic} is not a topic of this system")
    if rejection.reason == UNREADABLE:
        message = f"{_where(rejection)} could not be read, so its sender must send it again"
        raise Rejected(UNREADABLE, message)
    return record_of(rejection) if rejection.left_out is None else _from_its_topic(settings, rejection)


def _from_its_topic(settings: Settings, rejection: Rejection) -> SentRecord:
    """Read the record from the position at which it was rejected; raises Rejected(`original_gone`)."""
    where = TopicPartition(rejection.source_topic, rejection.source_partition)
    offset = rejection.source_offset
    with reader(settings, max_partition_fetch_bytes=MAX_MESSAGE_BYTES) as consumer:
        held = ranges_of(consumer, [where.topic]).get(where)
        if held is not None and held.start <= offset < held.end:
            for record in read(consumer, {where: OffsetRange(offset, offset + 1)}):
                if hashlib.sha256(record.value or b"").hexdigest() == rejection.left_out:
                    headers = [(name, value or b"") for name, value in record.headers]
                    return record.key, record.value, _marked(headers, rejection)
    message = f"{_where(rejection)} is too large for its rejection, and its topic no longer holds it"
    raise Rejected("original_gone", message)


def _where(rejection: Rejection) -> str:
    return f"the record at {rejection.source_topic}/{rejection.source_partition} offset {rejection.source_offset}"


def _marked(headers: list[tuple[str, bytes]], rejection: Rejection) -> list[tuple[str, bytes]]:
    kept = [(name, value) for name, value in headers if name != REPLAY_HEADER]
    return [*kept, (REPLAY_HEADER, rejection.rejection_id.encode())]


def _send(producer: Any, rejection: Rejection, record: SentRecord) -> None:
    key, value, headers = record
    # A record without a key goes to the partition that it was rejected on.
    partition = rejection.source_partition if key is None else None
    future = producer.send(rejection.source_topic, key=key, value=value, headers=headers, partition=partition)
    future.get(timeout=_ACKNOWLEDGED_SECONDS)
