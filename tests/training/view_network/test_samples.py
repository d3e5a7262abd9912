"""The labels of the training pictures match the pictures."""

import numpy as np
import pytest

from services.intake.orient import CLASSES, INPUT_SIDE
from training.view_network.samples import Sample, collect, heading, specimen_samples


@pytest.mark.parametrize(("angle", "direction"), [(0, (0, -1)), (90, (-1, 0)), (-90, (1, 0)), (180, (0, 1))])
def test_a_head_angle_counts_counter_clockwise_from_up(angle: float, direction: tuple[float, float]) -> None:
    assert np.allclose(heading(angle), direction, atol=1e-9)


def test_a_specimen_gives_both_views_and_a_close_up() -> None:
    samples = collect([sample for seed in range(8) for sample in specimen_samples(seed)])
    assert samples.pictures.shape[1:] == (INPUT_SIDE, INPUT_SIDE)
    assert set(samples.view.tolist()) == set(range(len(CLASSES)))
    assert {0.0, 1.0} == set(samples.up.tolist()) == set(samples.mirrored.tolist())
    assert (samples.pictures.reshape(len(samples.view), -1).max(axis=1) > 100).all()


def test_the_same_seed_gives_the_same_samples() -> None:
    def flat(samples: list[Sample]) -> list[object]:
        return [(picture.tobytes(), *labels) for picture, *labels in samples]

    assert flat(specimen_samples(3)) == flat(specimen_samples(3))


def test_the_label_up_is_the_end_opposite_the_tail() -> None:
    """A lateral's tail stretches beyond the body, so that the body's mass is at the other end of the picture."""
    right = []
    for seed in range(10):
        picture, view, up, _ = specimen_samples(seed)[3]
        assert CLASSES[view] == "LAT"
        mass = (picture > 30).sum(axis=1)
        used = np.flatnonzero(mass)
        middle = float(np.average(np.arange(len(mass)), weights=mass))
        right.append((middle < (used[0] + used[-1]) / 2) == bool(up))
    assert sum(right) >= 8
