"""The network with one logit learns, and takes its inputs as they are."""

import numpy as np
import torch
from torch import nn

from training.view_network.logit import LogitPlan, fit_logit


def test_it_learns_from_inputs_of_any_scale_and_includes_their_normalisation() -> None:
    rng = np.random.default_rng(1)
    positive = rng.random(400) < 0.5
    given = (rng.normal(0, 1, (400, 6)) + 2 * positive[:, None]).astype(np.float32) * np.float32(30) + np.float32(500)
    torch.manual_seed(1)
    first = nn.Linear(6, 8)
    network = nn.Sequential(first, nn.ReLU(), nn.Dropout(0.1), nn.Linear(8, 1))
    fitted = fit_logit(network, first, given, positive, LogitPlan(20, 1e-2, 1e-2, 64, least_spread=0.1, smoothing=0.05))
    assert not fitted.training
    with torch.no_grad():
        found = fitted(torch.from_numpy(given))[:, 0].numpy() > 0
    assert (found == positive).mean() > 0.95
