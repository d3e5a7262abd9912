"""Reads a DICOM data set from bytes, with a limit on the size of an inflated one."""

from __future__ import annotations

import io
import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

from pydicom import FileDataset, config, dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.filereader import read_dataset, read_preamble
from pydicom.tag import BaseTag
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from services.common.errors import Rejected
from services.intake.decode.errors import truncated

# Values that break the rules of their VR (a date, an unusual id) must not cause a rejection of the pixels.
config.settings.reading_validation_mode = config.IGNORE

_FILE_META_GROUP = 0x0002
_quiet_lock = threading.Lock()
_quiet: list[warnings.catch_warnings[None]] = []
_quiet_depth = 0


@contextmanager
def quiet_pydicom() -> Iterator[None]:
    """Suppress pydicom's warnings about malformed files.

    Warning filters are process-wide, so the last of the concurrent threads restores them.
    """
    global _quiet_depth  # noqa: PLW0603 - the filters it guards are global too
    with _quiet_lock:
        if _quiet_depth == 0:
            _quiet.append(warnings.catch_warnings())
            _quiet[-1].__enter__()
            warnings.simplefilter("ignore")
        _quiet_depth += 1
    try:
        yield
    finally:
        with _quiet_lock:
            _quiet_depth -= 1
            if _quiet_depth == 0:
                _quiet.pop().__exit__(None, None, None)


def read_dicom(data: bytes, most_bytes: int) -> FileDataset:
    """Read a data set with its transfer syntax filled in; pixels stay as stored.

    Raises Rejected `image_too_many_bytes` (deflated beyond the limit) or `image_truncated`; pydicom's own errors
    are not caught.
    """
    meta, start = _file_meta(data)
    if meta.get("TransferSyntaxUID") == DeflatedExplicitVRLittleEndian:
        inflated = _inflate(data[start:], most_bytes)
        content = read_dataset(io.BytesIO(inflated), is_implicit_VR=False, is_little_endian=True)
        dataset = FileDataset("", content, file_meta=meta, is_implicit_VR=False, is_little_endian=True)
    else:
        dataset = dcmread(io.BytesIO(data), force=True)
    if "TransferSyntaxUID" not in dataset.file_meta:
        dataset.file_meta.TransferSyntaxUID = _syntax_as_read(dataset)
    return dataset


def _file_meta(data: bytes) -> tuple[FileMetaDataset, int]:
    stream = io.BytesIO(data)
    read_preamble(stream, force=True)
    meta = read_dataset(stream, is_implicit_VR=False, is_little_endian=True, stop_when=_beyond_file_meta)
    return FileMetaDataset(meta), stream.tell()


def _beyond_file_meta(tag: BaseTag, _vr: str | None, _length: int) -> bool:
    return tag.group != _FILE_META_GROUP


def _inflate(compressed: bytes, most_bytes: int) -> bytes:
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    inflated = inflater.decompress(compressed, most_bytes)
    if inflater.unconsumed_tail:
        raise Rejected(
            "image_too_many_bytes",
            f"the data set inflates to more than the limit of {most_bytes} bytes",
            limit=most_bytes,
        )
    if not inflater.eof:
        raise truncated(f"the deflated data set ends early, after {len(inflated)} inflated bytes")
    return inflated


def _syntax_as_read(dataset: FileDataset) -> UID:
    implicit, little = dataset.original_encoding
    if implicit:
        return ImplicitVRLittleEndian
    return ExplicitVRLittleEndian if little else ExplicitVRBigEndian
