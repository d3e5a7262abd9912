"""Changes files the way an attacker would: it knows the formats, keeps checksums right and lets two fields disagree.

An input is a function of its number, so that a failure can be repeated.
"""

import random
import struct
import zlib
from collections.abc import Callable

from tests.intake import hostile
from tests.intake.samples import SAMPLES

Mutation = Callable[[bytearray, random.Random], None]

_NUMBERS = (
    0,
    1,
    2,
    7,
    8,
    16,
    32,
    255,
    256,
    4096,
    30_000,
    65_535,
    65_536,
    1 << 24,
    (1 << 31) - 1,
    1 << 31,
    (1 << 32) - 1,
)
_MARKERS: tuple[bytes, ...] = (
    *(
        b"\xff\xd8\xff",
        b"\xff\xd9",
        b"\xff\xda",
        b"\xff\xc0",
        b"\xff\x4f\xff\x51",
        b"\x89PNG\r\n\x1a\n",
        b"II*\0",
        b"IDAT",
    ),
    *(hostile.EMPTY_ITEM, hostile.END_OF_SEQUENCE, hostile.SEQUENCE, hostile.UNDEFINED),
)
_SYNTAXES = tuple(
    f"1.2.840.10008.1.2{end}".encode()
    for end in ("", ".1", ".1.99", ".2", ".4.50", ".4.51", ".4.57", ".4.70", ".4.80", ".4.90", ".4.201", ".5")
)
_TAGS = tuple(
    struct.pack("<HH", group, element)
    for group, element in (
        *((0x28, element) for element in (0x02, 0x04, 0x08, 0x10, 0x11, 0x100, 0x101, 0x103, 0x1050)),
        (0x7FE0, 0x10),
    )
)


def made(number: int) -> bytes:
    """Return the input of this number: a sample, changed one to six times."""
    chance = random.Random(number)
    if chance.random() < 0.04:
        return _built(chance)
    data = bytearray(chance.choice(list(SAMPLES.values())))
    for _ in range(chance.randint(1, 6)):
        chance.choice(_fitting(data))(data, chance)
    return bytes(data)


def _built(chance: random.Random) -> bytes:
    small = chance.randint(0, 3_000)
    generator: Callable[[], bytes] = chance.choice(
        [
            lambda: hostile.tiff_with_two_sizes(chance.choice([512, 8_192])),
            lambda: hostile.tiff_with_tile(chance.choice([16, 4_096, 30_000, 1 << 20])),
            lambda: hostile.dicom_with_decoy_size(chance.choice([300, 2_000])),
            lambda: hostile.dicom_of_frame(hostile.codestream(components=small, tile=small)),
            lambda: hostile.deflated(hostile.nested(small)),
            lambda: hostile.deflated(hostile.empty_items(small * 30)),
            lambda: hostile.dicom_with_fragments(small * 30),
            lambda: hostile.png_with_chunks(small),
            lambda: hostile.jpeg_with_segments(small * 5),
            lambda: hostile.dicom_with_long_table_descriptor(small * 300),
        ]
    )
    return generator()


def _fitting(data: bytearray) -> list[Mutation]:
    """The changes that apply to any file, and twice as often those that apply to this format."""
    anything: list[Mutation] = [_flip, _number, _cut, _remove, _repeat, _marker]
    if data.startswith(b"\x89PNG"):
        return anything + [_png_header, _png_chunk] * 6
    if data.startswith((b"II", b"MM")):
        return anything + [_tiff_entry] * 12
    if data.startswith(b"\xff\xd8"):
        return anything + [_jpeg_segment] * 12
    return anything + [_dicom_value, _dicom_syntax, _dicom_insert] * 4


def _at(data: bytearray, chance: random.Random) -> int:
    """A position, mostly in the first bytes: that is where the structure is."""
    return chance.randrange(min(len(data), chance.choice([64, 700, 700, 1 << 30])) or 1)


def _flip(data: bytearray, chance: random.Random) -> None:
    for _ in range(chance.randint(1, 4)):
        if data:
            data[_at(data, chance)] = chance.randrange(256)


def _number(data: bytearray, chance: random.Random) -> None:
    kind = chance.choice(["<H", ">H", "<I", ">I", "<Q", ">Q"])
    value = chance.choice(_NUMBERS) % (1 << 8 * struct.calcsize(kind))
    _overwrite(data, _at(data, chance), struct.pack(kind, value))


def _overwrite(data: bytearray, start: int, new: bytes) -> None:
    data[start : start + len(new)] = new


def _cut(data: bytearray, chance: random.Random) -> None:
    if chance.random() < 0.3:
        del data[chance.randrange(len(data) + 1) :]


def _remove(data: bytearray, chance: random.Random) -> None:
    start = _at(data, chance)
    del data[start : start + chance.choice([1, 2, 4, 8, 100])]


def _repeat(data: bytearray, chance: random.Random) -> None:
    start = _at(data, chance)
    piece = bytes(data[start : start + chance.choice([1, 4, 8, 12, 64])])
    data[start:start] = piece * chance.choice([1, 1, 2, 100, 5_000])


def _marker(data: bytearray, chance: random.Random) -> None:
    start = _at(data, chance)
    data[start:start] = chance.choice(_MARKERS) * chance.choice([1, 1, 1, 3, 1_000])


def _png_header(data: bytearray, chance: random.Random) -> None:
    """Change a field of IHDR; its checksum stays right."""
    if len(data) < 33:
        return
    start, kind = chance.choice([(16, ">I"), (20, ">I"), (24, "B"), (25, "B"), (26, "B"), (28, "B")])
    struct.pack_into(kind, data, start, chance.choice(_NUMBERS) % (1 << 8 * struct.calcsize(kind)))
    struct.pack_into(">I", data, 29, zlib.crc32(data[12:29]))


def _png_chunk(data: bytearray, chance: random.Random) -> None:
    """Insert a chunk with a right checksum: a second header, a palette, transparency, deflated zeros."""
    kind = chance.choice([b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"iCCP", b"zTXt", b"acTL", b"fdAT", b"eXIf"])
    body = chance.choice([b"", bytes(6), chance.randbytes(300), zlib.compress(bytes(1_000_000)), bytes(data[16:29])])
    chunk = struct.pack(">I", len(body)) + kind + body
    start = chance.choice([8, 33, max(8, len(data) - 12)])
    data[start:start] = chunk + struct.pack(">I", zlib.crc32(chunk[4:]))


def _tiff_entry(data: bytearray, chance: random.Random) -> None:
    """Change tag, type, count or value of an entry, or write one entry over another."""
    if len(data) < 16 or bytes(data[2:4]) not in {b"*\0", b"\0*"}:
        return
    order = "<" if data.startswith(b"II") else ">"
    (directory,) = struct.unpack_from(f"{order}I", data, 4)
    if directory + 2 > len(data):
        return
    (count,) = struct.unpack_from(f"{order}H", data, directory)
    start = directory + 2 + 12 * chance.randrange(max(1, min(count, 64)))
    if chance.random() < 0.2:
        other = directory + 2 + 12 * chance.randrange(max(1, min(count, 64)))
        _overwrite(data, start, bytes(data[other : other + 12]))
        return
    field, kind, values = chance.choice(
        [
            (0, "H", (256, 257, 258, 259, 262, 273, 277, 278, 279, 284, 317, 320, 322, 323, 324, 325, 338, 339, 34675)),
            (2, "H", (*range(1, 19), 129)),
            (4, "I", _NUMBERS),
            (8, "I", (*_NUMBERS, directory, 5, 7, 32773, 32946, 34712)),
        ]
    )
    _overwrite(data, start + field, struct.pack(order + kind, chance.choice(values)))


def _jpeg_segment(data: bytearray, chance: random.Random) -> None:
    """Change a field of a segment, or insert one segment again."""
    starts = [index for index in range(len(data) - 20) if data[index] == 0xFF and 0xC0 <= data[index + 1] <= 0xFE]
    if not starts:
        return
    start = chance.choice(starts[:20])
    length = 2 + int.from_bytes(data[start + 2 : start + 4], "big")
    if chance.random() < 0.3:
        piece = bytes(data[start : start + min(length, 1_000)])
        data[start:start] = piece * chance.choice([1, 2, 60])
    else:
        _overwrite(data, start + chance.choice([1, 2, 4, 5, 7, 9, 10, 11, 12]), chance.randbytes(chance.choice([1, 2])))


def _dicom_value(data: bytearray, chance: random.Random) -> None:
    """Change VR, length or value of an element that describes the pixels."""
    start = data.find(chance.choice(_TAGS))
    if start < 0:
        return
    choice = chance.randrange(4)
    if choice == 0:
        _overwrite(data, start + 4, chance.choice([b"UN", b"SQ", b"OW", b"UL", b"DS", b"\0\0", b"zz"]))
    elif choice == 1:
        _overwrite(data, start + chance.choice([4, 6, 8]), struct.pack("<I", chance.choice(_NUMBERS)))
    else:
        _overwrite(data, start + 8, struct.pack("<H", chance.choice(_NUMBERS) & 0xFFFF))


def _dicom_syntax(data: bytearray, chance: random.Random) -> None:
    """Declare another transfer syntax of the same length."""
    start = data.find(b"1.2.840.10008.1.2", 132)
    length = int.from_bytes(data[start - 2 : start], "little")
    if start > 0 and length < 64:
        _overwrite(data, start, chance.choice(_SYNTAXES)[:length].ljust(length, b"\0"))


def _dicom_insert(data: bytearray, chance: random.Random) -> None:
    """Insert sequences and items where an element starts."""
    start = data.find(chance.choice(_TAGS))
    if start >= 0:
        many = chance.choice([1, 10, 300, 3_000])
        data[start:start] = chance.choice([hostile.empty_items(many), hostile.nested(many), hostile.EMPTY_ITEM * many])
