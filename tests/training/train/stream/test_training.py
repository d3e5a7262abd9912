from dataclasses import replace
from pathlib import Path

import pytest

from services.common.errors import Fatal, Rejected
from tests.training.train.stream.tiny import PLAN, tiny_multiview, tiny_training
from tests.training.train.tiny import PLAN as STORED_PLAN
from tests.training.train.tiny import ignore
from training.train.checkpoint import Epoch
from training.train.loop import weights_digest
from training.train.stream.budget import TimeBudget
from training.train.stream.training import RECONSTRUCTION


class StoppedError(Exception):
    pass


def test_stopped_and_started_again_gives_the_same_weights(tmp_path: Path) -> None:
    undisturbed = tiny_multiview()
    expected = tiny_training(undisturbed).run(tmp_path / "undisturbed", ignore)
    stopped = tiny_multiview()
    seen: list[int] = []

    def stop(number: int, _epoch: Epoch) -> None:
        seen.append(number)
        if seen == [1, 2, 1, 2]:
            raise StoppedError

    with pytest.raises(StoppedError):
        tiny_training(stopped).run(tmp_path / "stopped", stop)
    resumed = tiny_multiview()
    epochs = tiny_training(resumed).run(tmp_path / "stopped", ignore)
    assert [epoch.validation_loss for epoch in epochs] == [epoch.validation_loss for epoch in expected]
    assert weights_digest(resumed) == weights_digest(undisturbed)


def test_learns_to_rebuild_first_and_reports_every_task(tmp_path: Path) -> None:
    backbone = tiny_multiview()
    seen: list[Epoch] = []
    steps: list[tuple[str, int, int]] = []
    epochs = tiny_training(backbone).run(
        tmp_path, lambda _, epoch: seen.append(epoch), lambda *progress: steps.append(progress)
    )
    alone, together = seen[:2], seen[2:]
    assert together == epochs
    assert [epoch.auroc for epoch in alone] == [(), ()]
    assert all(len(epoch.auroc) == 3 for epoch in epochs)
    assert alone[-1].figures["ssim"] > 0
    wanted = {"landmark_error", "whole_landmark_error", "window_error", "validity", "ssim", "count_error_ribs"}
    assert wanted <= set(epochs[-1].figures)
    assert {"train_labels", "train_landmarks", "train_attention"} <= set(epochs[-1].figures)
    assert "auroc_without_evidence_level1" in epochs[-1].figures
    assert steps[-1] == ("epoch 2, step", 2, 2)
    assert (tmp_path / RECONSTRUCTION / "best.ckpt").exists()


def test_landmarks_and_losses_improve(tmp_path: Path) -> None:
    plan = replace(PLAN, epochs=6, patience=6, learning_rate=1e-2, front_end_rate=1.0)
    epochs = tiny_training(tiny_multiview(), plan).run(tmp_path, ignore)
    assert epochs[-1].validation_loss < epochs[0].validation_loss
    assert epochs[-1].figures["whole_landmark_error"] < epochs[0].figures["whole_landmark_error"]


def test_a_time_budget_stops_and_is_not_exceeded_by_starting_again(tmp_path: Path) -> None:
    plan = replace(PLAN, epochs=1000, patience=1000)
    epochs = tiny_training(tiny_multiview(), plan, minutes=0.02).run(tmp_path, ignore)
    assert 1 <= len(epochs) < 100
    again = tiny_multiview()
    assert tiny_training(again, plan, minutes=0.02).run(tmp_path, ignore) == epochs


def test_a_budget_counts_the_time_of_earlier_starts() -> None:
    budget = TimeBudget(2)
    assert budget.share() == 0
    budget.load_state_dict({"spent": 60.0})
    assert budget.share() == 0.5
    assert budget.state_dict() == {"spent": 60.0}
    assert TimeBudget(None).share() == 0


def test_refuses_the_folder_of_another_stream(tmp_path: Path) -> None:
    tiny_training(tiny_multiview()).run(tmp_path, ignore)
    with pytest.raises(Rejected, match="another specimens"):
        tiny_training(tiny_multiview(), first_seed=5000).run(tmp_path, ignore)


def test_a_plan_for_stored_specimens_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(Fatal, match="no stream"):
        tiny_training(tiny_multiview(), STORED_PLAN).run(tmp_path, ignore)
