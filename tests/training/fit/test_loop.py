from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from tests.training.synthetic import tiny_subset
from training.fit.checkpoint import Epoch
from training.fit.loop import Fit, weights_digest
from training.fit.plan import Plan
from training.fit.predict import predict
from training.models.autoencoder import AutoencoderDriven
from training.models.configuration import AutoencoderSize

SIZE = AutoencoderSize(widths=(4, 8), grid=2, dense=16, dropout=0.2, bone_width=4)
PLAN = Plan(epochs=3, patience=3, batch=8, learning_rate=5e-3, weight_decay=0.01, reconstruction_weight=1.0)


class StoppedError(Exception):
    pass


def _backbone() -> nn.Module:
    torch.manual_seed(0)
    return AutoencoderDriven(SIZE)


def _fit(backbone: nn.Module, plan: Plan = PLAN) -> Fit:
    return Fit(backbone, plan, tiny_subset(24, seed=1), tiny_subset(12, seed=2), seed=7)


def _ignore(_number: int, _epoch: Epoch) -> None:
    return None


def test_learns_what_sets_abnormal_specimens_apart(tmp_path: Path) -> None:
    backbone = _backbone()
    longer = replace(PLAN, epochs=8, patience=8, learning_rate=2e-2)
    epochs = _fit(backbone, longer).run(tmp_path / "run", _ignore)
    assert epochs[-1].train_loss < epochs[0].train_loss
    assert epochs[-1].auroc[0] > 0.95
    unseen = tiny_subset(16, seed=3)
    score = predict(backbone, unseen)[:, 0]
    abnormal = torch.from_numpy(unseen.labels[:, 0]).bool()
    assert score[abnormal].min() > score[~abnormal].max()


def test_stopped_after_an_epoch_and_started_again_gives_the_same_weights(tmp_path: Path) -> None:
    undisturbed = _backbone()
    _fit(undisturbed).run(tmp_path / "undisturbed", _ignore)

    def stop(number: int, _epoch: Epoch) -> None:
        if number == 2:
            raise StoppedError

    with pytest.raises(StoppedError):
        _fit(_backbone()).run(tmp_path / "stopped", stop)
    resumed = _backbone()
    epochs = _fit(resumed).run(tmp_path / "stopped", _ignore)
    assert len(epochs) == 3
    assert weights_digest(resumed) == weights_digest(undisturbed)


def test_ends_early_and_keeps_the_best_epoch(tmp_path: Path) -> None:
    hopeless = Plan(epochs=6, patience=1, batch=8, learning_rate=0.0, weight_decay=0.0)
    backbone = _backbone()
    weights = [parameter.clone() for parameter in backbone.parameters()]
    epochs = _fit(backbone, hopeless).run(tmp_path / "run", _ignore)
    assert len(epochs) < 6
    assert all(torch.equal(a, b) for a, b in zip(weights, backbone.parameters(), strict=True))
