"""Files built to deceive or to exhaust the decoder: small on disk, and enormous to a parser that believes them."""

import io
import struct
import zlib
from functools import cache

import imagecodecs
import numpy as np
from pydicom import FileDataset, dcmread
from pydicom.dataelem import RawDataElement
from pydicom.encaps import encapsulate
from pydicom.tag import Tag
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEG2000Lossless

from tests.intake.files import dicom, encoded, png_header

SHORT, LONG = 3, 4
SIDE = 256
"""What the honest half of a deceptive file declares."""


def tiff_entry(tag: int, kind: int, count: int, value: int) -> bytes:
    return struct.pack("<HHII", tag, kind, count, value)


def tiff(entries: list[bytes], body: bytes = b"") -> bytes:
    """A little-endian TIFF of one directory; `body` starts at byte 8."""
    directory = struct.pack("<H", len(entries)) + b"".join(entries) + struct.pack("<I", 0)
    return b"II*\0" + struct.pack("<I", 8 + len(body)) + body + directory


def tiff_with_two_sizes(side: int = 32_000, strips: int = 32) -> bytes:
    """About 31 kB. libtiff believes the first ImageWidth and ImageLength, `side`; a reader that keeps the last, 256."""
    rows = side // strips
    strip = zlib.compress(bytes(rows * side), 9)
    at = 8 + len(strip)
    table = struct.pack(f"<{strips}I", *[8] * strips) + struct.pack(f"<{strips}I", *[len(strip)] * strips)
    entries = [
        tiff_entry(256, LONG, 1, side),
        tiff_entry(256, LONG, 1, SIDE),
        tiff_entry(257, LONG, 1, side),
        tiff_entry(257, LONG, 1, SIDE),
        tiff_entry(258, SHORT, 1, 8),
        tiff_entry(259, SHORT, 1, 8),
        tiff_entry(262, SHORT, 1, 1),
        tiff_entry(273, LONG, strips, at),
        tiff_entry(277, SHORT, 1, 1),
        tiff_entry(278, LONG, 1, rows),
        tiff_entry(279, LONG, strips, at + 4 * strips),
    ]
    return tiff(entries, strip + table)


def tiff_with_overlapping_tables(tables: int = 4000, count: int = 1_000_000) -> bytes:
    """4 MB. Each of its entries is the same table of a million numbers, under a tag that no decoder needs."""
    entries = [tiff_entry(40_000 + number, 1, count, 8) for number in range(tables)]
    sizes = [tiff_entry(256, LONG, 1, SIDE), tiff_entry(257, LONG, 1, SIDE)]
    return tiff(sizes + entries, bytes(count))


@cache
def empty_codestream(columns: int, rows: int) -> bytes:
    """A valid JPEG 2000 codestream of black pixels."""
    black = np.zeros((rows, columns), np.uint8)
    return bytes(imagecodecs.jpeg2k_encode(black, level=0, codecformat="J2K", reversible=True))


def codestream(*, components: int = 1, tile: int = SIDE) -> bytes:
    """A codestream of 256x256 pixels whose header declares another number of components or size of tiles."""
    data = bytearray(empty_codestream(SIDE, SIDE))
    struct.pack_into(">IIIIIIII", data, 8, SIDE, SIDE, 0, 0, tile, tile, 0, 0)
    struct.pack_into(">H", data, 40, components)
    return bytes(data)


def box(kind: bytes, content: bytes, *, extended: bool = False) -> bytes:
    if extended:
        return struct.pack(">I4sQ", 1, kind, 16 + len(content)) + content
    return struct.pack(">I4s", 8 + len(content), kind) + content


def jp2(columns: int, rows: int, stream: bytes, *, before: bytes = b"", extended: bool = False) -> bytes:
    header = box(b"ihdr", struct.pack(">IIHBBBB", rows, columns, 1, 7, 7, 0, 0)) + box(
        b"colr", struct.pack(">BBBI", 1, 0, 0, 17)
    )
    start = box(b"jP  ", b"\r\n\x87\n") + box(b"ftyp", b"jp2 \0\0\0\0jp2 ") + box(b"jp2h", header)
    return start + before + box(b"jp2c", stream, extended=extended)


def dicom_of_frame(frame: bytes, syntax: str = JPEG2000Lossless, side: int = SIDE) -> bytes:
    """An 8-bit DICOM file of `side` x `side` pixels with one compressed frame."""
    return _compressed(encapsulate([frame]), syntax, side)


def dicom_with_decoy_size(side: int = 7_000) -> bytes:
    """Less than 3 kB. A free box holds the size marker of 256x256 pixels; the real codestream has `side` x `side`."""
    decoy = box(b"free", codestream()[:60])
    return dicom_of_frame(jp2(side, side, empty_codestream(side, side), before=decoy))


EMPTY_ITEM = b"\xfe\xff\x00\xe0" + bytes(4)
END_OF_SEQUENCE = b"\xfe\xff\xdd\xe0" + bytes(4)
UNDEFINED = b"\xff\xff\xff\xff"
SEQUENCE = b"\x08\x00\x15\x11SQ\0\0" + UNDEFINED


def nested(depth: int) -> bytes:
    """Sequences of undefined length, each inside the only item of the one before, to be closed by the file's end."""
    return (SEQUENCE + EMPTY_ITEM[:4] + UNDEFINED) * depth


def empty_items(count: int) -> bytes:
    """A sequence of empty items: 8 bytes each in the file, an object each in a parser."""
    return SEQUENCE + EMPTY_ITEM * count + END_OF_SEQUENCE


def deflated(content: bytes) -> bytes:
    """A DICOM file whose deflated data set starts with `content`, followed by an empty image."""
    plain = dicom(np.zeros((SIDE, SIDE), np.uint8), bits=8)
    data_set = plain[_end_of_meta(plain) :]
    head = _with_syntax(plain, DeflatedExplicitVRLittleEndian)
    deflater = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    return head[: _end_of_meta(head)] + deflater.compress(content + data_set) + deflater.flush()


def dicom_with_empty_items(count: int = 8_000_000) -> bytes:
    """About 93 kB at 8 million items: before they were counted, 90 s and 2.9 GiB."""
    return deflated(empty_items(count))


def dicom_with_fragments(count: int) -> bytes:
    """A compressed frame in `count` empty fragments, before its only real one."""
    frame = encapsulate([codestream()], has_bot=False)
    table, rest = frame[:8], frame[8:]
    return _compressed(table + EMPTY_ITEM * count + rest, JPEG2000Lossless, SIDE)


def _compressed(pixel_data: bytes, syntax: str, side: int) -> bytes:
    data = dcmread(io.BytesIO(dicom(np.zeros((side, side), np.uint8), bits=8)))
    data.PixelData = pixel_data
    data["PixelData"].VR, data["PixelData"].is_undefined_length = "OB", True
    return _with_syntax(data, syntax)


def _with_syntax(file: bytes | FileDataset, syntax: str) -> bytes:
    data = dcmread(io.BytesIO(file)) if isinstance(file, bytes) else file
    data.file_meta.TransferSyntaxUID = UID(syntax)
    stream = io.BytesIO()
    data.save_as(stream)
    return stream.getvalue()


def _end_of_meta(data: bytes) -> int:
    return 132 + 12 + int.from_bytes(data[140:144], "little")


def png_with_chunks(count: int) -> bytes:
    """A valid header, then `count` empty chunks of image data."""
    empty = struct.pack(">I", 0) + b"IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))
    header = png_header(SIDE, SIDE)
    return header[:33] + empty * count + header[33:]


def jpeg_with_segments(count: int) -> bytes:
    """A JPEG with `count` empty comments in front of a good image."""
    good = encoded(np.zeros((SIDE, SIDE), np.uint8), ".jpg")
    return good[:2] + b"\xff\xfe\0\2" * count + good[2:]


def jpeg_with_fill(count: int) -> bytes:
    """A good JPEG with `count` fill bytes, which are allowed, before its first marker."""
    good = encoded(np.zeros((SIDE, SIDE), np.uint8), ".jpg")
    return good[:2] + b"\xff" * count + good[2:]


def tiff_with_tile(side: int = 30_000) -> bytes:
    """An image of 256x256 pixels in a tile of 30,000x30,000, which a decoder allocates."""
    sizes = ((256, SIDE), (257, SIDE), (258, 8), (259, 8), (262, 1), (277, 1), (322, side), (323, side), (324, 8))
    tile = zlib.compress(bytes(side), 9)
    entries = [tiff_entry(tag, LONG, 1, value) for tag, value in (*sizes, (325, len(tile)))]
    return tiff(entries, tile)


def tiff_with_many_depths(count: int) -> bytes:
    """BitsPerSample has a value for each of `count` samples, all of them different."""
    sizes = [tiff_entry(256, LONG, 1, SIDE), tiff_entry(257, LONG, 1, SIDE)]
    return tiff([*sizes, tiff_entry(258, SHORT, count, 8)], struct.pack(f"<{count}H", *range(count)))


def dicom_with_long_value(keyword: str, value: bytes) -> bytes:
    """An implicit-VR data set in which one header element has a very long value."""
    data = dcmread(io.BytesIO(dicom(np.zeros((SIDE, SIDE), np.uint8), bits=8)))
    data[keyword] = RawDataElement(Tag(keyword), None, len(value), value, 0, True, True)
    return _with_syntax(data, ImplicitVRLittleEndian)


def dicom_with_long_table_descriptor(count: int) -> bytes:
    """A lookup table with a descriptor of `count` numbers, in a sequence of undefined length."""
    numbers = bytes(2 * count)
    descriptor = b"\x28\x00\x02\x30UN\0\0" + struct.pack("<I", len(numbers)) + numbers
    item = EMPTY_ITEM[:4] + struct.pack("<I", len(descriptor)) + descriptor
    return deflated(b"\x28\x00\x00\x30SQ\0\0" + UNDEFINED + item + END_OF_SEQUENCE)
