"""Simulate mice, train the motion network, test it on other mice, and write services/intake/motion_model.onnx."""

import argparse
import hashlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from services.intake.motion import FEATURES, MODEL
from training.motion_model.samples import simulate, spectra
from training.view_network.logit import LogitPlan, fit_logit

TRAINING_SEED: Final = 420_000
TEST_SEED: Final = 430_000
"""First seeds of training and test specimens; the two ranges do not overlap."""
_TIMES: Final = 6
_HIDDEN: Final = 48
_EPOCHS: Final = 40
_RATE: Final = 2e-3
_DECAY: Final = 1e-2
_BATCH: Final = 128
_OPSET: Final = 17


def fit(given: NDArray[np.float32], moved: NDArray[np.bool_], seed: int) -> nn.Sequential:
    """Train on spectra and return the network in evaluation mode; its first layer includes their normalisation."""
    torch.manual_seed(seed)
    first = nn.Linear(FEATURES, _HIDDEN)
    network = nn.Sequential(first, nn.ReLU(), nn.Dropout(0.1), nn.Linear(_HIDDEN, 1))
    return fit_logit(network, first, given, moved, LogitPlan(_EPOCHS, _RATE, _DECAY, _BATCH, least_spread=0.1))


def as_onnx(network: nn.Sequential) -> onnx.ModelProto:
    """The network with input `spectrum` float32 [n, 120] and output `motion` [n, 1], a logit."""
    layers = {"hidden": network[0], "out": network[3]}
    arrays = [
        numpy_helper.from_array(getattr(layer, part).detach().numpy(), f"{name}.{part}")
        for name, layer in layers.items()
        for part in ("weight", "bias")
    ]
    nodes = [
        helper.make_node("Gemm", ["spectrum", "hidden.weight", "hidden.bias"], ["hidden"], transB=1),
        helper.make_node("Relu", ["hidden"], ["positive"]),
        helper.make_node("Gemm", ["positive", "out.weight", "out.bias"], ["motion"], transB=1),
    ]
    inputs = [helper.make_tensor_value_info("spectrum", TensorProto.FLOAT, ["n", FEATURES])]
    outputs = [helper.make_tensor_value_info("motion", TensorProto.FLOAT, ["n", 1])]
    graph = helper.make_graph(nodes, "motion", inputs, outputs, arrays)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=8)
    onnx.checker.check_model(model)
    return model


def score(network: nn.Sequential, given: NDArray[np.float32], moved: NDArray[np.bool_]) -> dict[str, float]:
    """Shares of moved and of sound spectra whose probability of a movement exceeds 0.5 and 0.9."""
    with torch.no_grad():
        chance = torch.sigmoid(network(torch.from_numpy(given))[:, 0]).numpy()
    figures = {"samples": float(len(moved))}
    for limit in (0.5, 0.9):
        figures[f"moved_above_{limit}"] = float((chance[moved] > limit).mean())
        figures[f"sound_above_{limit}"] = float((chance[~moved] > limit).mean())
    return {name: round(value, 4) for name, value in figures.items()}


def train(specimens: int, test_specimens: int, seed: int, target: Path) -> dict[str, float]:
    """Write the model and its card next to it; return the test figures of `score`."""
    network = fit(*spectra(simulate(_seeds(TRAINING_SEED, specimens)), _TIMES, seed), seed)
    figures = score(network, *spectra(simulate(_seeds(TEST_SEED, test_specimens)), 2, seed + 1))
    onnx.save(as_onnx(network), target)
    card = {
        "sha256": hashlib.sha256(target.read_bytes()).hexdigest(),
        "trained_on": f"{specimens} simulated specimens from seed {TRAINING_SEED}",
        "seed": seed,
        "tested_on": f"{test_specimens} simulated specimens from seed {TEST_SEED}",
        "test": figures,
    }
    target.with_suffix(".json").write_text(json.dumps(card, indent=2) + "\n")
    return figures


def _seeds(first: int, count: int) -> Sequence[int]:
    return range(first, first + count)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m training.motion_model.train", description=__doc__)
    parser.add_argument("--specimens", type=int, default=500, help="simulated mice to train on (default %(default)s)")
    parser.add_argument("--test-specimens", type=int, default=60, help="other mice to test on (default %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="seed of weights and changes (default %(default)s)")
    parser.add_argument("--output", type=Path, default=MODEL, help="where to write the model (default %(default)s)")
    given = parser.parse_args()
    sys.stderr.write(json.dumps(train(given.specimens, given.test_specimens, given.seed, given.output)) + "\n")


if __name__ == "__main__":
    main()
