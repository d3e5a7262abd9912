"""Finds a file's format by its first bytes."""

import re
from enum import StrEnum
from typing import Final


class FileFormat(StrEnum):
    """The formats that intake decodes."""

    DICOM = "DICOM"
    JPEG = "JPEG"
    PNG = "PNG"
    BMP = "BMP"
    TIFF = "TIFF"


PNG_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
DICOM_PREAMBLE: Final = 128
_STARTS: Final = (
    (b"\xff\xd8\xff", FileFormat.JPEG),
    (PNG_SIGNATURE, FileFormat.PNG),
    (b"BM", FileFormat.BMP),
    (b"II*\x00", FileFormat.TIFF),
    (b"MM\x00*", FileFormat.TIFF),
    (b"II+\x00", FileFormat.TIFF),
    (b"MM\x00+", FileFormat.TIFF),
)
# A data set without a preamble starts with group 0002 or 0008 in either byte order, then an element number, then an
# explicit VR or (implicit) a length below 64 KiB.
_BARE_DICOM: Final = re.compile(rb"(?:[\x02\x08]\x00..|\x00[\x02\x08]..)(?:[A-Z]{2}|..\x00\x00)", re.DOTALL)


def sniff(data: bytes) -> FileFormat | None:
    """Return the format of a file, or None when intake does not decode it."""
    if data[DICOM_PREAMBLE : DICOM_PREAMBLE + 4] == b"DICM":
        return FileFormat.DICOM
    for start, file_format in _STARTS:
        if data.startswith(start):
            return file_format
    return FileFormat.DICOM if _BARE_DICOM.match(data) else None
