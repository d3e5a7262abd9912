from __future__ import annotations

import numpy as np
import torch

from training.fit.loss import WEIGHT_LIMITS, HierarchicalLoss
from training.models.output import Output

IMAGE = torch.zeros(2, 3, 4, 4)


def test_levels_2_and_3_learn_from_abnormal_specimens_only() -> None:
    truth = np.zeros((2, 14), dtype=np.uint8)
    truth[1, :3] = 1
    logits = torch.zeros(2, 14, requires_grad=True)
    HierarchicalLoss(truth, 0.0)(Output(logits, None), torch.from_numpy(truth).float(), IMAGE).backward()
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
    loss = HierarchicalLoss(truth, 4.0)(output, torch.from_numpy(truth).float(), IMAGE)
    torch.testing.assert_close(loss, torch.tensor(np.log(2) + 4.0 * 0.25, dtype=torch.float32))
