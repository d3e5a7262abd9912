"""Simulate mice, train the view network, test it on other mice, and write services/intake/view_model.onnx."""

import argparse
import hashlib
import json
import sys
import warnings
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import onnx
import torch

from services.common.preprocessing import VERSION
from services.intake.orient import CARD, CLASSES, INPUT_SIDE, MODEL, Orientation, ViewModel
from services.intake.settings import Limits
from training.view_network.fit import ViewNetwork, ViewTrainingOptions, fit
from training.view_network.samples import Sample, Samples, collect, specimen_samples


def score(path: Path, samples: Samples) -> dict[str, float]:
    """Shares of correct and of confident wrong answers of an exported network, by question, using intake's rules.

    An answer is confident if it reaches the default probabilities of the limits.
    """
    model = ViewModel(path.read_bytes())
    verdicts = [model.orient(picture) for picture in samples.pictures]
    limits = Limits()
    whole = samples.view != CLASSES.index("other")
    chosen = np.array([_best(verdict) for verdict in verdicts])
    sure = np.array([max(verdict.view.values()) for verdict in verdicts]) >= limits.least_view_probability
    wrong = chosen != samples.view
    figures = {
        "samples": float(len(verdicts)),
        "view_right": float(1 - wrong.mean()),
        "view_confident": float(sure.mean()),
        "view_confident_and_wrong": float((wrong & sure).mean()),
    }
    asked = {"up": [verdict.head_up for verdict in verdicts], "mirrored": [verdict.mirrored for verdict in verdicts]}
    for name, given in asked.items():
        probability, truth = np.array(given)[whole], getattr(samples, name)[whole] > 0.5
        confident = np.abs(probability - 0.5) >= limits.least_orientation_probability - 0.5
        false = (probability > 0.5) != truth
        figures[f"{name}_right"] = float(1 - false.mean())
        figures[f"{name}_confident"] = float(confident.mean())
        figures[f"{name}_confident_and_wrong"] = float((false & confident).mean())
    return {name: round(value, 4) for name, value in figures.items()}


def _best(verdict: Orientation) -> int:
    return int(np.argmax([verdict.view[name] for name in CLASSES]))


TRAINING_SEED: Final = 400_000
TEST_SEED: Final = 480_000
"""First seeds of training and test specimens; the two ranges do not overlap."""
_OPSET: Final = 17


def train(specimens: int, test_specimens: int, options: ViewTrainingOptions, target: Path) -> dict[str, float]:
    """Write the model and its card next to it; return the test figures of `score`."""
    torch.use_deterministic_algorithms(True)
    _say(f"simulating {specimens} + {test_specimens} specimens")
    training = simulate(range(TRAINING_SEED, TRAINING_SEED + specimens))
    network = fit(training, options, _say)
    export(network, target)
    figures = score(target, simulate(range(TEST_SEED, TEST_SEED + test_specimens)))
    card = {
        "sha256": hashlib.sha256(target.read_bytes()).hexdigest(),
        "preprocessing_version": VERSION,
        "classes": list(CLASSES),
        "trained_on": f"{specimens} simulated specimens from seed {TRAINING_SEED}",
        "epochs": options.epochs,
        "seed": options.seed,
        "tested_on": f"{test_specimens} simulated specimens from seed {TEST_SEED}",
        "test": figures,
    }
    target.with_suffix(CARD.suffix).write_text(json.dumps(card, indent=2) + "\n")
    return figures


def simulate(seeds: Sequence[int]) -> Samples:
    """Samples of many specimens, in the order of the seeds, computed on all cores."""
    samples: list[Sample] = []
    with ProcessPoolExecutor(initializer=cv2.setNumThreads, initargs=(1,)) as pool:
        for of_one in pool.map(specimen_samples, seeds, chunksize=16):
            samples.extend(of_one)
    return collect(samples)


def export(network: ViewNetwork, target: Path) -> None:
    """Write the network as ONNX with a free batch size; raises onnx.checker.ValidationError if the file is invalid."""
    example = torch.zeros((4, 1, INPUT_SIDE, INPUT_SIDE), dtype=torch.uint8)
    with warnings.catch_warnings():
        # The exporter that needs no other package is marked as deprecated.
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            network,
            (example,),
            target,
            input_names=["picture"],
            output_names=["view", "up", "mirrored"],
            dynamic_axes={"picture": {0: "n"}},
            opset_version=_OPSET,
            dynamo=False,
        )
    onnx.checker.check_model(onnx.load(target))


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m training.view_network.train", description=__doc__)
    parser.add_argument("--specimens", type=int, default=900, help="simulated mice to train on (default %(default)s)")
    parser.add_argument("--test-specimens", type=int, default=150, help="other mice to test on (default %(default)s)")
    parser.add_argument("--epochs", type=int, default=16, help="passes over the pictures (default %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="seed of weights and augmentation (default %(default)s)")
    parser.add_argument("--output", type=Path, default=MODEL, help="where to write the model (default %(default)s)")
    given = parser.parse_args()
    figures = train(given.specimens, given.test_specimens, ViewTrainingOptions(given.epochs, given.seed), given.output)
    _say(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
