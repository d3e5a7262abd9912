"""Adds the output `oblique` to the view network: whether the animal is rolled too far for a DV or a LAT.

It is a small head on the features of the trained network, whose own weights and outputs stay as they are, so that no
view changes.
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from services.common.errors import Rejected
from services.intake.animal.find import find
from services.intake.animal.trunk import find_trunk
from services.intake.orient import CARD, INPUT_SIDE, MODEL, ViewModel, orientation_input
from training.simulation.render import render
from training.simulation.specimen import make_specimen
from training.view_network.logit import LogitPlan, fit_logit
from training.view_network.samples import WHOLE, to_raster

OUTPUT: Final = "oblique"
SOUND_ROLL: Final = 17.0
OBLIQUE_ROLL: Final = (30.0, 60.0)
"""Rolls in degrees to either side; a roll of 90 turns a DV into a LAT. Between 17 and 30 nothing is trained."""
TRAINING_SEED: Final = 410_000
TEST_SEED: Final = 480_000
"""First seeds of training and test specimens; the two ranges do not overlap."""
_SIDES: Final = (192, 448)
_HIDDEN: Final = 32
_RATE: Final = 1e-3
_DECAY: Final = 3e-2
_BATCH: Final = 128
_EPOCHS: Final = 20
_SMOOTHING: Final = 0.02


@dataclass(frozen=True)
class RollSamples:
    """`pictures` uint8 [n, 96, 96] and `oblique` bool [n]."""

    pictures: NDArray[np.uint8]
    oblique: NDArray[np.bool_]


def roll_samples(seed: int) -> list[tuple[NDArray[np.uint8], bool]]:
    """A DV and a LAT of one simulated specimen, each sound or oblique."""
    rng = np.random.default_rng((seed, 23))
    samples = []
    for view in WHOLE:
        oblique = bool(rng.random() < 0.5)
        roll = rng.uniform(*OBLIQUE_ROLL) * rng.choice((-1, 1)) if oblique else rng.uniform(-SOUND_ROLL, SOUND_ROLL)
        exposure = render(
            make_specimen(seed),
            view,
            seed,
            side=int(rng.integers(*_SIDES)),
            mirrored=bool(rng.random() < 0.5),
            head_angle=float(rng.uniform(-180, 180)),
            roll=float(roll),
        )
        try:
            found = find(to_raster(exposure, rng))
        except Rejected:
            continue
        samples.append((orientation_input(found, find_trunk(found.animal.mask)), oblique))
    return samples


def simulate(seeds: Sequence[int]) -> RollSamples:
    """Samples of many specimens, in the order of the seeds, computed on all cores."""
    with ProcessPoolExecutor(initializer=cv2.setNumThreads, initargs=(1,)) as pool:
        samples = [sample for of_one in pool.map(roll_samples, seeds, chunksize=16) for sample in of_one]
    pictures, oblique = zip(*samples, strict=True)
    return RollSamples(np.stack(pictures).reshape(-1, INPUT_SIDE, INPUT_SIDE), np.array(oblique))


def features(model: onnx.ModelProto, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The network's flat features of each picture, float32 [n, f]."""
    exposed = onnx.ModelProto()
    exposed.CopyFrom(model)
    exposed.graph.output.append(helper.make_tensor_value_info(_flat(model), TensorProto.FLOAT, None))
    session = onnxruntime.InferenceSession(exposed.SerializeToString(), providers=["CPUExecutionProvider"])
    run = partial(session.run, [_flat(model)])
    batches = [run({"picture": pictures[start : start + 64, None]})[0] for start in range(0, len(pictures), 64)]
    return np.concatenate(batches)


def _flat(model: onnx.ModelProto) -> str:
    return str(next(node.output[0] for node in model.graph.node if node.op_type == "Flatten"))


def fit_head(given: NDArray[np.float32], oblique: NDArray[np.bool_], epochs: int, seed: int) -> nn.Sequential:
    """Train the head on features and return it in evaluation mode; its first layer includes their normalisation."""
    torch.manual_seed(seed)
    first = nn.Linear(given.shape[1], _HIDDEN)
    head = nn.Sequential(nn.Dropout(0.2), first, nn.ReLU(), nn.Linear(_HIDDEN, 1))
    plan = LogitPlan(epochs, _RATE, _DECAY, _BATCH, least_spread=1e-2, smoothing=_SMOOTHING)
    return fit_logit(head, first, given, oblique, plan)


def with_head(model: onnx.ModelProto, head: nn.Sequential) -> onnx.ModelProto:
    """The network with the head as its last output; a head that it already has is replaced."""
    extended = without_head(model)
    learned = dict(head.named_parameters())
    arrays = {
        f"{OUTPUT}.{name}": learned[parameter].detach().numpy()
        for name, parameter in (
            ("hidden.weight", "1.weight"),
            ("hidden.bias", "1.bias"),
            ("weight", "3.weight"),
            ("bias", "3.bias"),
        )
    }
    graph = extended.graph
    graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in arrays.items())
    hidden, weight, bias = (f"{OUTPUT}.{name}" for name in ("hidden", "weight", "bias"))
    graph.node.extend(
        [
            helper.make_node("Gemm", [_flat(model), f"{hidden}.weight", f"{hidden}.bias"], [hidden], transB=1),
            helper.make_node("Relu", [hidden], [f"{hidden}.positive"]),
            helper.make_node("Gemm", [f"{hidden}.positive", weight, bias], [OUTPUT], transB=1),
        ]
    )
    graph.output.append(helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["n", 1]))
    onnx.checker.check_model(extended)
    return extended


def without_head(model: onnx.ModelProto) -> onnx.ModelProto:
    """The network without this head."""
    plain = onnx.ModelProto()
    plain.CopyFrom(model)
    for part in (plain.graph.node, plain.graph.initializer, plain.graph.output):
        for item in [item for item in part if OUTPUT in (item.name or item.output[0]).split(".")]:
            part.remove(item)
    return plain


def score(model: onnx.ModelProto, samples: RollSamples) -> dict[str, float]:
    """Shares of oblique and of sound pictures whose probability, without the spine's place, exceeds 0.5."""
    network = ViewModel(model.SerializeToString())
    above = np.array([network.orient(picture).oblique > 0.5 for picture in samples.pictures])
    figures = {
        "oblique_found": above[samples.oblique].mean(),
        "sound_taken_for_oblique": above[~samples.oblique].mean(),
    }
    return {name: round(float(share), 4) for name, share in figures.items()}


def train(specimens: int, test_specimens: int, seed: int, target: Path) -> dict[str, float]:
    """Give the model in `target` its head and add the figures to its card."""
    model, training = onnx.load(target), simulate(range(TRAINING_SEED, TRAINING_SEED + specimens))
    four = [turned for turns in ((1, 1), (-1, -1), (1, -1), (-1, 1)) for turned in _mirrored(training.pictures, turns)]
    head = fit_head(features(model, np.stack(four)), np.tile(training.oblique, 4), _EPOCHS, seed)
    model = with_head(model, head)
    onnx.save(model, target)
    figures = score(model, simulate(range(TEST_SEED, TEST_SEED + test_specimens)))
    card = json.loads(target.with_suffix(CARD.suffix).read_text())
    card["sha256"] = hashlib.sha256(target.read_bytes()).hexdigest()
    card["oblique"] = {
        "trained_on": f"{specimens} simulated specimens from seed {TRAINING_SEED}",
        "tested_on": f"{test_specimens} simulated specimens from seed {TEST_SEED}",
        "test": figures,
    }
    target.with_suffix(CARD.suffix).write_text(json.dumps(card, indent=2) + "\n")
    return figures


def _mirrored(pictures: NDArray[np.uint8], turns: tuple[int, int]) -> NDArray[np.uint8]:
    return np.ascontiguousarray(pictures[:, :: turns[0], :: turns[1]])


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m training.view_network.oblique", description=__doc__)
    parser.add_argument("--specimens", type=int, default=1500, help="simulated mice to train on (default %(default)s)")
    parser.add_argument("--test-specimens", type=int, default=150, help="other mice to test on (default %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the weights (default %(default)s)")
    parser.add_argument("--output", type=Path, default=MODEL, help="the model to extend (default %(default)s)")
    given = parser.parse_args()
    sys.stderr.write(json.dumps(train(given.specimens, given.test_specimens, given.seed, given.output)) + "\n")


if __name__ == "__main__":
    main()
