from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import nn

from services.common.errors import Fatal, Rejected
from tests.training.synthetic import tiny_subset
from tests.training.train.tiny import PLAN, ignore, tiny_backbone, tiny_fit
from training.evaluation.evaluate import predict
from training.models.spec import TrainingRules
from training.train.checkpoint import Epoch, OnEpoch
from training.train.hardware import Hardware
from training.train.loop import TENSORBOARD, weights_digest


class StoppedError(Exception):
    pass


def _stop(number: int, _epoch: Epoch) -> None:
    if number == 2:
        raise StoppedError


def _interrupt(number: int, _epoch: Epoch) -> None:
    if number == 2:
        raise KeyboardInterrupt


def test_learns_what_sets_abnormal_specimens_apart(tmp_path: Path) -> None:
    backbone = tiny_backbone()
    longer = replace(PLAN, epochs=8, patience=8, learning_rate=2e-2)
    epochs = tiny_fit(backbone, longer).run(tmp_path, ignore)
    assert epochs[-1].train_loss < epochs[0].train_loss
    assert epochs[-1].auroc[0] > 0.95
    unseen = tiny_subset(16, seed=3)
    score = predict(backbone, unseen)[:, 0]
    abnormal = torch.from_numpy(unseen.labels[:, 0]).bool()
    assert score[abnormal].min() > score[~abnormal].max()


@pytest.mark.parametrize(("stop", "error"), [(_stop, StoppedError), (_interrupt, KeyboardInterrupt)])
def test_stopped_and_started_again_gives_the_same_weights(
    stop: OnEpoch, error: type[BaseException], tmp_path: Path
) -> None:
    undisturbed = tiny_backbone()
    tiny_fit(undisturbed).run(tmp_path / "undisturbed", ignore)
    with pytest.raises(error):
        tiny_fit(tiny_backbone()).run(tmp_path / "stopped", stop)
    resumed = tiny_backbone()
    epochs = tiny_fit(resumed).run(tmp_path / "stopped", ignore)
    assert len(epochs) == 3
    assert weights_digest(resumed) == weights_digest(undisturbed)
    again = tiny_backbone()
    assert tiny_fit(again).run(tmp_path / "stopped", ignore) == epochs
    assert weights_digest(again) == weights_digest(undisturbed)


def test_training_stops_early_and_keeps_the_best_epoch(tmp_path: Path) -> None:
    backbone = tiny_backbone()
    for layer in backbone.modules():
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
            layer.momentum = 0.0  # else the running statistics alone would make epochs differ
    weights = [parameter.clone() for parameter in backbone.parameters()]
    hopeless = replace(PLAN, epochs=6, patience=1, learning_rate=0.0, weight_decay=0.0)
    epochs = tiny_fit(backbone, hopeless).run(tmp_path, ignore)
    assert len(epochs) == 2
    assert all(torch.equal(a, b) for a, b in zip(weights, backbone.parameters(), strict=True))


def test_folder_of_another_plan_is_refused(tmp_path: Path) -> None:
    tiny_fit(tiny_backbone(), replace(PLAN, epochs=1)).run(tmp_path, ignore)
    with pytest.raises(Rejected, match="another plan: choose another folder"):
        tiny_fit(tiny_backbone()).run(tmp_path, ignore)


def test_plan_that_teaches_level_after_level_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Fatal, match="learns all levels at once"):
        tiny_fit(tiny_backbone(), replace(PLAN, rules=TrainingRules(together=False))).run(tmp_path, ignore)
    assert not (tmp_path / "last.ckpt").exists()


def test_loss_that_is_not_a_number_ends_the_training(tmp_path: Path) -> None:
    backbone = tiny_backbone()
    nn.init.constant_(next(backbone.parameters()), float("nan"))
    with pytest.raises(Fatal, match="smaller learning rate"):
        tiny_fit(backbone).run(tmp_path, ignore)
    assert not (tmp_path / "last.ckpt").exists()


def test_figures_and_learning_rate_are_on_the_tensorboard(tmp_path: Path) -> None:
    epochs = tiny_fit(tiny_backbone(), replace(PLAN, epochs=2)).run(tmp_path, ignore)
    board = EventAccumulator(str(tmp_path / TENSORBOARD))
    board.Reload()
    losses = [event.value for event in board.Scalars("validation_loss")]
    assert losses == pytest.approx([epoch.validation_loss for epoch in epochs])
    assert [event.value for event in board.Scalars("validation_auroc_level3")] == pytest.approx(
        [epoch.auroc[2] for epoch in epochs]
    )
    rates = [event.value for event in board.Scalars("learning_rate")]
    assert len(rates) == 2
    assert all(0 < rate <= PLAN.learning_rate for rate in rates)


@pytest.mark.integration
def test_two_processes_train_the_same_model_as_one(tmp_path: Path) -> None:
    alone, shared = tiny_backbone(), tiny_backbone()
    plan = replace(PLAN, epochs=2)
    one = tiny_fit(alone, plan, Hardware("cpu")).run(tmp_path / "one", ignore)
    two = tiny_fit(shared, plan, Hardware("cpu", devices=2)).run(tmp_path / "two", ignore)
    assert len(two) == len(one)
    # Not equal: each process draws its own augmentation, and normalises by its half of the batch.
    assert two[-1].validation_loss == pytest.approx(one[-1].validation_loss, rel=0.2)
    assert weights_digest(shared) != weights_digest(tiny_backbone())
