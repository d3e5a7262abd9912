"""Tiny labelled sets for tests of training code: noise with a bright bar where a specimen is abnormal."""

import numpy as np

from services.common.labels import LABEL_ORDER
from training.datasets.store import Subset
from training.simulation.bone_truth import CHANNELS, SIDE


def tiny_subset(specimens: int, seed: int, side: int = 48) -> Subset:
    """Half of the specimens are abnormal, most of them in the Spine; every label occurs with both values."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 2, size=(specimens, len(LABEL_ORDER)), dtype=np.uint8)
    labels[:, 0] = np.arange(specimens) % 2
    labels[:, LABEL_ORDER.index("Spine")] = 1
    labels[1, 1:] = np.arange(1, len(LABEL_ORDER)) % 2
    labels[3, 1:] = 1 - labels[1, 1:]
    labels[labels[:, 0] == 0] = 0
    images = random.integers(0, 60, size=(specimens, side, side, 3), dtype=np.uint8)
    images[labels[:, 0] == 1, side // 3 : side // 2, side // 2 : side // 2 + side // 6] = 230
    centres = tuple("JAX" if number % 3 else "BCM" for number in range(specimens))
    bones = np.zeros((specimens, 2, len(CHANNELS), SIDE, SIDE), dtype=np.uint8)
    bones[labels[:, 0] == 1, :, CHANNELS.index("altered"), SIDE // 3 : SIDE // 2, SIDE // 2 : 2 * SIDE // 3] = 255
    return Subset(images, bones, np.arange(specimens), labels, centres)
