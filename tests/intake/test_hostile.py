"""Files built to deceive or to exhaust a parser are refused from their headers, before a decoder sees them."""

import struct
import time
from collections.abc import Callable

import cv2
import numpy as np
import pytest

from services.common.errors import Rejected
from services.intake.decode import decode
from services.intake.raster import Raster
from services.intake.settings import Limits
from tests.intake import hostile
from tests.intake.files import LIMITS, encoded

Generator = Callable[[], bytes]


def refusal(data: bytes, limits: Limits = LIMITS) -> Rejected:
    """Every decoder of pixels is out of order: what is refused here never reached one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cv2, "imdecode", lambda *_: pytest.fail("decoded by OpenCV"))
        patch.setattr("services.intake.decode.dicom_frame.get_decoder", lambda *_: pytest.fail("decoded by pydicom"))
        with pytest.raises(Rejected) as caught:
            decode(data, limits)
    return caught.value


@pytest.mark.parametrize(
    ("generator", "most_bytes", "message"),
    [
        (hostile.tiff_with_two_sizes, 32_000, "more than one tag 256"),
        (hostile.tiff_with_tile, 1_000, "tiles of 30000x30000"),
        (hostile.dicom_with_decoy_size, 3_000, "7000 rows and 7000 columns"),
        (lambda: hostile.dicom_of_frame(hostile.codestream(components=9)), 2_000, "9 components"),
        (lambda: hostile.dicom_of_frame(hostile.codestream(tile=1)), 2_000, "too many tiles"),
        (lambda: hostile.dicom_of_frame(hostile.codestream(tile=0)), 2_000, "too many tiles"),
        (lambda: hostile.png_with_chunks(200_000), 3_000_000, "more than 100000 chunks"),
        (lambda: hostile.jpeg_with_segments(20_000), 100_000, "more than 10000 segments"),
    ],
)
def test_a_deceptive_file_is_corrupt(generator: Generator, most_bytes: int, message: str) -> None:
    data = generator()
    assert len(data) <= most_bytes
    rejected = refusal(data)
    assert (rejected.reason, message in rejected.message) == ("image_corrupt", True), rejected.message


@pytest.mark.parametrize(
    ("generator", "most_bytes"),
    [
        (hostile.dicom_with_empty_items, 95_000),
        (lambda: hostile.dicom_with_fragments(60_000), 500_000),
        (lambda: hostile.deflated(hostile.nested(5_000)), 1_000),
        (lambda: hostile.dicom_with_long_value("WindowWidth", b"1\\" * 530_000), 2_000_000),
        (lambda: hostile.dicom_with_long_value("Rows", bytes(2_000_000)), 2_100_000),
        (lambda: hostile.dicom_with_long_value("NumberOfFrames", b"9" * 2_000), 100_000),
        (lambda: hostile.dicom_with_long_table_descriptor(1_000_000), 5_000),
    ],
)
def test_a_dicom_file_of_very_many_objects_is_too_complex(generator: Generator, most_bytes: int) -> None:
    data = generator()
    assert len(data) <= most_bytes
    started = time.process_time()
    assert refusal(data).reason == "dicom_too_complex"
    assert time.process_time() - started < 5, "8 million items took 90 s"


def test_values_that_decoding_does_not_need_are_not_read() -> None:
    """Four thousand entries of a million numbers each took 25 GB."""
    started = time.process_time()
    assert refusal(hostile.tiff_with_overlapping_tables()).reason == "bits_unsupported"
    assert time.process_time() - started < 1


@pytest.mark.parametrize(
    ("generator", "reason"),
    [
        (lambda: hostile.tiff_with_many_depths(50_000), "bits_unsupported"),
        (lambda: hostile.dicom_with_long_value("PhotometricInterpretation", b"X" * 1_000), "photometric_unsupported"),
        (lambda: hostile.dicom_with_long_value("NumberOfFrames", b"9" * 1_000), "image_corrupt"),
    ],
)
def test_what_a_rejection_quotes_is_short(generator: Generator, reason: str) -> None:
    """A message of megabytes would not fit into a dead letter."""
    rejected = refusal(generator())
    assert rejected.reason == reason
    assert len(rejected.message) + len(str(rejected.details)) < 4_000


def test_fill_bytes_before_a_marker_cost_nothing() -> None:
    started = time.process_time()
    assert isinstance(decode(hostile.jpeg_with_fill(30_000_000), LIMITS), Raster)
    assert time.process_time() - started < 2


@pytest.mark.parametrize("extended", [False, True])
def test_an_honest_jp2_file_is_decoded(extended: bool) -> None:
    """The decoy does not get a good file refused either."""
    decoy = hostile.box(b"uuid", hostile.empty_codestream(100, 100)[:60])
    frame = hostile.jp2(hostile.SIDE, hostile.SIDE, hostile.codestream(), before=decoy, extended=extended)
    # All its pixels are black.
    assert not decode(hostile.dicom_of_frame(frame), LIMITS).pixels.any()


@pytest.mark.parametrize(
    "frame",
    [
        hostile.jp2(256, 256, b"no codestream" * 10),
        hostile.jp2(256, 256, hostile.codestream(), before=struct.pack(">I4s", 3, b"free")),
        hostile.jp2(256, 256, hostile.codestream(), before=struct.pack(">I4s", 1 << 31, b"free")),
        hostile.jp2(256, 256, hostile.codestream(), before=hostile.box(b"free", b"") * 2_000),
        b"junk" + hostile.codestream(),
    ],
)
def test_a_jp2_file_without_a_codestream_where_it_should_be_is_refused(frame: bytes) -> None:
    assert refusal(hostile.dicom_of_frame(frame)).reason in {"image_corrupt", "image_truncated"}


def test_sequences_of_real_length_are_read() -> None:
    assert isinstance(decode(hostile.deflated(hostile.empty_items(2_000)), LIMITS), Raster)
    assert isinstance(decode(hostile.dicom_with_fragments(500), LIMITS), Raster)
    assert refusal(hostile.deflated(hostile.empty_items(2_000)), Limits(most_dicom_elements=500)).details == {
        "what": "elements and items",
        "limit": 500,
    }


def test_memory_that_runs_out_is_not_a_corrupt_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """A codec may replace the error with one of its own, as pydicom does."""

    def exhausted(*_: object) -> None:
        try:
            raise MemoryError
        except MemoryError as error:
            msg = "all decoders failed"
            raise RuntimeError(msg) from error

    monkeypatch.setattr(cv2, "imdecode", exhausted)
    with pytest.raises(MemoryError):
        decode(encoded(np.zeros((200, 200), np.uint8), ".png"), LIMITS)
