"""From a file to a view: finding the animal, rotation, framing and quality checks."""

import cv2
import numpy as np
import pytest

from services.common.errors import Rejected
from services.common.events.base import View
from services.common.preprocessing import VIEW_SIDE
from services.intake.animal.find import find
from services.intake.decode import decode
from services.intake.standardise import StandardView, encode_view, standardise
from tests.intake.files import LIMITS, dicom, encoded, exposure, grey, stored_pixels
from training.simulation.files import encode
from training.simulation.imaging.radiograph import Radiograph
from training.simulation.render import render
from training.simulation.specimen import make_specimen


def view_of(picture: Radiograph, declared: View | None = None) -> StandardView:
    return standardise(encoded(grey(picture), ".png"), declared, LIMITS)


def refusal(data: bytes, declared: View | None = "DV") -> Rejected:
    with pytest.raises(Rejected) as caught:
        standardise(data, declared, LIMITS)
    assert caught.value.message
    return caught.value


def likeness(one: StandardView, other: StandardView) -> float:
    return float(np.corrcoef(one.pixels.ravel(), other.pixels.ravel())[0, 1])


@pytest.mark.parametrize("head_angle", [-170.0, -95.0, -30.0, 0.0, 60.0, 140.0])
@pytest.mark.parametrize("view", ["DV", "LAT"])
def test_an_animal_at_any_angle_is_turned_upright(view: View, head_angle: float) -> None:
    found = view_of(exposure(view, head_angle=head_angle), view)
    straight = view_of(exposure(view, head_angle=0.0), view)
    assert found.view == view
    assert "orientation_uncertain" not in found.flags
    assert likeness(found, straight) > 0.85
    expected = -head_angle if view == "DV" else 90 - head_angle
    turned = float(str(found.provenance["rotation_degrees"]))
    assert abs((turned - expected + 180) % 360 - 180) < 15


@pytest.mark.parametrize("view", ["DV", "LAT"])
def test_the_whole_animal_is_framed_with_a_small_margin(view: View) -> None:
    pixels = view_of(exposure(view, seed=8, head_angle=75.0), view).pixels
    assert pixels.shape == (VIEW_SIDE, VIEW_SIDE)
    assert pixels.dtype == np.uint8
    rows, columns = np.nonzero(pixels > 25)
    edges = [rows.min(), columns.min(), VIEW_SIDE - 1 - rows.max(), VIEW_SIDE - 1 - columns.max()]
    assert min(edges) >= 5
    assert min(edges) <= 25
    assert np.median(pixels[[0, -1]]) <= 2
    assert pixels.max() > 240


def test_bone_is_bright_for_either_polarity_of_the_file() -> None:
    bright = grey(exposure())
    expected = standardise(encoded(bright, ".png"), "DV", LIMITS)
    dark = standardise(encoded(255 - bright, ".bmp"), "DV", LIMITS)
    assert likeness(dark, expected) > 0.995
    assert "polarity_inverted" in dark.flags
    assert "polarity_inverted" not in expected.flags
    stored = grey(exposure(), 12)
    tagged = standardise(dicom(4095 - stored, bits=12, photometric="MONOCHROME1"), "DV", LIMITS)
    assert likeness(tagged, expected) > 0.99
    assert not tagged.flags
    wrongly_tagged = standardise(dicom(stored, bits=12, photometric="MONOCHROME1"), "DV", LIMITS)
    assert "polarity_contradicts_file" in wrongly_tagged.flags
    assert likeness(wrongly_tagged, expected) > 0.99


def test_a_mirrored_dv_is_flagged_and_never_flipped() -> None:
    plain, mirrored = view_of(exposure()), view_of(exposure(mirrored=True))
    assert "mirrored_suspected" in mirrored.flags
    assert "mirrored_suspected" not in plain.flags
    assert mirrored.scores["mirrored"] > 0.9
    assert plain.scores["mirrored"] < 0.1
    assert mirrored.provenance["flipped"] is False
    assert np.corrcoef(mirrored.pixels.ravel(), plain.pixels[:, ::-1].ravel())[0, 1] > 0.8


def test_a_lat_faces_left_with_its_back_up() -> None:
    plain, mirrored = view_of(exposure("LAT")), view_of(exposure("LAT", mirrored=True))
    assert mirrored.provenance["flipped"] is True
    assert plain.provenance["flipped"] is False
    assert likeness(mirrored, plain) > 0.85


def test_the_image_decides_the_view() -> None:
    lateral = view_of(exposure("LAT"), "DV")
    assert lateral.view == "LAT"
    assert "view_contradicts_parameter" in lateral.flags
    assert view_of(exposure("LAT"), None).flags == ()


@pytest.mark.parametrize("close_up", ["SKULL_DV", "SKULL_LAT", "FOREPAW", "HINDQUARTERS"])
def test_a_close_up_is_rejected(close_up: str) -> None:
    reason = refusal(encoded(grey(exposure(close_up)), ".png")).reason
    assert reason in {"not_whole_body", "cut_off"}


@pytest.mark.parametrize(
    ("trouble", "reasons"),
    [
        ("blank", {"blank"}),
        ("over_exposed", {"over_exposed"}),
        ("two_animals", {"several_animals"}),
        ("cut", {"cut_off", "not_whole_body"}),
    ],
)
def test_bad_images_are_rejected_with_their_reason(trouble: str, reasons: set[str]) -> None:
    picture = exposure(seed=6, trouble=trouble)
    assert refusal(encoded(grey(picture), ".png")).reason in reasons


def test_a_near_empty_exposure_is_blank_however_it_is_windowed() -> None:
    rng = np.random.default_rng(5)
    slope = np.linspace(0, 30, 700)[:, None] + np.linspace(0, 20, 600)[None, :]
    stored = (2000 + slope + rng.normal(0, 4, (700, 600))).astype(np.uint16)
    windowed = dicom(stored, bits=16, WindowCenter="2040", WindowWidth="16")
    assert refusal(windowed).reason == "blank"
    assert refusal(encoded(np.full((300, 300), 77, np.uint8), ".png")).reason == "blank"
    noise = rng.integers(0, 256, (512, 512), dtype=np.uint8)
    assert refusal(encoded(noise, ".png")).reason == "blank"


def test_a_jump_of_brightness_across_the_image_is_rejected() -> None:
    picture = grey(exposure()).astype(int)
    picture[: picture.shape[0] // 2] += 70
    refused = refusal(encoded(np.clip(picture, 0, 255).astype(np.uint8), ".png"))
    assert refused.reason == "sharp_steps"
    assert refused.details["value"] > refused.details["limit"]


def test_lead_letters_text_and_blades_do_not_reach_the_view() -> None:
    clean = grey(exposure("LAT", head_angle=80.0))
    busy = clean.copy()
    busy[:, :20] = busy[:, -20:] = 170
    cv2.putText(busy, "R", (40, 90), cv2.FONT_HERSHEY_SIMPLEX, 1.6, 255, 5)
    cv2.putText(busy, "26 kV 10 s", (30, 30), cv2.FONT_HERSHEY_SIMPLEX, 0.5, 255, 1)
    plain, marked = (standardise(encoded(image, ".png"), "LAT", LIMITS) for image in (clean, busy))
    assert marked.scores["animals"] == 1
    assert marked.provenance["other_objects"] is True
    assert likeness(plain, marked) > 0.95
    near = cv2.dilate((plain.pixels > 20).astype(np.uint8), np.ones((31, 31), np.uint8)) > 0
    assert marked.pixels[~near].max() < 20


def test_transparent_pixels_may_have_any_value() -> None:
    picture = exposure()
    opaque = grey(picture)
    image = cv2.cvtColor(opaque, cv2.COLOR_GRAY2BGRA)
    hidden = ~cv2.dilate(picture.mask.astype(np.uint8), np.ones((25, 25), np.uint8)).astype(bool)
    noise = np.random.default_rng(1).integers(0, 256, (*opaque.shape, 3), dtype=np.uint8)
    image[hidden, :3], image[hidden, 3] = noise[hidden], 0
    seen = standardise(encoded(image, ".png"), "DV", LIMITS)
    # Another background turns the animal's axis by up to half a degree, which alone lowers the likeness to 0.984.
    assert likeness(seen, standardise(encoded(opaque, ".png"), "DV", LIMITS)) > 0.975


@pytest.mark.parametrize(("seed", "centre", "view"), [(7001, "WTSI", "DV"), (7014, "UC Davis", "LAT")])
def test_air_that_is_partly_clipped_at_black_is_not_an_animal(seed: int, centre: str, view: View) -> None:
    picture = render(make_specimen(seed, centre=centre), view, 1, side=600)
    outline = find(decode(encode(picture, seed=1).data, LIMITS)).animal.mask
    truth = cv2.resize(picture.mask.astype(np.uint8), outline.shape[::-1], interpolation=cv2.INTER_AREA) > 0
    assert (outline & truth).sum() / (outline | truth).sum() > 0.85


def test_depth_and_size_of_a_file_hardly_matter() -> None:
    small = standardise(encoded(grey(exposure(side=500), 16), ".png"), "DV", LIMITS)
    large = standardise(encoded(grey(exposure(side=1500), 16), ".tiff"), "DV", LIMITS)
    assert likeness(small, large) > 0.9


def test_the_same_bytes_give_the_same_view() -> None:
    data = encoded(grey(exposure(), 16), ".png")
    one, other = standardise(data, "DV", LIMITS), standardise(data, "DV", LIMITS)
    assert encode_view(one.pixels) == encode_view(other.pixels)
    assert (one.scores, one.flags, one.provenance) == (other.scores, other.flags, other.provenance)
    assert np.array_equal(stored_pixels(encode_view(one.pixels)), one.pixels)
