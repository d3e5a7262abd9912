"""DICOM: every transfer syntax that centres send, and what stored values mean."""

import io
import zlib
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, get_frame
from pydicom.sequence import Sequence
from pydicom.uid import JPEGBaseline8Bit, JPEGLossless, JPIPHTJ2KReferenced

from services.common.errors import Rejected
from services.intake.decode import decode
from services.intake.decode.errors import corrupt_if_it_fails
from services.intake.raster import Raster
from services.intake.settings import Limits
from tests.intake.files import dicom, encoded, exposure, grey

SMALL = Limits(least_side=32)
STORED = grey(exposure(side=256), 12)


def sample(name: str) -> bytes:
    path = get_testdata_file(name, download=False)
    if not isinstance(path, str):
        pytest.skip(f"{name} comes with the package pydicom-data")
    return Path(path).read_bytes()


def decoded(name: str) -> Raster:
    return decode(sample(name), SMALL)


def refusal(data: bytes, limits: Limits = SMALL) -> str:
    with pytest.raises(Rejected) as caught:
        decode(data, limits)
    return caught.value.reason


@pytest.mark.parametrize(
    "name",
    [
        "MR_small_implicit.dcm",
        "MR_small_bigendian.dcm",
        "MR_small_RLE.dcm",
        "MR_small_jp2klossless.dcm",
        "MR_small_jpeg_ls_lossless.dcm",
    ],
)
def test_lossless_transfer_syntaxes_give_the_same_image(name: str) -> None:
    assert np.array_equal(decoded(name).pixels, decoded("MR_small.dcm").pixels)


@pytest.mark.parametrize("series", ["RG3", "MR2", "693"])
def test_jpeg_2000_of_real_devices(series: str) -> None:
    plain = decoded(f"{series}_UNCI.dcm").pixels.astype(float)
    lossy = decoded(f"{series}_J2KI.dcm").pixels.astype(float)
    assert np.corrcoef(plain.ravel(), lossy.ravel())[0, 1] > 0.98


def test_deflated_and_baseline_jpeg() -> None:
    assert decoded("image_dfl.dcm").facts["transfer_syntax"] == "1.2.840.10008.1.2.1.99"
    assert decoded("SC_rgb_jpeg_dcmtk.dcm").pixels.shape == (100, 100)
    jpeg = encoded(grey(exposure(side=256)), ".jpg")
    data = dcmread(io.BytesIO(dicom(grey(exposure(side=256)), bits=8)))
    data.PixelData = encapsulate([jpeg])
    data["PixelData"].VR, data["PixelData"].is_undefined_length = "OB", True
    data.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    stream = io.BytesIO()
    data.save_as(stream)
    difference = decode(stream.getvalue(), SMALL).pixels / 257 - grey(exposure(side=256))
    assert np.abs(difference).mean() < 3


@pytest.mark.parametrize(("name", "highest"), [("JPEG-LL.dcm", 33046), ("JPGExtended.dcm", 4225)])
def test_lossless_and_12_bit_jpeg(name: str, highest: int) -> None:
    assert int(decoded(name).pixels.max()) == highest


@pytest.mark.parametrize("name", ["JPEG-LL.dcm", "JPGExtended.dcm"])
def test_a_deep_jpeg_with_an_end_but_missing_data_is_rejected(name: str) -> None:
    data = dcmread(io.BytesIO(sample(name)))
    frame = get_frame(data.PixelData, 0, number_of_frames=1)
    end = frame.rindex(b"\xff\xd9")
    data.PixelData = encapsulate([frame[: end // 2] + frame[end:]])
    data["PixelData"].is_undefined_length = True
    stream = io.BytesIO()
    data.save_as(stream)
    assert refusal(stream.getvalue()) == "image_truncated"


def test_a_syntax_without_decoder_is_named() -> None:
    data = dcmread(io.BytesIO(sample("MR_small_jp2klossless.dcm")))
    data.file_meta.TransferSyntaxUID = JPIPHTJ2KReferenced
    stream = io.BytesIO()
    data.save_as(stream)
    assert refusal(stream.getvalue()) == "transfer_syntax_unsupported"


def test_monochrome1_is_inverted_once() -> None:
    bright = decode(dicom(STORED, bits=12), SMALL).pixels.astype(int)
    dark = decode(dicom(4095 - STORED, bits=12, photometric="MONOCHROME1"), SMALL).pixels.astype(int)
    assert np.abs(bright - dark).max() <= 1


def test_rescale_signed_values_and_bits_above_those_stored_do_not_change_the_image() -> None:
    expected = decode(dicom(STORED, bits=12), SMALL).pixels
    rescaled = dicom(STORED, bits=12, RescaleSlope="2", RescaleIntercept="-1024")
    assert np.array_equal(decode(rescaled, SMALL).pixels, expected)
    signed = dicom((STORED.astype(np.int16) - 2048), bits=12)
    assert np.array_equal(decode(signed, SMALL).pixels, expected)
    overlaid = dicom(STORED | 0x8000, bits=12)
    assert np.array_equal(decode(overlaid, SMALL).pixels, expected)


def test_a_window_is_applied_after_the_rescale() -> None:
    raster = decode(
        dicom(STORED, bits=12, RescaleSlope="2", RescaleIntercept="-1000", WindowCenter="3000", WindowWidth="2000"),
        SMALL,
    )
    shown = STORED.astype(float) * 2 - 1000
    assert raster.facts["window"] == "window"
    assert np.all(raster.pixels[shown <= 1999] == 0)
    assert np.all(raster.pixels[shown > 4001] == 65535)
    assert raster.stored_range == pytest.approx(decode(dicom(STORED, bits=12), SMALL).stored_range)


def test_a_window_without_width_is_ignored() -> None:
    data = dicom(STORED, bits=12, WindowCenter="0", WindowWidth="0")
    assert decode(data, SMALL).facts["window"] == "none"


def test_lookup_tables() -> None:
    item = Dataset()
    item.LUTDescriptor = [4096, 0, 16]
    item.LUTData = np.arange(65535, 0, -16, dtype=np.uint16).tobytes()
    for keyword in ("ModalityLUTSequence", "VOILUTSequence"):
        extra = {"ModalityLUTType": "US"} if keyword.startswith("Modality") else {}
        table = Dataset()
        table.update(item)
        for name, value in extra.items():
            setattr(table, name, value)
        pixels = decode(dicom(STORED, bits=12, photometric="MONOCHROME2", **{keyword: Sequence([table])}), SMALL).pixels
        assert np.corrcoef(pixels.ravel(), STORED.ravel())[0, 1] < -0.999


def test_a_file_without_preamble() -> None:
    data = dicom(STORED, bits=12)
    assert np.array_equal(decode(data[132:], SMALL).pixels, decode(data, SMALL).pixels)


def test_frames() -> None:
    frames = np.stack([STORED, STORED // 2])
    assert np.array_equal(decode(dicom(frames, bits=12), SMALL).pixels, decode(dicom(STORED, bits=12), SMALL).pixels)
    assert refusal(dicom(np.stack([STORED] * 5), bits=12)) == "too_many_frames"


def test_sizes_are_rejected_before_decoding() -> None:
    data = dicom(STORED, bits=12, Rows=60_000, Columns=60_000)
    assert refusal(data) == "image_too_many_pixels"
    assert refusal(dicom(STORED, bits=12, Rows=20)) == "image_too_small"


def test_a_deflated_bomb_is_stopped() -> None:
    whole = sample("image_dfl.dcm")
    start = 132 + 12 + int.from_bytes(whole[140:144], "little")
    deflater = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    bomb = deflater.compress(bytes(50_000_000)) + deflater.flush()
    assert refusal(whole[:start] + bomb, Limits(most_bytes=1_000_000)) == "image_too_many_bytes"
    assert refusal(whole[:-200]) == "image_truncated"


def test_a_compressed_frame_of_another_size_than_declared_is_rejected() -> None:
    data = dcmread(io.BytesIO(sample("MR_small_jp2klossless.dcm")))
    data.Rows = 60
    stream = io.BytesIO()
    data.save_as(stream)
    assert refusal(stream.getvalue()) == "image_corrupt"


@pytest.mark.parametrize(
    "name", ["MR_small.dcm", "MR_small_RLE.dcm", "MR_small_jp2klossless.dcm", "MR_small_jpeg_ls_lossless.dcm"]
)
def test_a_file_cut_anywhere_is_rejected(name: str) -> None:
    data = sample(name)
    for share in (0.1, 0.5, 0.9, 0.97):
        reason = refusal(data[: int(len(data) * share)])
        assert reason in {"image_truncated", "image_corrupt", "dicom_without_picture", "bits_unsupported"}


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (dicom(STORED, bits=12, PhotometricInterpretation="PALETTE COLOR"), "photometric_unsupported"),
        (dicom(STORED, bits=12, BitsAllocated=32, BitsStored=32), "bits_unsupported"),
        (dicom(STORED, bits=12, SamplesPerPixel=3), "image_corrupt"),
    ],
)
def test_pixels_that_are_not_grey_are_rejected(data: bytes, reason: str) -> None:
    assert refusal(data) == reason


def test_a_report_without_pixels_has_its_own_reason() -> None:
    assert refusal(sample("test-SR.dcm")) == "dicom_without_picture"


def test_a_syntax_that_is_not_an_image_coding_is_rejected() -> None:
    data = dcmread(io.BytesIO(dicom(STORED, bits=12)))
    data.file_meta.TransferSyntaxUID = JPEGLossless
    data.PixelData = encapsulate([b"\xff\xd8\xff\xd9"])
    data["PixelData"].VR, data["PixelData"].is_undefined_length = "OB", True
    stream = io.BytesIO()
    data.save_as(stream)
    assert refusal(stream.getvalue()) == "image_corrupt"


def test_a_codec_panic_rejects_the_file() -> None:
    """Rust panics are not an Exception: found by changing bytes of this file at random."""
    data = bytearray(sample("MR_small_RLE.dcm"))
    frame = data.index(b"\xfe\xff\x00\xe0", data.index(b"\xe0\x7f\x10\x00") + 20) + 8
    data[frame + 64 : frame + 64 + 3000] = b"\x7f" * 3000
    assert refusal(bytes(data)) == "image_corrupt"


def test_an_interrupt_is_not_treated_as_a_bad_file() -> None:
    with pytest.raises(KeyboardInterrupt), corrupt_if_it_fails("file"):
        raise KeyboardInterrupt
