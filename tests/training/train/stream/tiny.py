"""A multiview backbone and a stream that train in seconds: a bright spine on black, longer in abnormal specimens."""

from typing import Final

import numpy as np
import torch

from services.common.labels import LABEL_ORDER
from training.models.multiview.backbone import MultiviewBackbone, MultiviewSize
from training.models.multiview.stems import AutoencoderStem
from training.models.spec import BackbonePlan, StreamPlan
from training.simulation.bone_truth import CHANNELS
from training.simulation.bone_truth import SIDE as BONE_SIDE
from training.simulation.landmarks import LANDMARKS
from training.train.stream.specimens import DrawnSpecimen, draw_set
from training.train.stream.training import Stream, StreamTraining

SIDE: Final = 48
PLAN: Final = BackbonePlan(
    epochs=2,
    patience=2,
    batch=4,
    learning_rate=3e-3,
    weight_decay=0.01,
    reconstruction_weight=1.0,
    front_end_rate=0.1,
    stream=StreamPlan(steps=2, reconstruction_epochs=2),
)
REJECTED: Final = 5
"""Seeds divisible by this are rejected, as intake rejects some."""


def draw_tiny(seed: int) -> DrawnSpecimen | None:
    """Draw a specimen whose landmarks are spread along a line from head to tail; every second one is abnormal."""
    if seed % REJECTED == 0:
        return None
    random = np.random.default_rng(seed)
    labels = np.zeros(len(LABEL_ORDER), dtype=np.uint8)
    if seed % 2:
        labels[:] = random.integers(0, 2, len(labels))
        labels[0] = 1
    tensor = random.integers(0, 40, (SIDE, SIDE, 3), dtype=np.uint8)
    tensor[8:40, 22:26, 0] = tensor[22:26, 8:40, 1] = 220
    if seed % 2:
        tensor[20:28, 20:34, 0] = tensor[14:24, 20:28, 1] = 250
    along = np.linspace(-0.7, 0.7, len(LANDMARKS), dtype=np.float32)
    level = np.zeros_like(along)
    points = np.stack([np.stack([level, along], axis=1), np.stack([along, level], axis=1)])
    bones = np.zeros((2, len(CHANNELS), BONE_SIDE, BONE_SIDE), dtype=np.uint8)
    bones[:, 0, 10:46, 26:30] = 255
    if seed % 2:
        bones[:, 10:24, 24:32, 24:32] = 255
    present = np.ones((2, len(LANDMARKS)), dtype=np.bool_)
    present[:, LANDMARKS.index("T14")] = False
    return DrawnSpecimen(tensor, labels, bones, points, present)


def tiny_multiview() -> MultiviewBackbone:
    """The same weights each time."""
    torch.manual_seed(0)
    return MultiviewBackbone(AutoencoderStem(4, 8, 8), MultiviewSize(width=8, fine_blocks=1, coarse_blocks=1, heads=2))


def tiny_stream(first_seed: int = 1000) -> Stream:
    """Eight fixed specimens to validate on."""
    return Stream(draw_tiny, first_seed, "tiny", draw_set(draw_tiny, 11, 8))


def tiny_training(
    backbone: MultiviewBackbone, plan: BackbonePlan = PLAN, minutes: float | None = None, first_seed: int = 1000
) -> StreamTraining:
    """A training of a few seconds."""
    return StreamTraining(backbone, plan, tiny_stream(first_seed), seed=7, minutes=minutes)
