"""Golden inputs: specimens and what ONNX Runtime makes of them, kept with each version.

Whoever serves the version elsewhere (a TensorRT plan, a refreshed server) can ask it for the same specimens and
compare. A version's folder holds `golden.bin.gz`, the images' bytes, and `golden.json`, their shape, digest and
outputs.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from services.common.errors import Rejected
from training.export.graph import OUTPUTS, run_onnx

GOLDEN_SPECIMENS: Final = 8
IMAGES_FILE: Final = "golden.bin.gz"
OUTPUTS_FILE: Final = "golden.json"


@dataclass(frozen=True)
class Golden:
    """Images uint8 [n, side, side, 3], and by output name the float32 [n, width] that ONNX Runtime computed."""

    images: NDArray[np.uint8]
    outputs: dict[str, NDArray[np.float32]]

    def largest_difference(self, outputs: Mapping[str, NDArray[np.float32]]) -> float:
        """Return by how much the furthest probability of another server differs."""
        return max(float(np.abs(outputs[name] - expected).max()) for name, expected in self.outputs.items())

    def files(self) -> dict[str, bytes]:
        """Return the two files, the same bytes for the same content."""
        raw = np.ascontiguousarray(self.images).tobytes()
        description = {
            "shape": list(self.images.shape),
            "images_sha256": hashlib.sha256(raw).hexdigest(),
            "outputs": {name: values.tolist() for name, values in self.outputs.items()},
        }
        return {
            IMAGES_FILE: gzip.compress(raw, compresslevel=9, mtime=0),
            OUTPUTS_FILE: (json.dumps(description, indent=1) + "\n").encode(),
        }

    def digest(self) -> str:
        """SHA-256 of `golden.json`, which holds the images' own."""
        return hashlib.sha256(self.files()[OUTPUTS_FILE]).hexdigest()


def make_golden(onnx_file: bytes, images: NDArray[np.uint8]) -> Golden:
    """Run ONNX Runtime on the images."""
    return Golden(images, dict(zip(OUTPUTS, run_onnx(onnx_file, images), strict=True)))


def read_golden(version: Path) -> Golden:
    """Read the files of a version's folder; raises Rejected `golden_damaged` if they do not belong together."""
    description: dict[str, Any] = json.loads((version / OUTPUTS_FILE).read_text(encoding="utf-8"))
    raw = gzip.decompress((version / IMAGES_FILE).read_bytes())
    if hashlib.sha256(raw).hexdigest() != description["images_sha256"]:
        words = f"{version / IMAGES_FILE} does not hold the images that {OUTPUTS_FILE} names: export the version again"
        raise Rejected("golden_damaged", words)
    outputs = {name: np.array(values, dtype=np.float32) for name, values in description["outputs"].items()}
    return Golden(np.frombuffer(raw, dtype=np.uint8).reshape(description["shape"]), outputs)
