"""Landmarks: their order, their places in a picture, and warps."""

import cv2
import numpy as np
import pytest

from training.simulation import LANDMARKS, Landmarks, Radiograph, make_specimen, render


def picture(view: str = "DV", kinds: dict[str, float] | None = None, **options: object) -> Radiograph:
    specimen = make_specimen(3, centre="JAX", kinds=kinds or {})
    return render(specimen, view, 1, side=500, **options)  # type: ignore[arg-type]


def point(landmarks: Landmarks, name: str) -> np.ndarray:
    row = LANDMARKS.index(name)
    assert landmarks.present[row], name
    return np.asarray(landmarks.points[row])


def present(landmarks: Landmarks) -> set[str]:
    return {name for name, there in zip(LANDMARKS, landmarks.present, strict=True) if there}


def test_the_order_is_that_of_the_design() -> None:
    assert LANDMARKS[:8] == ("C1", "C2", "C3", "C4", "C5", "C6", "C7", "T1")
    assert LANDMARKS.index("rib.left.1") == 7 + 14 + 6 + 4 + 32
    assert LANDMARKS[-4:] == ("skull.nose", "skull.occiput", "pelvis.left", "pelvis.right")
    assert len(set(LANDMARKS)) == len(LANDMARKS) == 63 + 28 + 16 + 4


@pytest.mark.parametrize("view", ["DV", "LAT"])
def test_a_normal_mouse_has_its_formula_and_every_landmark_is_on_the_animal(view: str) -> None:
    radiograph = picture(view)
    absent = set(LANDMARKS) - present(radiograph.landmarks)
    assert absent == {"T14", "rib.left.14", "rib.right.14", "Ca29", "Ca30", "Ca31", "Ca32"}
    thick = cv2.dilate(radiograph.mask.astype(np.uint8), np.ones((3, 3), np.uint8))
    columns, rows = np.rint(radiograph.landmarks.points[radiograph.landmarks.present]).astype(int).T
    assert thick[rows, columns].all()


def test_vertebrae_are_darker_than_their_surroundings_in_the_beam() -> None:
    radiograph = picture(head_angle=0.0, mirrored=False)
    for number in range(1, 7):
        x, y = np.rint(point(radiograph.landmarks, f"L{number}")).astype(int)
        row = radiograph.transmission[y]
        assert row[x - 1 : x + 2].mean() < 0.9 * np.concatenate((row[x - 16 : x - 8], row[x + 9 : x + 17])).mean()


def test_left_is_left_with_the_head_up_and_the_spine_runs_down() -> None:
    landmarks = picture(head_angle=0.0, mirrored=False).landmarks
    for pair in ("rib.{}.5", "pelvis.{}", "femur.{}.distal", "humerus.{}.distal"):
        assert point(landmarks, pair.format("left"))[0] < point(landmarks, pair.format("right"))[0]
    downwards = [point(landmarks, name)[1] for name in ("skull.nose", "skull.occiput", "C1", "T1", "L1", "S1", "Ca1")]
    assert downwards == sorted(downwards)
    flipped = picture(head_angle=0.0, mirrored=True).landmarks
    assert point(flipped, "pelvis.left")[0] > point(flipped, "pelvis.right")[0]


def test_absent_bones_have_no_landmark() -> None:
    radiograph = picture(kinds={"short_tail": 0.9})
    assert "Ca1" in present(radiograph.landmarks)
    assert "Ca20" not in present(radiograph.landmarks)


def test_landmarks_outside_the_picture_are_absent() -> None:
    whole, cut = picture(head_angle=0.0), picture(head_angle=0.0, trouble="cut")
    assert present(cut.landmarks) < present(whole.landmarks)
    assert not picture(trouble="blank").landmarks.present.any()
    assert not picture(trouble="two_animals").landmarks.present.any()


def test_a_warp_moves_points_as_opencv_moves_pixels() -> None:
    matrix = np.array([[0.8, -0.3, 12.0], [0.3, 0.8, -5.0]])
    dot = np.zeros((64, 64), np.float32)
    dot[20, 30] = 1.0
    moved = cv2.warpAffine(dot, matrix, (64, 64))
    named = Landmarks(np.array([[30.0, 20.0]], np.float32), np.array([True])).warped(matrix)
    assert np.unravel_index(moved.argmax(), moved.shape) == tuple(np.rint(named.points[0][::-1]).astype(int))
    assert named.within(0, 0, 64, 64).present.all()
    assert not named.within(0, 0, 20, 20).present.any()
