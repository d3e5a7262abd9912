"""Reads a DICOM data set from bytes, with limits on what pydicom may build from it.

pydicom creates an object per element and item, so a file of 90 kB can fill gigabytes. Its reads are counted while it
parses, and afterwards only the elements that describe the pixels are kept.
"""

from __future__ import annotations

import io
import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, cast

from pydicom import FileDataset, config, dcmread
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filereader import read_dataset, read_preamble
from pydicom.tag import BaseTag, Tag
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)
from pydicom.valuerep import VR

from services.common.errors import Rejected
from services.intake.decode.errors import truncated
from services.intake.settings import Limits

# Values that break the rules of their VR (a date, an unusual id) must not cause a rejection of the pixels.
config.settings.reading_validation_mode = config.IGNORE

_FILE_META_GROUP = 0x0002
_HEADER_BYTES: Final = 8
"""pydicom reads the header of an element or item with one read of this size."""
_PIXEL_DATA: Final = Tag("PixelData")
_TABLES: Final = frozenset({Tag("ModalityLUTSequence"), Tag("VOILUTSequence")})
_KEPT: Final = frozenset(
    Tag(keyword)
    for keyword in (
        "SamplesPerPixel",
        "PhotometricInterpretation",
        "PlanarConfiguration",
        "NumberOfFrames",
        "Rows",
        "Columns",
        "BitsAllocated",
        "BitsStored",
        "HighBit",
        "PixelRepresentation",
        "WindowCenter",
        "WindowWidth",
        "RescaleIntercept",
        "RescaleSlope",
        "VOILUTFunction",
        "ModalityLUTSequence",
        "VOILUTSequence",
        "PixelData",
    )
)
"""What decoding needs. pydicom converts a value when it is used, and a long value to very many objects."""
_MOST_VALUE_BYTES: Final = 1 << 10
_MOST_TABLE_BYTES: Final = 1 << 20
"""A lookup table has at most 65,536 entries of two bytes; all other kept values are short."""
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


def too_complex(what: str, limit: int) -> Rejected:
    """Return Rejected `dicom_too_complex`: the file has more than `limit` of `what`."""
    return Rejected("dicom_too_complex", f"the DICOM file has more than {limit} {what}", what=what, limit=limit)


class _CountedStream(io.BytesIO):
    """Raises Rejected `dicom_too_complex` once pydicom has read the headers of more than `most` elements and items."""

    def __init__(self, data: bytes, most: int) -> None:
        super().__init__(data)
        self._most, self._left = most, most

    def read(self, size: int | None = -1, /) -> bytes:
        if size == _HEADER_BYTES:
            self._left -= 1
            if self._left < 0:
                raise too_complex("elements and items", self._most)
        return super().read(size)


def read_dicom(data: bytes, limits: Limits) -> FileDataset:
    """Read the elements that describe the pixels, with the transfer syntax filled in; pixels stay as stored.

    Raises Rejected `image_too_many_bytes` (deflated beyond the limit), `image_truncated` or `dicom_too_complex` (too
    many elements and items, nested too deeply, or a value that is too long); pydicom's own errors are not caught.
    """
    try:
        dataset = _read(data, limits)
    except RecursionError as error:
        raise Rejected("dicom_too_complex", "the DICOM file nests sequences too deeply") from error
    _reduce(dataset)
    if "TransferSyntaxUID" not in dataset.file_meta:
        dataset.file_meta.TransferSyntaxUID = _syntax_as_read(dataset)
    return dataset


def _read(data: bytes, limits: Limits) -> FileDataset:
    most = limits.most_dicom_elements
    meta, start = _file_meta(_CountedStream(data, most))
    if meta.get("TransferSyntaxUID") != DeflatedExplicitVRLittleEndian:
        return dcmread(_CountedStream(data, most), force=True)
    inflated = _CountedStream(_inflate(data[start:], limits.most_bytes), most)
    content = read_dataset(inflated, is_implicit_VR=False, is_little_endian=True)
    return FileDataset("", content, file_meta=meta, is_implicit_VR=False, is_little_endian=True)


def _reduce(dataset: FileDataset) -> None:
    """Remove the elements that decoding does not need, and check the length of the others."""
    for tag in list(dataset.keys()):
        if tag not in _KEPT:
            del dataset[tag]
    _check_lengths(dataset, _MOST_VALUE_BYTES)


def _check_lengths(dataset: Dataset, most: int) -> None:
    for tag in dataset.keys():  # noqa: SIM118 - iterating over a Dataset converts its values
        element = cast("DataElement | RawDataElement", dataset.get_item(tag))
        allowed = _MOST_TABLE_BYTES if tag in _TABLES else most
        if isinstance(element, RawDataElement):
            if tag != _PIXEL_DATA and len(element.value or b"") > allowed:
                raise too_complex(f"bytes in element {tag}", allowed)
        elif element.VR == VR.SQ:
            for item in element.value:
                _check_lengths(item, allowed)


def _file_meta(stream: io.BytesIO) -> tuple[FileMetaDataset, int]:
    read_preamble(stream, force=True)
    meta = read_dataset(stream, is_implicit_VR=False, is_little_endian=True, stop_when=_beyond_file_meta)
    _check_lengths(meta, _MOST_TABLE_BYTES)
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
