"""Simulated specimens as a stream draws them (`training.simulation.online`)."""

from functools import partial

import numpy as np

from training.datasets.arrays import MISSING
from training.population import Population
from training.simulation.landmarks import Landmarks
from training.simulation.online import fused, radiographs, standard_views
from training.simulation.specimen import BALANCED, RECORD, make_specimen
from training.train.stream.specimens import DrawnSpecimen, DrawSpecimen


def simulator(population: Population, side: int) -> DrawSpecimen:
    """Return what draws the specimens of a population, with tensors of `side` pixels."""
    return partial(draw_simulated, population=population, side=side)


def draw_simulated(seed: int, population: Population, side: int) -> DrawnSpecimen | None:
    """Draw the specimen of a seed; None if intake rejects one of its pictures.

    Findings of specimens with even seeds occur together as in the public record, those with odd seeds are balanced. A
    specimen that is abnormal only outside the thirteen labels teaches level 1 alone: its others are missing.
    """
    specimen = make_specimen(seed, prevalence=BALANCED if seed % 2 else RECORD, population=population)
    standard = standard_views(specimen, radiographs(specimen, side))
    if standard is None:
        return None
    sample = fused(specimen, standard, side)
    labels = sample.labels.copy()
    if labels[0] and not labels[1:].any():
        labels[1:] = MISSING
    views = sample.landmarks_dv, sample.landmarks_lat
    shown = [_within(landmarks, side) for landmarks in views]
    return DrawnSpecimen(
        tensor=sample.tensor,
        labels=labels,
        bones=sample.bones,
        points=np.stack([relative_points(landmarks, side) for landmarks in shown]),
        present=np.stack([landmarks.present for landmarks in shown]),
    )


def _within(landmarks: Landmarks, side: int) -> Landmarks:
    return landmarks.within(0, 0, side, side)


def relative_points(landmarks: Landmarks, side: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Return the points [landmarks, 2] with x and y in [-1, 1] from edge to edge of a view of `side` pixels."""
    return np.asarray((landmarks.points + 0.5) * (2 / side) - 1, dtype=np.float32)
