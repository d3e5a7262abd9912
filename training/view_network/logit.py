"""Trains a small network with one logit, as the heads that judge posture and movement are."""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional


class LogitPlan(NamedTuple):
    """How such a network is trained: AdamW with a cosine decay of its rate.

    `least_spread` is added to the deviation of each input; `smoothing` moves the labels away from 0 and 1.
    """

    epochs: int
    rate: float
    decay: float
    batch: int
    least_spread: float
    smoothing: float = 0.0


def fit_logit(
    network: nn.Sequential, first: nn.Linear, given: NDArray[np.float32], positive: NDArray[np.bool_], plan: LogitPlan
) -> nn.Sequential:
    """Train on inputs [n, f] and labels [n], and return the network in evaluation mode.

    `first` is its first layer with weights, which then includes the normalisation of the inputs.
    """
    middle, spread = torch.from_numpy(given.mean(axis=0)), torch.from_numpy(given.std(axis=0) + plan.least_spread)
    optimiser = torch.optim.AdamW(network.parameters(), lr=plan.rate, weight_decay=plan.decay)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, plan.epochs)
    inputs = (torch.from_numpy(given) - middle) / spread
    labels = torch.from_numpy(positive.astype(np.float32)) * (1 - 2 * plan.smoothing) + plan.smoothing
    for _ in range(plan.epochs):
        for rows in torch.split(torch.randperm(len(inputs)), plan.batch):
            loss = functional.binary_cross_entropy_with_logits(network(inputs[rows])[:, 0], labels[rows])
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        schedule.step()
    with torch.no_grad():
        first.weight.div_(spread)
        first.bias.sub_(first.weight @ middle)
    return network.eval()
