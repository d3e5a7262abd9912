"""Specimens drawn while training: the same code as in serving, with landmarks in the tensor's pixels."""

from collections import Counter

import numpy as np
import pytest

from services.common.labels import LABEL_ORDER
from services.intake.decode import decode
from services.intake.settings import Limits
from training.simulation import LANDMARKS, Landmarks, make_specimen, render
from training.simulation.bone_truth import CHANNELS, REGIONS, SIDE
from training.simulation.files import decoded, encode
from training.simulation.online import OnlineSample, draw, standard_views
from training.simulation.speed import measure


@pytest.fixture(scope="module")
def sample() -> OnlineSample:
    found = draw(4)
    assert found is not None
    return found


def test_a_sample_is_a_tensor_with_its_truth(sample: OnlineSample) -> None:
    assert sample.tensor.shape == (224, 224, 3)
    assert sample.tensor.dtype == np.uint8
    assert sample.labels.shape == (len(LABEL_ORDER),)
    assert sample.labels.dtype == np.uint8
    assert sample.bones.shape == (2, len(CHANNELS), SIDE, SIDE)
    assert sample.bones.dtype == np.uint8
    specimen = make_specimen(4)
    assert sample.labels.tolist() == [specimen.level1, *specimen.call]
    assert sample.observations == specimen.abnormal_parameter_ids


def test_the_same_seed_gives_the_same_sample_and_another_seed_another(sample: OnlineSample) -> None:
    again, other = draw(4), draw(5)
    assert again is not None
    assert other is not None
    assert again.tensor.tobytes() == sample.tensor.tobytes()
    assert again.landmarks_dv.points.tobytes() == sample.landmarks_dv.points.tobytes()
    assert other.tensor.tobytes() != sample.tensor.tobytes()


def spine(landmarks: Landmarks) -> np.ndarray:
    rows = [row for row, name in enumerate(LANDMARKS) if name[0] in "TL" and landmarks.present[row]]
    return landmarks.points[rows]


@pytest.mark.parametrize("channel", [0, 1])
def test_vertebrae_lie_on_the_tensors_bones_and_in_their_cells(sample: OnlineSample, channel: int) -> None:
    points = spine((sample.landmarks_dv, sample.landmarks_lat)[channel])
    assert len(points) >= 18
    image = sample.tensor[..., channel].astype(float)
    x, y = np.rint(points).astype(int).T
    near = np.mean([image[y + dy, x + dx] for dy in (-1, 0, 1) for dx in (-1, 0, 1)], axis=0)
    assert (near > np.median(image[image > 20])).mean() > 0.9
    regions = [list(REGIONS).index(name) for name in ("thoracic", "lumbar")]
    cells = sample.bones[channel, regions].max(axis=0)
    column, row = np.floor((points + 0.5) / (224 / SIDE)).astype(int).T
    assert (cells[row, column] > 0).all()


def test_a_larger_tensor_has_the_same_landmarks_at_twice_the_place() -> None:
    small, large = draw(4, side=224), draw(4, side=448)
    assert small is not None
    assert large is not None
    assert large.tensor.shape == (448, 448, 3)
    expected = (spine(small.landmarks_dv) + 0.5) * 2 - 0.5
    np.testing.assert_allclose(spine(large.landmarks_dv), expected, atol=6.0)


def test_a_picture_that_intake_refuses_gives_no_sample_and_is_counted() -> None:
    specimen = make_specimen(4)
    blank, lateral = (render(specimen, view, 1, side=300, trouble=t) for view, t in (("DV", "blank"), ("LAT", None)))
    refused: Counter[str] = Counter()
    assert standard_views(specimen, (blank, lateral), refused) is None
    assert sum(refused.values()) == 1
    swapped: Counter[str] = Counter()
    first, second = (render(specimen, view, 1, side=500) for view in ("LAT", "DV"))
    assert standard_views(specimen, (first, second), swapped) is None
    assert swapped == {"other_view": 1}


@pytest.mark.parametrize("centre", ["CCP-IMG", "ICS", "HMGU"])
def test_pixels_are_those_that_intake_decodes_from_the_file(centre: str) -> None:
    radiograph = render(make_specimen(4, centre=centre), "DV", 1, side=300)
    file = decode(encode(radiograph, seed=1).data, Limits()).pixels.astype(float)
    online = decoded(radiograph, seed=1).astype(float)
    full = 65535 if file.max() > 255 else 255
    assert np.abs(file - online).max() <= (0 if centre != "HMGU" else full / 2**12)


def test_the_speed_of_drawing_is_measured_with_its_refusals() -> None:
    seconds, used, refused = measure(0, "plain", 1)
    assert seconds > 0
    assert used > 0
    assert sum(refused.values()) <= 1
