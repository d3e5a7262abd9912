"""Makes golden inputs: specimens, and what ONNX Runtime makes of them (kept and read by `services.registry.golden`)."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.registry.golden import Golden
from training.export.graph import OUTPUTS, run_onnx

GOLDEN_SPECIMENS: Final = 8


def make_golden(onnx_file: bytes, images: NDArray[np.uint8]) -> Golden:
    """Run ONNX Runtime on the images."""
    return Golden(images, dict(zip(OUTPUTS, run_onnx(onnx_file, images), strict=True)))
