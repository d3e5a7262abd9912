"""JPEG, PNG, BMP and TIFF: decoded by content and exactly, or refused with the right reason."""

import struct
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from services.common.errors import Rejected
from services.intake.decode import decode
from services.intake.settings import Limits
from tests.intake.files import LIMITS, encoded, exposure, grey, png_header

BYTE = grey(exposure(side=256))
DEEP = grey(exposure(side=256), 16)
COLOUR = cv2.cvtColor(BYTE, cv2.COLOR_GRAY2BGR)
BIG = 100_000


def refusal(data: bytes, limits: Limits = LIMITS) -> str:
    with pytest.raises(Rejected) as caught:
        decode(data, limits)
    assert caught.value.message
    return caught.value.reason


@pytest.mark.parametrize(
    ("image", "extension", "options"),
    [
        (BYTE, ".png", ()),
        (DEEP, ".png", ()),
        (COLOUR, ".png", ()),
        (BYTE, ".bmp", ()),
        (COLOUR, ".bmp", ()),
        (BYTE, ".tiff", ()),
        (DEEP, ".tiff", ()),
        (DEEP, ".tiff", (cv2.IMWRITE_TIFF_COMPRESSION, 5)),
        (DEEP, ".tiff", (cv2.IMWRITE_TIFF_COMPRESSION, 8)),
        (DEEP, ".tiff", (cv2.IMWRITE_TIFF_COMPRESSION, 1)),
    ],
)
def test_a_lossless_file_keeps_its_pixels(image: NDArray[Any], extension: str, options: tuple[int, ...]) -> None:
    raster = decode(encoded(image, extension, *options), LIMITS)
    expected = DEEP if image.dtype == np.uint16 else BYTE
    assert raster.pixels.dtype == expected.dtype
    assert np.abs(raster.pixels.astype(int) - expected).max() <= (0 if image.ndim == 2 else 1)
    assert "transparent" not in raster.facts


@pytest.mark.parametrize("image", [BYTE, COLOUR])
@pytest.mark.parametrize("progressive", [0, 1])
def test_a_jpeg_is_almost_the_same(image: NDArray[Any], progressive: int) -> None:
    raster = decode(encoded(image, ".jpg", cv2.IMWRITE_JPEG_PROGRESSIVE, progressive), LIMITS)
    assert np.abs(raster.pixels.astype(int) - BYTE).mean() < 3


def test_transparent_pixels_take_the_level_of_their_neighbours() -> None:
    image = cv2.cvtColor(BYTE, cv2.COLOR_GRAY2BGRA)
    image[:40] = (255, 255, 255, 0)
    raster = decode(encoded(image, ".png"), LIMITS)
    assert raster.facts["transparent"] == pytest.approx(40 / len(BYTE), abs=1e-3)
    assert np.array_equal(raster.pixels[40:], BYTE[40:])
    assert np.all(raster.pixels[:40] == int(np.median(BYTE[40:42])))
    image[..., 3] = 0
    assert refusal(encoded(image, ".png")) == "blank"


def test_the_declared_name_and_leading_bytes_of_other_formats_do_not_matter() -> None:
    assert refusal(b"GIF89a" + bytes(100)) == "format_unsupported"
    assert refusal(b"%PDF-1.7" + bytes(100)) == "format_unsupported"
    assert refusal(b"") == "image_empty"


@pytest.mark.parametrize("extension", [".png", ".bmp", ".tiff", ".jpg"])
def test_a_file_cut_anywhere_is_rejected(extension: str) -> None:
    data = encoded(BYTE, extension)
    for share in (0.02, 0.3, 0.5, 0.9, 0.99):
        assert refusal(data[: int(len(data) * share)]) in {"image_truncated", "image_corrupt", "image_too_small"}
    assert refusal(data[:-1]) in {"image_truncated", "image_corrupt"}


def test_a_changed_byte_in_a_png_is_rejected() -> None:
    data = bytearray(encoded(BYTE, ".png"))
    data[len(data) // 2] ^= 0x10
    assert refusal(bytes(data)) == "image_corrupt"


@pytest.mark.parametrize("image", [BYTE, COLOUR])
def test_a_jpeg_with_an_end_but_missing_data_is_rejected(image: NDArray[Any]) -> None:
    data = encoded(image, ".jpg")
    for lacking in (40, 400, len(data) // 2):
        assert refusal(data[: -2 - lacking] + data[-2:]) == "image_corrupt"


def test_sizes_are_rejected_before_decoding() -> None:
    jpeg = bytearray(encoded(BYTE, ".jpg"))
    start = jpeg.index(b"\xff\xc0")
    jpeg[start + 5 : start + 9] = struct.pack(">HH", 65_500, 65_500)
    bitmap = bytearray(encoded(BYTE, ".bmp"))
    bitmap[18:26] = struct.pack("<ii", BIG, BIG)
    tiff = (
        b"II*\0"
        + struct.pack("<IH", 8, 2)
        + b"".join(struct.pack("<HHII", tag, 4, 1, BIG) for tag in (256, 257))
        + struct.pack("<I", 0)
    )
    for data in (png_header(BIG, BIG), bytes(jpeg), bytes(bitmap), tiff):
        assert refusal(data) == "image_too_many_pixels"
    assert refusal(png_header(BIG, 8)) == "image_too_small"


def test_bytes_are_limited() -> None:
    assert refusal(encoded(BYTE, ".bmp"), Limits(most_bytes=1000)) == "image_too_many_bytes"


def test_a_tiff_with_many_pages_is_rejected() -> None:
    done, data = cv2.imencodemulti(".tiff", [BYTE] * 6)
    assert done
    assert refusal(bytes(data)) == "too_many_frames"
    done, data = cv2.imencodemulti(".tiff", [DEEP, DEEP // 2])
    assert np.array_equal(decode(bytes(data), LIMITS).pixels, DEEP)


def test_a_tiff_with_circular_directories_does_not_loop() -> None:
    tiff = bytearray(encoded(BYTE, ".tiff", cv2.IMWRITE_TIFF_COMPRESSION, 1))
    start = struct.unpack_from("<I", tiff, 4)[0]
    entries = struct.unpack_from("<H", tiff, start)[0]
    struct.pack_into("<I", tiff, start + 2 + 12 * entries, start)
    assert refusal(bytes(tiff)) == "too_many_frames"


def test_samples_of_other_depths_are_rejected() -> None:
    assert refusal(encoded(BYTE.astype(np.float32), ".tiff")) == "bits_unsupported"


def test_a_compressed_bmp_is_rejected() -> None:
    data = bytearray(encoded(BYTE, ".bmp"))
    data[30:34] = struct.pack("<I", 1)
    assert refusal(bytes(data)) == "format_unsupported"


def test_a_big_tiff_is_read_and_its_offsets_are_not_trusted() -> None:
    entries = (
        (256, 4, 128),
        (257, 4, 128),
        (258, 3, 8),
        (273, 16, 16),
        (279, 16, 128 * 128),
        (262, 3, 1),
        (278, 4, 128),
    )
    picture = bytes(grey(exposure(side=128)).tobytes())
    directory = 16 + len(picture)
    body = b"".join(struct.pack("<HHQQ", tag, kind, 1, value) for tag, kind, value in sorted(entries))
    head = b"II+\0" + struct.pack("<HHQ", 8, 0, directory)
    data = head + picture + struct.pack("<Q", len(entries)) + body + struct.pack("<Q", 0)
    assert np.array_equal(decode(data, LIMITS).pixels.ravel(), np.frombuffer(picture, np.uint8))
    assert refusal(head[:8] + b"\xff" * 8 + data[16:]) == "image_truncated"
