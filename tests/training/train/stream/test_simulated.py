import numpy as np
import pytest

from training.datasets.arrays import MISSING
from training.simulation.landmarks import LANDMARKS, Landmarks
from training.simulation.specimen import make_specimen
from training.train.stream import simulated
from training.train.stream.simulated import draw_simulated, relative_points, simulator


def test_pixels_become_coordinates_from_edge_to_edge() -> None:
    points = np.full((len(LANDMARKS), 2), (-0.5, 111.5), dtype=np.float32)
    points[1] = 223.5
    relative = relative_points(Landmarks(points, np.ones(len(LANDMARKS), dtype=np.bool_)), 224)
    assert relative[0].tolist() == [-1, 0]
    assert relative[1].tolist() == [1, 1]


def test_draws_the_same_specimen_again_with_landmarks_inside_the_views() -> None:
    draw = simulator("plain", 224)
    one, again = draw(41), draw(41)
    assert one is not None
    assert again is not None
    assert np.array_equal(one.tensor, again.tensor)
    assert one.tensor.shape == (224, 224, 3)
    assert one.points.shape == (2, len(LANDMARKS), 2)
    assert (np.abs(one.points[one.present]) <= 1).all()
    assert one.present[:, LANDMARKS.index("T5")].all()


def test_findings_outside_the_labels_teach_level_1_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    real = make_specimen

    def limb_only(seed: int, **options: object) -> object:
        del options
        return real(seed, abnormal=True, kinds={"mandible": 1.0})

    monkeypatch.setattr(simulated, "make_specimen", limb_only)
    specimen = draw_simulated(41, "plain", 224)
    assert specimen is not None
    assert specimen.labels[0] == 1
    assert (specimen.labels[1:] == MISSING).all()
