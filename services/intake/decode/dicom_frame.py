"""Decodes the stored values of a DICOM file's first frame with the codec of its transfer syntax."""

import struct
from typing import Any, Final

import cv2
import imagecodecs
import numpy as np
from numpy.typing import NDArray
from pydicom import FileDataset
from pydicom.encaps import get_frame
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import (
    HTJ2K,
    UID,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    JPEG2000Lossless,
    JPEG2000TransferSyntaxes,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSTransferSyntaxes,
    RLELossless,
)

from services.common.errors import Rejected
from services.intake.decode.dicom_file import too_complex
from services.intake.decode.errors import corrupt, truncated
from services.intake.decode.grey import to_grey
from services.intake.decode.jpeg import JpegHeader, read_jpeg_header, without_end
from services.intake.decode.wavelet import WaveletHeader, read_wavelet_header
from services.intake.raster import Grey
from services.intake.settings import Limits

_JPEG: Final = frozenset({JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLossless, JPEGLosslessSV1})
_WAVELET: Final = frozenset({*JPEG2000TransferSyntaxes, JPEG2000Lossless, HTJ2K, HTJ2KLossless, HTJ2KLosslessRPCL})
_CODESTREAM_END: Final = b"\xff\xd9"
_FURTHER_DATA: Final = b"\x5a\xa6\x31\xc7" * 16
_PADDING: Final = b"\x00\xff"
"""What encoders append to make a frame's length even."""
_SYNTAXES: Final = _JPEG | _WAVELET | frozenset({*JPEGLSTransferSyntaxes, RLELossless})
"""The compressed transfer syntaxes that have a decoder."""
_ITEM: Final = struct.Struct("<HHI")
_ITEM_TAG: Final = (0xFFFE, 0xE000)
_MOST_TABLE_BYTES: Final = 1 << 16
"""Most bytes of the Basic Offset Table, which has four per frame."""


def stored_frame(dataset: FileDataset, limits: Limits) -> Grey:
    """Return the first frame as stored, uint8 or uint16 [rows, columns]; colour is reduced to luma.

    Raises Rejected `transfer_syntax_unsupported`, `image_truncated`, `image_corrupt` or `dicom_too_complex` (too many
    fragments); codecs' own errors are not caught.
    """
    syntax = UID(dataset.file_meta.TransferSyntaxUID)
    if syntax.is_compressed and not syntax.is_deflated:
        if syntax not in _SYNTAXES:
            name = syntax[:64]  # the most that a UID may have
            raise Rejected(
                "transfer_syntax_unsupported", f"no decoder for transfer syntax {name}", transfer_syntax=name
            )
        _check_fragments(dataset.PixelData, limits.most_dicom_elements)
    if syntax in _JPEG:
        return _jpeg_frame(_compressed_frame(dataset), dataset)
    if syntax in _WAVELET:
        _check_wavelet(read_wavelet_header(_compressed_frame(dataset)), dataset)
    elif syntax in JPEGLSTransferSyntaxes:
        _check_jpeg_size(read_jpeg_header(_compressed_frame(dataset)), dataset)
    frame, properties = get_decoder(syntax).as_array(dataset, raw=True, index=0)
    return _unsigned_grey(frame, str(properties["photometric_interpretation"]))


def _check_fragments(pixel_data: bytes, most: int) -> None:
    """Count the fragments, of which pydicom makes a list, and check the table in front of them."""
    position = 0
    for number in range(most + 2):
        if position + _ITEM.size > len(pixel_data):
            return
        group, element, length = _ITEM.unpack_from(pixel_data, position)
        if (group, element) != _ITEM_TAG:
            return
        if number == 0 and length > _MOST_TABLE_BYTES:
            raise too_complex("bytes in the table of frames", _MOST_TABLE_BYTES)
        position += _ITEM.size + length
    raise too_complex("fragments", most)


def _compressed_frame(dataset: FileDataset) -> bytes:
    frame = get_frame(dataset.PixelData, 0, number_of_frames=int(dataset.get("NumberOfFrames", 1) or 1))
    frame = frame.rstrip(_PADDING)
    if not frame.endswith(_CODESTREAM_END):
        raise truncated("the compressed frame ends before its end marker")
    return frame


def _jpeg_frame(frame: bytes, dataset: FileDataset) -> Grey:
    header = read_jpeg_header(frame)
    _check_jpeg_size(header, dataset)
    if not header.is_8_bit:
        return to_grey(_decode_deep_jpeg(frame, header))[0]
    decoded = cv2.imdecode(np.frombuffer(without_end(frame, header), np.uint8), cv2.IMREAD_UNCHANGED)
    if decoded is None:
        raise corrupt("the JPEG frame cannot be decoded")
    return to_grey(decoded)[0]


def _decode_deep_jpeg(frame: bytes, header: JpegHeader) -> NDArray[Any]:
    """Decode 12-bit and lossless JPEG with libjpeg-turbo 3 from `imagecodecs`.

    The codec fills missing data with grey. Data is therefore appended before the end marker and decoded again: a
    complete image does not change.
    """
    decoded = np.asarray(imagecodecs.jpeg8_decode(frame))
    longer = frame[: header.end] + _FURTHER_DATA + frame[header.end :]
    if not np.array_equal(decoded, imagecodecs.jpeg8_decode(longer)):
        raise truncated("the JPEG frame is incomplete")
    return decoded


def _check_jpeg_size(header: JpegHeader, dataset: FileDataset) -> None:
    _check_declared(header.rows, header.columns, dataset)


def _check_declared(rows: int, columns: int, dataset: FileDataset) -> None:
    if (rows, columns) != (dataset.Rows, dataset.Columns):
        raise corrupt(
            f"the compressed frame has {rows} rows and {columns} columns, "
            f"the header declares {dataset.Rows} and {dataset.Columns}"
        )


def _check_wavelet(header: WaveletHeader, dataset: FileDataset) -> None:
    _check_declared(header.rows, header.columns, dataset)
    samples = int(dataset.get("SamplesPerPixel", 1))
    if header.components != samples:
        raise corrupt(f"the compressed frame has {header.components} components, the header declares {samples}")


def _unsigned_grey(frame: NDArray[Any], photometric: str) -> Grey:
    native = frame.astype(frame.dtype.newbyteorder("="), copy=False)
    unsigned: Grey = native.view(np.uint8 if frame.dtype.itemsize == 1 else np.uint16)
    if unsigned.ndim == 2:
        return unsigned
    if photometric.startswith("YBR"):
        return np.ascontiguousarray(unsigned[..., 0])
    return to_grey(np.ascontiguousarray(unsigned[..., ::-1]))[0]
