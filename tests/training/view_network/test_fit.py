"""The network learns, is reproducible, and is exported as the ONNX model that intake runs."""

from pathlib import Path

import numpy as np
import pytest
import torch

from services.intake.orient import CLASSES, ViewModel
from training.view_network.fit import ViewNetwork, ViewTrainingOptions, augmented, fit, to_batch
from training.view_network.samples import Samples
from training.view_network.train import export, score


@pytest.fixture(scope="module")
def drawn() -> Samples:
    """Wedges (thick end: head) with a thread on one side, and bars cut off straight: a task that small nets learn."""
    rng = np.random.default_rng(3)
    count = 128
    pictures = np.zeros((count, 96, 96), np.uint8)
    view, up, mirrored = rng.integers(0, 3, count), rng.integers(0, 2, count), rng.integers(0, 2, count)
    down, along = np.indices((96, 96))
    for n in range(count):
        width = np.where(view[n] == 2, 40, (95 - down) * (0.4 if view[n] == 0 else 0.15))
        picture = (np.abs(along - 48) < width).astype(np.uint8) * 200
        picture[60:90, 80:84] = 255
        picture = picture[:, ::-1] if mirrored[n] else picture
        pictures[n] = picture if up[n] else picture[::-1, ::-1]
    return Samples(pictures, view.astype(np.int64), up.astype(np.float32), mirrored.astype(np.float32))


def test_training_learns_and_the_exported_model_agrees(drawn: Samples, tmp_path: Path) -> None:
    lines: list[str] = []
    network = fit(drawn, ViewTrainingOptions(epochs=12, seed=1), lines.append)
    losses = [float(line.rsplit(" ", 1)[1]) for line in lines]
    assert len(losses) == 12
    assert losses[-1] < losses[0] - 0.5
    path = tmp_path / "model.onnx"
    export(network, path)
    assert score(path, drawn)["samples"] == len(drawn.view)
    with torch.no_grad():
        view = network(torch.from_numpy(drawn.pictures[:4, None]))[0]
    session = ViewModel(path.read_bytes())._session
    assert np.allclose(session.run(None, {"picture": drawn.pictures[:4, None]})[0], view.numpy(), atol=1e-4)


def test_the_same_seed_gives_the_same_weights(drawn: Samples) -> None:
    one, other = (fit(drawn, ViewTrainingOptions(epochs=1, seed=5), lambda _: None) for _ in range(2))
    for name, weights in one.state_dict().items():
        assert torch.equal(weights, other.state_dict()[name]), name


def test_augmentation_keeps_range_shape_and_view_and_updates_labels(drawn: Samples) -> None:
    batch = to_batch(drawn, np.arange(len(drawn.view)))
    changed = augmented(batch, torch.Generator().manual_seed(1))
    assert changed.pictures.shape == batch.pictures.shape
    assert 0 <= float(changed.pictures.min()) <= float(changed.pictures.max()) <= 1
    assert torch.equal(changed.view, batch.view)
    assert 0.4 < float((changed.up != batch.up).float().mean()) < 0.6
    assert 0.4 < float((changed.mirrored != batch.mirrored).float().mean()) < 0.6
    again = augmented(batch, torch.Generator().manual_seed(1))
    assert torch.equal(again.pictures, changed.pictures)


def test_the_network_is_small() -> None:
    assert sum(weights.numel() for weights in ViewNetwork().parameters()) < 120_000
    assert len(CLASSES) == 3
