"""What is sent in a round: good specimens and bad input of every kind, as a function of the seed and the round."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Final, Literal

from services.chaos.hostile import dicom_with_decoy_size, dicom_with_empty_items, tiff_with_two_sizes
from services.common.events import ImageEvent
from services.demo.cohort import DemoSubmission

Codec = Literal["gzip", "snappy", "lz4", "zstd"]
CODECS: Final[tuple[Codec | None, ...]] = (None, "gzip", "snappy", "lz4", "zstd")
CENTRE: Final = "JAX"
DV: Final = "IMPC_XRY_034_001"
MISSING_BUCKET: Final = "no-such-centre"
"""A bucket that intake may read, and that does not exist."""
SPECIMENS: Final = 3
BAD_RECORDS: Final = 4
_BOMB_BYTES: Final = 30_000_000
Headers = tuple[tuple[str, bytes], ...]


@dataclass(frozen=True)
class Outgoing:
    """A record for `xray.images`, and the reason for which it must be rejected; None for a good image.

    A `late` one is rejected only after it has waited on a retry topic.
    """

    value: bytes
    key: bytes
    codec: Codec | None = None
    headers: Headers = ()
    reason: str | None = None
    late: bool = False


@dataclass(frozen=True)
class RoundStream:
    """The records of a round in the order in which they are sent, and the submission that each specimen repeats."""

    records: tuple[Outgoing, ...]
    specimens: Mapping[str, DemoSubmission]


class NotUtf8(str):
    """A header name that kafka-python's producer encodes to bytes that are not UTF-8."""

    __slots__ = ()

    def encode(self, *_: Any) -> bytes:
        """Return bytes that no UTF-8 decoder accepts."""
        return b"nam\xff"


def bad_files() -> dict[str, bytes]:
    """Return the files that bad announcements are about, by their key in the bucket."""
    return {
        "chaos/two-sizes": tiff_with_two_sizes(),
        "chaos/decoy": dicom_with_decoy_size(),
        "chaos/items": dicom_with_empty_items(),
        "chaos/no-image": b"no image at all",
    }


@dataclass(frozen=True)
class BadKind:
    """One kind of bad input: the reason for its rejection, and its fields or a whole record of its own."""

    reason: str
    fields: Mapping[str, Any] | None = None
    record: Callable[[dict[str, Any]], Outgoing] | None = None
    late: bool = False


def _uri(reason: str, uri: str) -> BadKind:
    return BadKind(reason, {"image_uri": uri})


def _long_names(fields: dict[str, Any]) -> Outgoing:
    metadata = {f"{number:03d}" + "\x01" * 1_000: "x" * 1_000 for number in range(80)}
    return _plain(fields | {"metadata": metadata})


def _named_wrongly(fields: dict[str, Any]) -> Outgoing:
    return Outgoing(json.dumps(fields).encode(), b"bad", headers=((NotUtf8("name"), b"1"),))


def _plain(fields: Mapping[str, Any]) -> Outgoing:
    return Outgoing(json.dumps(fields).encode(), b"bad")


BAD_KINDS: Final[Mapping[str, BadKind]] = {
    "dots in the key": _uri("field_invalid", "s3://xray/../x"),
    "backslash in the key": _uri("field_invalid", "s3://xray/a\\..\\x"),
    "bucket that is no name": _uri("field_invalid", "s3://[/x"),
    "host that is no name": _uri("field_invalid", "https://a\u2100b/x"),
    "address read differently": _uri("field_invalid", "https://127.0.0.1:9\\@localhost/x"),
    "key too long": _uri("field_invalid", "s3://xray/" + "x" * 1025),
    "bucket not allowed": _uri("source_not_allowed", "s3://not-allowed/x"),
    "bucket missing": _uri("source_refused", f"s3://{MISSING_BUCKET}/x"),
    "object missing": _uri("object_missing", "s3://xray/chaos/nothing"),
    "host that hangs": BadKind("source_unavailable", {"image_uri": "https://localhost:{host}/x"}, late=True),
    "TIFF of two sizes": _uri("image_corrupt", "s3://xray/chaos/two-sizes"),
    "DICOM with a decoy": _uri("image_corrupt", "s3://xray/chaos/decoy"),
    "DICOM of a million items": _uri("dicom_too_complex", "s3://xray/chaos/items"),
    "no image": _uri("format_unsupported", "s3://xray/chaos/no-image"),
    "other digest": BadKind("digest_mismatch", {"image_uri": "s3://xray/chaos/no-image", "sha256": "0" * 64}),
    "unknown parameter": BadKind("parameter_unknown", {"parameter_stable_id": "IMPC_ECG_001_001"}),
    "placeholder id": BadKind("id_placeholder", {"biological_sample_id": "NA"}),
    "not JSON": BadKind("json_invalid", record=lambda _: Outgoing(b"not JSON", b"bad")),
    "long field names": BadKind("field_invalid", record=_long_names),
    "header name not UTF-8": BadKind("record_unreadable", record=_named_wrongly),
    "bomb": BadKind("record_unreadable", record=lambda _: Outgoing(bytes(_BOMB_BYTES), b"bad", codec="zstd")),
}
"""Every kind of bad input that one record can be, with its reason."""


def bad_record(kind: str, specimen: str, hanging_port: int) -> Outgoing:
    """Return one bad record; `hanging_port` is that of a host which accepts connections and never answers."""
    one = BAD_KINDS[kind]
    fields: dict[str, Any] = {
        "biological_sample_id": specimen,
        "centre": CENTRE,
        "parameter_stable_id": DV,
        "image_uri": "s3://xray/chaos/nothing",
    }
    fields |= one.fields or {}
    fields["image_uri"] = fields["image_uri"].replace("{host}", str(hanging_port))
    made = one.record(fields) if one.record else _plain(fields)
    return Outgoing(made.value, made.key, made.codec, made.headers, one.reason, one.late)


def good_records(specimen: str, submission: DemoSubmission, codec: Codec | None, bucket: str) -> Iterator[Outgoing]:
    """Yield the announcements of a submission's pictures under another id."""
    for picture in submission.pictures:
        event = ImageEvent(
            biological_sample_id=specimen,
            centre=submission.announced_centre,
            parameter_stable_id=picture.parameter_stable_id,
            image_uri=f"s3://{bucket}/{picture_key(picture.sha256)}",
            sha256=picture.sha256,
        )
        yield Outgoing(event.encode(), event.key.encode(), codec)


def picture_key(sha256: str) -> str:
    """Return the key under which the picture with this digest is uploaded."""
    return f"chaos/pictures/{sha256}"


def stream_of(
    seed: int, number: int, templates: Sequence[DemoSubmission], bucket: str, hanging_port: int
) -> RoundStream:
    """Return the stream of one round; equal arguments give equal streams."""
    draw = Random(f"stream {seed} {number}")  # noqa: S311 - must repeat
    name = f"chaos-{seed}-{number}"
    specimens = {f"{name}-{index}": draw.choice(templates) for index in range(SPECIMENS)}
    records = [
        record
        for specimen, submission in specimens.items()
        for record in good_records(specimen, submission, draw.choice(CODECS), bucket)
    ]
    # Consecutive rounds take consecutive kinds, so that a few rounds send every one.
    first = number * BAD_RECORDS
    for index in range(first, first + BAD_RECORDS):
        kind = list(BAD_KINDS)[index % len(BAD_KINDS)]
        records.append(bad_record(kind, f"{name}-bad", hanging_port))
    draw.shuffle(records)
    return RoundStream(tuple(records), specimens)


def reference_stream(
    name: str, templates: Sequence[DemoSubmission], bucket: str, hanging_port: int, kinds: Sequence[str]
) -> RoundStream:
    """Return the stream of an undisturbed pass: every submission once, and one record of each of these kinds."""
    specimens = {f"{name}-{index}": one for index, one in enumerate(templates)}
    good = [record for specimen, one in specimens.items() for record in good_records(specimen, one, None, bucket)]
    bad = [bad_record(kind, f"{name}-bad", hanging_port) for kind in kinds]
    return RoundStream((*good, *bad), specimens)
