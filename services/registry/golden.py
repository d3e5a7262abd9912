"""Golden inputs: specimens and the outputs of the exported graph for them, stored with each version.

The server (Triton with a graph or a TensorRT plan) must give the same outputs for the same specimens. A version's
folder holds `golden.bin.gz`, the images' bytes, and `golden.json`, their shape, digest and outputs.
"""

import gzip
import hashlib
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from services.common.errors import Rejected
from services.common.labels import LEVEL2, LEVEL3

IMAGES_FILE: Final = "golden.bin.gz"
OUTPUTS_FILE: Final = "golden.json"
MOST_BYTES: Final = 256 << 20
"""Of the images of a version: 1,700 tensors of 224x224; versions have about ten."""


@dataclass(frozen=True)
class Golden:
    """Images uint8 [n, side, side, 3], and by output name the float32 [n, width] that ONNX Runtime computed."""

    images: NDArray[np.uint8]
    outputs: dict[str, NDArray[np.float32]]

    def largest_difference(self, outputs: Mapping[str, NDArray[np.floating[Any]]]) -> float:
        """Return the largest difference of a probability from those of another server."""
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
        """Return the SHA-256 (hex) of `golden.json`, which contains the digest of the images."""
        return hashlib.sha256(self.files()[OUTPUTS_FILE]).hexdigest()


def read_golden(version: Path) -> Golden:
    """Read the files of a version's folder; raises Rejected `golden_damaged` if they do not belong together."""
    try:
        description: dict[str, Any] = json.loads((version / OUTPUTS_FILE).read_bytes())
        raw = _inflated(version / IMAGES_FILE)
        digest = description["images_sha256"]
        images = np.frombuffer(raw, dtype=np.uint8).reshape(description["shape"])
        outputs = {name: np.array(values, dtype=np.float32) for name, values in description["outputs"].items()}
    except _UNREADABLE as error:
        raise Rejected("golden_damaged", f"the golden inputs in {version} cannot be read: {error!r}") from error
    if hashlib.sha256(raw).hexdigest() != digest:
        message = f"{version / IMAGES_FILE} does not match {OUTPUTS_FILE}: export the version again"
        raise Rejected("golden_damaged", message)
    expected = {name: (len(images), width) for name, width in _WIDTHS.items()}
    if images.ndim != 4 or not images.size or {name: rows.shape for name, rows in outputs.items()} != expected:
        message = f"{version / OUTPUTS_FILE} does not hold the outputs {expected}: export the version again"
        raise Rejected("golden_damaged", message)
    return Golden(images, outputs)


def _inflated(path: Path) -> bytes:
    """Read a compressed file; raises ValueError if it inflates to more than `MOST_BYTES`."""
    with gzip.open(path) as file:
        data = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        msg = f"{path.name} inflates to more than {MOST_BYTES} bytes"
        raise ValueError(msg)
    return data


_UNREADABLE: Final = (
    *(OSError, EOFError, zlib.error, RecursionError),
    *(ValueError, KeyError, TypeError, AttributeError, OverflowError),
)
_WIDTHS: Final = {"level1": 1, "level2": len(LEVEL2), "level3": len(LEVEL3)}
"""Outputs of every model, and the number of probabilities in each."""
