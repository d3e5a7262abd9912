from typing import get_args

import numpy as np
import pytest
import torch

from training.datasets.arrays import MISSING
from training.models.output import Output
from training.models.spec import Balance, TrainingRules
from training.simulation.bone_truth import CHANNELS, SIDE
from training.train.module import WEIGHT_LIMITS, HierarchicalLoss, label_losses

IMAGE = torch.zeros(2, 3, 4, 4)


def test_levels_2_and_3_learn_from_abnormal_specimens_only() -> None:
    truth = np.zeros((2, 14), dtype=np.uint8)
    truth[1, :3] = 1
    logits = torch.zeros(2, 14, requires_grad=True)
    HierarchicalLoss(truth, 0.0)(Output(logits, None), torch.from_numpy(truth).float(), IMAGE, None).backward()
    assert logits.grad is not None
    assert logits.grad[0, 0] != 0
    assert (logits.grad[0, 1:] == 0).all()
    assert (logits.grad[1] != 0).all()


def test_without_conditions_normal_specimens_teach_all_levels() -> None:
    truth = np.zeros((2, 14), dtype=np.uint8)
    truth[1, :3] = 1
    logits = torch.zeros(2, 14, requires_grad=True)
    loss = HierarchicalLoss(truth, 0.0, TrainingRules(conditional=False))
    loss(Output(logits, None), torch.from_numpy(truth).float(), IMAGE, None).backward()
    assert logits.grad is not None
    assert (logits.grad != 0).all()


def test_levels_that_are_not_requested_get_no_gradient() -> None:
    truth = np.ones((2, 14), dtype=np.uint8)
    logits = torch.zeros(2, 14, requires_grad=True)
    loss = HierarchicalLoss(truth, 0.0, levels=(2,))
    loss(Output(logits, None), torch.from_numpy(truth).float(), IMAGE, None).backward()
    assert logits.grad is not None
    assert (logits.grad != 0).any(dim=0).tolist() == [False] + [True] * 3 + [False] * 10


def test_rare_labels_weigh_more_within_limits() -> None:
    share, positive = torch.tensor([0.5, 0.01, 0.99]), torch.ones(1, 3)
    zero = torch.zeros(1, 3)
    weight = label_losses(zero, positive, share, "weights") / label_losses(zero, positive, share, "none")
    torch.testing.assert_close(weight[0], torch.tensor([1.0, WEIGHT_LIMITS[1], WEIGHT_LIMITS[0]]))


def test_asymmetric_loss_forgets_easy_negatives_and_keeps_positives() -> None:
    logits = torch.tensor([[-4.0, 3.0]])
    negative, positive = (
        label_losses(logits, torch.full((1, 2), truth), torch.full((2,), 0.1), "asymmetric") for truth in (0.0, 1.0)
    )
    plain = label_losses(logits, torch.zeros(1, 2), torch.full((2,), 0.1), "none")
    assert negative[0, 0] == 0
    assert 0 < negative[0, 1] < plain[0, 1]
    torch.testing.assert_close(positive, label_losses(logits, torch.ones(1, 2), torch.full((2,), 0.1), "none"))


def test_adjusted_logits_do_not_depend_on_how_rare_a_label_is() -> None:
    share = torch.tensor([0.05])
    logit = torch.zeros(1, 1, requires_grad=True)
    truth = torch.zeros(20, 1)
    truth[0] = 1
    label_losses(logit.expand(20, 1), truth, share, "adjusted").sum().backward()  # type: ignore[no-untyped-call]
    assert logit.grad is not None
    torch.testing.assert_close(logit.grad, torch.zeros(1, 1), atol=1e-4, rtol=0)


@pytest.mark.parametrize("balance", get_args(Balance))
def test_every_balance_is_finite_for_labels_that_nobody_has_or_all_have(balance: Balance) -> None:
    logits = torch.tensor([[50.0, -50.0]])
    for truth in (torch.zeros(1, 2), torch.ones(1, 2)):
        assert label_losses(logits, truth, torch.tensor([0.0, 1.0]), balance).isfinite().all()


def test_batch_without_abnormal_specimens_has_a_finite_loss() -> None:
    truth = np.zeros((2, 14), dtype=np.uint8)
    output = Output(torch.zeros(2, 14), IMAGE + 0.5)
    loss = HierarchicalLoss(truth, 4.0)(output, torch.from_numpy(truth).float(), IMAGE, None)
    torch.testing.assert_close(loss, torch.tensor(np.log(2) + 4.0 * 0.25, dtype=torch.float32))


def test_missing_labels_are_not_counted() -> None:
    truth = np.ones((3, 14), dtype=np.uint8)
    truth[0, 5], truth[1, 0], truth[2] = MISSING, MISSING, MISSING
    logits = torch.zeros(3, 14, requires_grad=True)
    output = Output(logits, None)
    loss = HierarchicalLoss(truth, 0.0)
    value = loss(output, torch.from_numpy(truth).float(), torch.zeros(3, 3, 4, 4), None)
    value.backward()
    assert logits.grad is not None
    # It is unknown whether the second is abnormal, so its other thirteen labels have no weight either.
    assert torch.nonzero(logits.grad[:, 0]).flatten().tolist() == [0]
    assert (logits.grad[1:] == 0).all()
    assert torch.nonzero(logits.grad[0] == 0).flatten().tolist() == [5]


def test_learns_where_bones_and_altered_bones_lie() -> None:
    labels = np.zeros((2, 14), dtype=np.uint8)
    bones = torch.zeros(2, 2, len(CHANNELS), SIDE, SIDE, dtype=torch.uint8)
    bones[:, 0, CHANNELS.index("lumbar"), :14] = 200
    bones[:, 1, CHANNELS.index("altered"), 14:] = 200
    right = torch.where(bones > 0, 20.0, -20.0)
    loss = HierarchicalLoss(labels, 0.0)
    without = loss(Output(torch.zeros(2, 14)), torch.zeros(2, 14), IMAGE, None)
    for wrong in (torch.zeros_like(right), right.flip(1), right.flip(3)):
        losses = [
            loss(Output(torch.zeros(2, 14), None, maps), torch.zeros(2, 14), IMAGE, bones) for maps in (right, wrong)
        ]
        torch.testing.assert_close(losses[0], without)
        assert losses[1] > losses[0] + 0.5


def test_bone_truth_is_compared_at_the_backbones_resolution() -> None:
    bones = torch.zeros(1, 2, len(CHANNELS), SIDE, SIDE, dtype=torch.uint8)
    bones[:, :, 0, :14] = 255
    fine = torch.where(bones > 0, 20.0, -20.0).repeat_interleave(2, 3).repeat_interleave(2, 4)
    loss = HierarchicalLoss(np.zeros((1, 14), dtype=np.uint8), 0.0)
    plain = loss(Output(torch.zeros(1, 14)), torch.zeros(1, 14), IMAGE, None)
    torch.testing.assert_close(loss(Output(torch.zeros(1, 14), None, fine), torch.zeros(1, 14), IMAGE, bones), plain)
