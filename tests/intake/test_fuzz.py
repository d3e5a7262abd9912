"""Changed and cut files give a view or a reason, never another error."""

from pathlib import Path

import cv2
import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.data import get_testdata_file

from services.common.errors import Rejected
from services.intake.settings import Limits
from services.intake.standardise import StandardView, standardise
from tests.intake.files import dicom, encoded, exposure, grey

LIMITS = Limits(least_side=32, most_pixels=2_000_000, most_bytes=4_000_000)
SIGNATURES = [
    b"\x89PNG\r\n\x1a\n",
    b"\xff\xd8\xff",
    b"BM",
    b"II*\0",
    b"MM\0*",
    b"II+\0",
    bytes(128) + b"DICM",
    b"\x08\0",
]
SMALL = grey(exposure(side=192))


def _seeds() -> list[bytes]:
    files = [encoded(SMALL, extension) for extension in (".png", ".jpg", ".bmp", ".tiff")]
    files.append(encoded(SMALL, ".jpg", cv2.IMWRITE_JPEG_PROGRESSIVE, 1))
    files.append(encoded(cv2.cvtColor(SMALL, cv2.COLOR_GRAY2BGRA), ".png"))
    files.append(encoded(SMALL.astype(np.uint16) * 257, ".tiff", cv2.IMWRITE_TIFF_COMPRESSION, 5))
    files.append(dicom(SMALL.astype(np.uint16), bits=12, WindowCenter="128", WindowWidth="200"))
    for name in ("MR_small_RLE.dcm", "MR_small_jp2klossless.dcm", "MR_small_jpeg_ls_lossless.dcm", "image_dfl.dcm"):
        path = get_testdata_file(name, download=False)
        if isinstance(path, str):
            files.append(Path(path).read_bytes())
    return files


SEEDS = _seeds()


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A good file with up to eight changed bytes, mostly in its headers, and perhaps cut or doubled."""
    data = bytearray(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(0, 8))):
        place = draw(st.one_of(st.integers(0, min(700, len(data) - 1)), st.integers(0, len(data) - 1)))
        data[place] = draw(st.integers(0, 255))
    if draw(st.booleans()):
        start, length = draw(st.integers(0, len(data))), draw(st.integers(0, 400))
        del data[start : start + length]
    if draw(st.booleans()):
        del data[draw(st.integers(0, len(data))) :]
    return bytes(data)


def outcome(data: bytes) -> StandardView | str:
    """The view, or the reason of its rejection; any other error fails the test."""
    try:
        return standardise(data, "DV", LIMITS)
    except Rejected as refused:
        return refused.reason


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(damaged())
def test_a_damaged_file_gives_a_view_or_a_reason(data: bytes) -> None:
    result = outcome(data)
    if isinstance(result, str):
        assert result.isidentifier()
    else:
        assert result.pixels.shape == (448, 448)
        assert np.isfinite(list(result.scores.values())).all()


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.sampled_from(SIGNATURES), st.binary(max_size=300))
def test_noise_behind_a_signature_gives_a_reason(start: bytes, rest: bytes) -> None:
    assert isinstance(outcome(start + rest), str)
