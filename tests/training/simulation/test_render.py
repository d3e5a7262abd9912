"""Radiographs: determinism, orientation, defects and truth."""

import cv2
import numpy as np
import pytest

from services.common.errors import Rejected
from training.simulation import STYLES, VIEWS, Radiograph, make_specimen, render, render_pair

SIDE = 500


def picture(view: str = "DV", seed: int = 3, **options: object) -> Radiograph:
    return render(make_specimen(seed, centre="JAX", abnormal=False), view, 1, side=SIDE, **options)  # type: ignore[arg-type]


def test_the_same_seed_gives_the_same_bytes() -> None:
    first, again = picture(), picture()
    assert first.transmission.tobytes() == again.transmission.tobytes()
    assert first.mask.tobytes() == again.mask.tobytes()
    assert (first.head_angle_degrees, first.animal) == (again.head_angle_degrees, again.animal)


def test_another_exposure_or_mouse_differs() -> None:
    specimen = make_specimen(3, centre="JAX", abnormal=False)
    exposures = [render(specimen, "DV", seed, side=SIDE).transmission for seed in (1, 2)]
    assert exposures[0].shape != exposures[1].shape or not np.allclose(exposures[0], exposures[1])
    assert picture(seed=4).animal != picture(seed=3).animal


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_is_a_linear_picture_of_an_animal(view: str) -> None:
    radiograph = picture(view)
    assert radiograph.view == view
    assert radiograph.transmission.dtype == np.float32
    assert max(radiograph.transmission.shape) == SIDE
    assert float(radiograph.transmission.min()) > 0.0
    inside = radiograph.transmission[radiograph.mask]
    outside = radiograph.transmission[~radiograph.mask]
    assert inside.mean() < outside.mean() - 0.1
    assert radiograph.animal is not None


def turned_up(radiograph: Radiograph) -> np.ndarray:
    """The animal's mask with the head up, by the documented convention."""
    height, width = radiograph.mask.shape
    side = 2 * max(height, width)
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), -radiograph.head_angle_degrees, 1.0)
    turn[:, 2] += side / 2 - np.array([width, height]) / 2
    return cv2.warpAffine(radiograph.mask.astype(np.uint8), turn, (side, side)).astype(bool)


def upper_share(mask: np.ndarray) -> float:
    """Where along its height the animal is widest, 0 top and 1 bottom."""
    rows = np.flatnonzero(mask.any(axis=1))
    widths = mask[rows[0] : rows[-1] + 1].sum(axis=1)
    return float(np.average(np.arange(len(widths)), weights=widths) / len(widths))


@pytest.mark.parametrize("angle", [0.0, 37.0, 90.0, -120.0, 179.0])
def test_turning_by_minus_the_head_angle_puts_the_head_up_and_the_tail_on_the_left(angle: float) -> None:
    up = turned_up(picture(head_angle=angle, mirrored=False))
    reference = turned_up(picture(head_angle=0.0, mirrored=False))
    assert upper_share(up) == pytest.approx(upper_share(reference), abs=0.03)
    assert tail_offset(up) < 0.0


def tail_offset(head_up: np.ndarray) -> float:
    """How far right of the body's middle the lowest part, the tail, is (pixels; negative is left)."""
    rows = np.flatnonzero(head_up.any(axis=1))
    lowest = head_up[int(rows[0] + 0.85 * len(rows)) :]
    body = head_up[rows[0] : rows[0] + len(rows) // 3]
    return float(np.median(np.nonzero(lowest)[1]) - np.median(np.nonzero(body)[1]))


def test_a_mirrored_dv_has_its_tail_on_the_right() -> None:
    plain, flipped = (picture(head_angle=0.0, mirrored=value) for value in (False, True))
    assert (plain.mirrored, flipped.mirrored) == (False, True)
    assert tail_offset(plain.mask) < 0.0 < tail_offset(flipped.mask)


def test_the_head_of_a_plain_lateral_faces_left_with_its_back_up() -> None:
    radiograph = picture("LAT", head_angle=90.0, mirrored=False)
    columns = np.flatnonzero(radiograph.mask.any(axis=0))
    ends = [radiograph.mask[:, part].sum() for part in (columns[: len(columns) // 4], columns[-len(columns) // 4 :])]
    assert ends[0] > ends[1], "the thin tail must be on the right"


@pytest.mark.parametrize("centre", STYLES)
def test_the_whole_animal_is_inside_the_exposed_field(centre: str) -> None:
    for radiograph in render_pair(make_specimen(11, centre=centre), 2, side=SIDE):
        animal, field = radiograph.animal, radiograph.collimated
        assert animal is not None
        assert animal.top >= field.top - 3
        assert animal.left >= field.left - 3
        assert animal.bottom <= field.bottom + 3
        assert animal.right <= field.right + 3


def test_a_blank_picture_contains_no_animal() -> None:
    blank = picture(trouble="blank")
    assert blank.animal is None
    assert not blank.mask.any()


def test_an_over_exposed_picture_has_no_detail_within_the_animal() -> None:
    normal, bad = picture(), picture(trouble="over_exposed")
    assert bad.transmission[bad.mask].std() < 0.2 * normal.transmission[normal.mask].std()


def test_a_cut_picture_misses_part_of_the_animal() -> None:
    cut = picture(trouble="cut", head_angle=0.0).animal
    assert cut is not None
    assert cut.top == 0 or cut.left == 0 or cut.bottom == SIDE or cut.right >= SIDE * 0.8


def test_two_animals_cover_more_than_one() -> None:
    one, two = picture(), picture(trouble="two_animals")
    assert two.mask.sum() * two.mm_per_pixel**2 > 1.4 * one.mask.sum() * one.mm_per_pixel**2


def test_altered_bones_are_boxed() -> None:
    radiograph = render(make_specimen(5, centre="JAX", kinds={"tail_kink": 0.8}), "DV", 1, side=SIDE)
    assert radiograph.altered
    height, width = radiograph.mask.shape
    for name, box in radiograph.altered.items():
        assert name.startswith("Ca")
        assert 0 <= box.top < box.bottom <= height
        assert 0 <= box.left < box.right <= width


@pytest.mark.parametrize(
    ("view", "trouble", "reason"), [("AP", None, "unknown_view"), ("DV", "dim", "unknown_trouble")]
)
def test_unknown_values_are_refused(view: str, trouble: str | None, reason: str) -> None:
    with pytest.raises(Rejected) as refusal:
        render(make_specimen(0), view, 0, trouble=trouble)
    assert refusal.value.reason == reason
