from __future__ import annotations

import numpy as np
import torch

from training.data.bone_truth import CHANNELS, SIDE
from training.fit.loss import WEIGHT_LIMITS, HierarchicalLoss
from training.models.output import Output

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


def test_rare_labels_weigh_more_within_limits() -> None:
    labels = np.zeros((101, 14), dtype=np.uint8)
    labels[:100, 0] = 1
    labels[:50, 1] = 1
    labels[0, 2] = 1
    labels[:100, 3] = 1
    weight = HierarchicalLoss(labels, 0.0).positive_weight
    assert weight[:3].tolist() == [1.0, WEIGHT_LIMITS[1], float(np.float32(WEIGHT_LIMITS[0]))]


def test_batch_without_abnormal_specimens_has_a_finite_loss() -> None:
    truth = np.zeros((2, 14), dtype=np.uint8)
    output = Output(torch.zeros(2, 14), IMAGE + 0.5)
    loss = HierarchicalLoss(truth, 4.0)(output, torch.from_numpy(truth).float(), IMAGE, None)
    torch.testing.assert_close(loss, torch.tensor(np.log(2) + 4.0 * 0.25, dtype=torch.float32))


def test_learns_where_bones_and_altered_bones_lie() -> None:
    labels = np.zeros((2, 14), dtype=np.uint8)
    bones = torch.zeros(2, 2, len(CHANNELS), SIDE, SIDE, dtype=torch.uint8)
    bones[:, 0, CHANNELS.index("lumbar"), :14] = 200
    bones[:, 1, CHANNELS.index("altered"), 14:] = 200
    right = torch.where(bones > 0, 20.0, -20.0)
    loss = HierarchicalLoss(labels, 0.0)
    without = loss(Output(torch.zeros(2, 14)), torch.zeros(2, 14), IMAGE, None)
    for wrong in (torch.zeros_like(right), right.flip(1), right.flip(3)):
        told = [
            loss(Output(torch.zeros(2, 14), None, maps), torch.zeros(2, 14), IMAGE, bones) for maps in (right, wrong)
        ]
        torch.testing.assert_close(told[0], without)
        assert told[1] > told[0] + 0.5


def test_bone_truth_is_compared_at_the_backbones_resolution() -> None:
    bones = torch.zeros(1, 2, len(CHANNELS), SIDE, SIDE, dtype=torch.uint8)
    bones[:, :, 0, :14] = 255
    fine = torch.where(bones > 0, 20.0, -20.0).repeat_interleave(2, 3).repeat_interleave(2, 4)
    loss = HierarchicalLoss(np.zeros((1, 14), dtype=np.uint8), 0.0)
    plain = loss(Output(torch.zeros(1, 14)), torch.zeros(1, 14), IMAGE, None)
    torch.testing.assert_close(loss(Output(torch.zeros(1, 14), None, fine), torch.zeros(1, 14), IMAGE, bones), plain)
