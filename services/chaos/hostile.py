"""Image files that are small on disk and enormous to a parser that believes them."""

import io
import struct
import zlib
from typing import Final

import imagecodecs
import numpy as np
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, DigitalXRayImageStorageForPresentation, JPEG2000Lossless

_SIDE: Final = 256
"""What the honest half of a deceptive file declares, in pixels."""


def tiff_with_two_sizes(side: int = 32_000, strips: int = 32) -> bytes:
    """Return a TIFF of about 31 kB. libtiff believes its first size, `side`; other readers its last, 256."""
    rows = side // strips
    strip = zlib.compress(bytes(rows * side), 9)
    at = 8 + len(strip)
    tables = struct.pack(f"<{strips}I", *[8] * strips) + struct.pack(f"<{strips}I", *[len(strip)] * strips)
    long, short = 4, 3
    entries = (
        *((256, long, 1, side), (256, long, 1, _SIDE), (257, long, 1, side), (257, long, 1, _SIDE)),
        *((258, short, 1, 8), (259, short, 1, 8), (262, short, 1, 1), (273, long, strips, at), (277, short, 1, 1)),
        *((278, long, 1, rows), (279, long, strips, at + 4 * strips)),
    )
    directory = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *one) for one in entries)
    head = b"II*\0" + struct.pack("<I", 8 + len(strip) + len(tables))
    return head + strip + tables + directory + struct.pack("<I", 0)


def dicom_with_decoy_size(side: int = 7_000) -> bytes:
    """Return a DICOM file of less than 3 kB whose free box declares 256x256 pixels, and the codestream `side`."""
    decoy = bytearray(_codestream(_SIDE)[:60])
    stream = _codestream(side)
    header = _box(b"ihdr", struct.pack(">IIHBBBB", side, side, 1, 7, 7, 0, 0)) + _box(
        b"colr", struct.pack(">BBBI", 1, 0, 0, 17)
    )
    start = _box(b"jP  ", b"\r\n\x87\n") + _box(b"ftyp", b"jp2 \0\0\0\0jp2 ") + _box(b"jp2h", header)
    data = _image(JPEG2000Lossless)
    data.PixelData = encapsulate([start + _box(b"free", bytes(decoy)) + _box(b"jp2c", stream)])
    data["PixelData"].VR, data["PixelData"].is_undefined_length = "OB", True
    return _saved(data)


def dicom_with_empty_items(count: int = 1_000_000) -> bytes:
    """Return a deflated DICOM file of a few kB whose data set begins with a sequence of `count` empty items."""
    plain = _saved(_image(DeflatedExplicitVRLittleEndian))
    end = 132 + 12 + int.from_bytes(plain[140:144], "little")
    data_set = zlib.decompress(plain[end:], wbits=-zlib.MAX_WBITS)
    items = b"\x08\x00\x15\x11SQ\0\0\xff\xff\xff\xff" + (b"\xfe\xff\x00\xe0" + bytes(4)) * count
    deflater = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    content = items + b"\xfe\xff\xdd\xe0" + bytes(4) + data_set
    return plain[:end] + deflater.compress(content) + deflater.flush()


def _codestream(side: int) -> bytes:
    black = np.zeros((side, side), np.uint8)
    return bytes(imagecodecs.jpeg2k_encode(black, level=0, codecformat="J2K", reversible=True))


def _box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind) + content


def _image(syntax: UID) -> FileDataset:
    """Return an empty 8-bit picture of 256x256 pixels."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = DigitalXRayImageStorageForPresentation
    meta.MediaStorageSOPInstanceUID = UID("1.2.3")
    meta.TransferSyntaxUID = syntax
    data = FileDataset(io.BytesIO(), {}, file_meta=meta, preamble=bytes(128))
    data.SOPClassUID, data.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    data.Rows = data.Columns = _SIDE
    data.SamplesPerPixel, data.PhotometricInterpretation, data.PixelRepresentation = 1, "MONOCHROME2", 0
    data.BitsAllocated = data.BitsStored = 8
    data.HighBit = 7
    data.PixelData = bytes(_SIDE * _SIDE)
    data["PixelData"].VR = "OB"
    return data


def _saved(data: FileDataset) -> bytes:
    stream = io.BytesIO()
    data.save_as(stream, enforce_file_format=True)
    return stream.getvalue()
