"""How well an exported view network does on samples it has not seen."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from services.intake.limits import Limits
from services.intake.orient.model import CLASSES, Orientation, ViewModel
from training.view_network.samples import Samples


def score(path: Path, samples: Samples) -> dict[str, float]:
    """Shares of right answers and of confident wrong ones, by question, judged as intake judges.

    A verdict is confident from the limits' default probabilities on.
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
