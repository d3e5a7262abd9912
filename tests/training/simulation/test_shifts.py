"""Each named shift changes what it names and nothing else."""

from collections import Counter
from functools import cache

import numpy as np
import pytest

from training.simulation import LANDMARKS, Landmarks, make_specimen
from training.simulation.online import OnlineSample
from training.simulation.shifts import BENIGN, IMPROPER, SHIFTS, shifted


@cache
def sample(shift: str, seed: int = 0) -> OnlineSample:
    found = shifted(make_specimen(40, abnormal=False), shift, seed)
    assert found is not None
    return found


def place(landmarks: Landmarks, name: str) -> np.ndarray:
    row = LANDMARKS.index(name)
    assert landmarks.present[row]
    return np.asarray(landmarks.points[row])


def test_the_names_are_those_of_the_stress_test() -> None:
    named = {"none", "roll", "gamma", "blur", "noise", "cropped", "bone_window", "varied_anatomy"}
    assert set(BENIGN) == named
    assert set(IMPROPER) == {"swapped_views", "head_down", "white_noise", "black", "rat", "hand", "half_animal"}
    with pytest.raises(KeyError):
        shifted(make_specimen(0), "upside_down", 0)


@pytest.mark.parametrize("shift", SHIFTS)
def test_a_shift_is_repeatable_and_changes_the_tensor(shift: str) -> None:
    again = shifted(make_specimen(40, abnormal=False), shift, 0)
    assert again is not None
    assert again.tensor.tobytes() == sample(shift).tensor.tobytes()
    assert (sample(shift).tensor.tobytes() == sample("none").tensor.tobytes()) == (shift == "none")


@pytest.mark.parametrize("shift", BENIGN)
def test_a_benign_shift_changes_no_label(shift: str) -> None:
    assert not sample(shift).labels.any()
    abnormal = shifted(make_specimen(41, kinds={"scoliosis": 0.8}), shift, 0)
    assert abnormal is not None
    assert abnormal.labels[0] == 1


@pytest.mark.parametrize("shift", ["gamma", "blur", "noise", "bone_window"])
def test_shifts_of_tone_leave_the_landmarks(shift: str) -> None:
    assert sample(shift).landmarks_dv.points.tobytes() == sample("none").landmarks_dv.points.tobytes()


def test_gamma_darkens_blur_smooths_noise_roughens_and_a_bone_window_hides_soft_tissue() -> None:
    plain = sample("none").tensor[..., 0].astype(float)
    rough = {
        name: np.abs(np.diff(sample(name).tensor[..., 0].astype(float))).mean() for name in ("none", "blur", "noise")
    }
    assert sample("gamma").tensor[..., 0].mean() < 0.85 * plain.mean()
    assert rough["blur"] < 0.97 * rough["none"] < rough["none"] < rough["noise"]
    assert (sample("bone_window").tensor[..., 0] > 20).sum() < 0.7 * (plain > 20).sum()


def test_cropping_removes_the_tail_from_picture_and_truth() -> None:
    for landmarks in (sample("cropped").landmarks_dv, sample("cropped").landmarks_lat):
        names = {name for name, there in zip(LANDMARKS, landmarks.present, strict=True) if there}
        assert "S4" in names
        assert not {f"Ca{number}" for number in range(6, 33)} & names
    refused: Counter[str] = Counter()
    assert shifted(make_specimen(40, abnormal=False), "cropped", 0, refused=refused, lenient=False) is None
    assert refused == {"cut_off": 1}


def test_half_an_animal_has_half_the_spine() -> None:
    half = sample("half_animal").landmarks_dv
    there = [half.present[LANDMARKS.index(name)] for name in ("C3", "L4")]
    assert there in ([True, False], [False, True])


def test_views_are_exchanged_and_heads_turned() -> None:
    plain = sample("none")
    assert sample("swapped_views").tensor[..., 0].tobytes() == plain.tensor[..., 1].tobytes()
    assert sample("swapped_views").landmarks_lat.points.tobytes() == plain.landmarks_dv.points.tobytes()
    assert place(plain.landmarks_dv, "skull.nose")[1] < place(plain.landmarks_dv, "L6")[1]
    down = sample("head_down")
    assert place(down.landmarks_dv, "skull.nose")[1] > place(down.landmarks_dv, "L6")[1]
    np.testing.assert_array_equal(down.tensor[..., 0], plain.tensor[::-1, ::-1, 0])


@pytest.mark.parametrize("shift", ["white_noise", "black", "hand"])
def test_what_is_no_mouse_has_no_bones_of_one(shift: str) -> None:
    assert not sample(shift).landmarks_dv.present.any()
    assert not sample(shift).bones.any()


def test_a_rat_is_no_mouse_with_other_proportions() -> None:
    plain, rat = sample("none").landmarks_dv, sample("rat").landmarks_dv

    def tail(landmarks: Landmarks) -> float:
        names = [f"Ca{number}" for number in range(1, 28)]
        path = np.array([place(landmarks, name) for name in names])
        body = np.linalg.norm(place(landmarks, "C1") - place(landmarks, "S4"))
        return float(np.linalg.norm(np.diff(path, axis=0), axis=1).sum() / body)

    assert tail(rat) < 0.8 * tail(plain)
