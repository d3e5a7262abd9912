"""Decodes the bytes of a file to one grey frame. The bytes decide the format, never a name or a declared type."""

from typing import Final

from services.common.errors import Rejected
from services.intake.decode.bitmap import decode_bmp, decode_png
from services.intake.decode.dicom import decode_dicom
from services.intake.decode.errors import corrupt_if_it_fails
from services.intake.decode.jpeg import decode_jpeg
from services.intake.decode.sniff import FileFormat, sniff
from services.intake.decode.tiff import decode_tiff
from services.intake.raster import Raster
from services.intake.settings import Limits

_DECODERS = {
    FileFormat.DICOM: decode_dicom,
    FileFormat.JPEG: decode_jpeg,
    FileFormat.PNG: decode_png,
    FileFormat.BMP: decode_bmp,
    FileFormat.TIFF: decode_tiff,
}


DECODE_REASONS: Final = frozenset(
    {
        "bits_unsupported",
        "blank",
        "dicom_too_complex",
        "dicom_without_picture",
        "format_unsupported",
        "image_corrupt",
        "image_empty",
        "image_too_many_bytes",
        "image_too_many_pixels",
        "image_too_small",
        "image_truncated",
        "photometric_unsupported",
        "too_many_frames",
        "transfer_syntax_unsupported",
    }
)
"""The reasons with which `decode` rejects a file."""


def decode(data: bytes, limits: Limits) -> Raster:
    """Decode the first frame of a file.

    Raises Rejected with one of DECODE_REASONS, or MemoryError. A file of unknown origin belongs in
    `services.intake.decoder`, which decodes in a process with limits on time and memory.
    """
    if not data:
        raise Rejected("image_empty", "the file is empty")
    if len(data) > limits.most_bytes:
        raise Rejected(
            "image_too_many_bytes",
            f"the file has {len(data)} bytes, the limit is {limits.most_bytes}",
            bytes=len(data),
            limit=limits.most_bytes,
        )
    file_format = sniff(data)
    if file_format is None:
        raise Rejected("format_unsupported", "not a DICOM, JPEG, PNG, BMP or TIFF file", starts_with=data[:16].hex())
    with corrupt_if_it_fails(f"{file_format} file"):
        return _DECODERS[file_format](data, limits)
