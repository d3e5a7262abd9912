"""Every centre's files can be decoded, and the cohort describes each."""

import io
from collections import Counter

import cv2
import numpy as np
import pydicom
import pytest
from pydicom.pixels.processing import apply_rescale, apply_voi

from services.common.errors import Rejected
from training.simulation import (
    CENTRES,
    STYLES,
    EncodedImage,
    Radiograph,
    cohort,
    encode,
    make_specimen,
    render,
    style_of,
)

SIDE = 400
SEEDS = range(4)


def file_of(centre: str, seed: int, view: str = "DV") -> tuple[EncodedImage, Radiograph]:
    radiograph = render(make_specimen(20 + seed, centre=centre), view, seed, side=SIDE)
    return encode(radiograph, seed=seed), radiograph


def exposed(radiograph: Radiograph) -> np.ndarray:
    field = np.zeros_like(radiograph.mask)
    box = radiograph.collimated
    field[box.top : box.bottom, box.left : box.right] = True
    return field


def decoded(image: EncodedImage) -> np.ndarray:
    pixels = cv2.imdecode(np.frombuffer(image.data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert pixels is not None
    return pixels


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("centre", [c for c in STYLES if style_of(c).storage.kind == "dicom"])
def test_dicom_decodes_back(centre: str, seed: int) -> None:
    image, radiograph = file_of(centre, seed)
    storage = style_of(centre).storage
    dataset = pydicom.dcmread(io.BytesIO(image.data))
    pixels = dataset.pixel_array
    assert image.file_name.endswith(".dcm")
    assert pixels.shape == radiograph.transmission.shape
    assert int(pixels.max()) < 1 << storage.bits
    assert dataset.PatientID == str(100_020 + seed)
    assert dataset.file_meta.TransferSyntaxUID.keyword in storage.syntaxes
    expected = "MONOCHROME1" if storage.dark_bone == 1.0 else "MONOCHROME2"
    assert dataset.PhotometricInterpretation == expected
    shown = apply_voi(apply_rescale(pixels, dataset), dataset).astype(float)
    shown = -shown if expected == "MONOCHROME1" else shown
    assert shown[radiograph.mask].mean() > shown[~radiograph.mask & exposed(radiograph)].mean() + 0.1 * np.ptp(shown)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("centre", [c for c in STYLES if style_of(c).storage.kind != "dicom"])
def test_pictures_decode_back(centre: str, seed: int) -> None:
    image, radiograph = file_of(centre, seed)
    pixels = decoded(image)
    assert pixels.shape[:2] == radiograph.transmission.shape
    assert pixels.dtype == (np.uint16 if style_of(centre).storage.bits > 8 else np.uint8)


def files_of(centre: str, count: int) -> list[EncodedImage]:
    radiograph = render(make_specimen(20, centre=centre), "DV", 0, side=SIDE)
    return [encode(radiograph, seed=seed) for seed in range(count)]


def test_every_transfer_syntax_occurs() -> None:
    seen = set()
    for centre in ("WTSI", "HMGU", "MRC Harwell", "JAX"):
        for image in files_of(centre, 10):
            seen.add(pydicom.dcmread(io.BytesIO(image.data)).file_meta.TransferSyntaxUID.keyword)
    assert seen >= {
        "ImplicitVRLittleEndian",
        "ExplicitVRLittleEndian",
        "RLELossless",
        "JPEGLSLossless",
        "JPEG2000Lossless",
        "DeflatedExplicitVRLittleEndian",
    }


def test_alpha_channels_and_dark_bones_occur() -> None:
    assert {decoded(image).ndim for image in files_of("UC Davis", 10)} == {2, 3}
    assert {int(np.median(decoded(image)[-6:]) > 127) for image in files_of("ICS", 10)} == {0, 1}


@pytest.mark.parametrize("centre", STYLES)
def test_the_same_seed_gives_the_same_file(centre: str) -> None:
    assert file_of(centre, 1)[0] == file_of(centre, 1)[0]


@pytest.mark.parametrize(
    ("view", "parameter"),
    [
        ("DV", "IMPC_XRY_034_001"),
        ("LAT", "IMPC_XRY_048_001"),
        ("FOREPAW", "IMPC_XRY_049_001"),
        ("SKULL_LAT", "IMPC_XRY_050_001"),
        ("SKULL_DV", "IMPC_XRY_051_001"),
        ("HINDQUARTERS", "IMPC_XRY_052_001"),
    ],
)
def test_each_view_has_its_own_parameter_id(view: str, parameter: str) -> None:
    assert file_of("BCM", 0, view)[0].parameter_stable_id == parameter


def test_an_unknown_centre_is_refused() -> None:
    with pytest.raises(Rejected) as refusal:
        style_of("Atlantis")
    assert refusal.value.reason == "unknown_centre"


def test_a_simple_cohort_is_one_clean_pair_each() -> None:
    submissions = list(cohort(4, 2, simple=True, side=SIDE))
    assert len({s.specimen.biological_sample_id for s in submissions}) == 4
    for submission in submissions:
        assert [image.view for image in submission.images] == ["DV", "LAT"]
        assert {image.expected for image in submission.images} == {"accepted"}
        assert submission.call_expected


def test_a_cohort_contains_and_describes_every_defect() -> None:
    submissions = list(cohort(21, 5, side=SIDE))
    images = [image for submission in submissions for image in submission.images]
    seen = Counter(image.expected for image in images)
    assert set(seen) >= {
        "accepted",
        "duplicate",
        "wrong_view",
        "corrupt",
        "blank",
        "over_exposed",
        "cut",
        "two_animals",
    }
    assert any(image.late for image in images)
    assert {submission.specimen.centre for submission in submissions} == set(CENTRES)
    for submission in submissions:
        of_kind = {image.expected: image for image in submission.images}
        if "duplicate" in of_kind:
            twins = [i for i in submission.images if i.image.data == of_kind["duplicate"].image.data]
            assert len(twins) == 2
        if "wrong_view" in of_kind:
            wrong = of_kind["wrong_view"]
            assert (wrong.view == "DV") == (wrong.image.parameter_stable_id == "IMPC_XRY_048_001")


def test_a_cohort_is_deterministic() -> None:
    first, again = (list(cohort(3, 9, side=SIDE)) for _ in range(2))
    assert first == again
