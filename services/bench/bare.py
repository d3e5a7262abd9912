"""The bare loop: decode, check, fuse, ONNX Runtime, in one process without storage or network.

`python -m services.bench.bare MODELS THREADS REPEAT FILE...` reads pairs of files (DV, LAT) and prints one JSON
line. OpenCV and ONNX Runtime may use all cores. With THREADS > 1, images are also standardised in parallel.
"""

import resource
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from pydantic import BaseModel

from services.common.errors import Rejected
from services.common.preprocessing import TENSOR_SIDE
from services.fuser.fuse import fuse
from services.intake.settings import Limits
from services.intake.standardise import standardise

BATCH: Final = 8
"""Specimens per run of a model: as many as the classifier sends to Triton in one request."""

Tensor = NDArray[np.uint8]
"""uint8 [TENSOR_SIDE, TENSOR_SIDE, 3]."""


class BareResult(BaseModel):
    """Number of specimens called, the seconds it took, and the peak resident memory of the process in bytes."""

    specimens: int
    seconds: float
    resident_bytes: int

    @property
    def rate(self) -> float:
        """Specimens per second."""
        return self.specimens / self.seconds


def newest_models(repository: Path) -> list[Path]:
    """Return the newest version's `model.onnx` of every model in a Triton repository."""
    newest: dict[str, Path] = {}
    for model in sorted(repository.glob("*/*/model.onnx"), key=lambda path: int(path.parent.name)):
        newest[model.parents[1].name] = model
    return list(newest.values())


def measure(models: Sequence[Path], pairs: Sequence[tuple[Path, Path]], threads: int) -> BareResult:
    """Call every (DV, LAT) pair once, except those that intake rejects; models are loaded before the clock starts."""
    sessions = [onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"]) for model in models]
    _infer(sessions, [np.zeros((TENSOR_SIDE, TENSOR_SIDE, 3), np.uint8)])
    called, batch = 0, list[Tensor]()
    started = time.perf_counter()
    for tensor in _tensors(pairs, threads):
        batch.append(tensor)
        if len(batch) == BATCH:
            called += _infer(sessions, batch)
            batch = []
    called += _infer(sessions, batch)
    seconds = time.perf_counter() - started
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return BareResult(specimens=called, seconds=seconds, resident_bytes=resident)


def _tensors(pairs: Sequence[tuple[Path, Path]], threads: int) -> Iterator[Tensor]:
    if threads == 1:
        tensors: Iterable[Tensor | None] = map(_tensor, pairs)
        yield from (tensor for tensor in tensors if tensor is not None)
        return
    with ThreadPoolExecutor(threads) as pool:
        yield from (tensor for tensor in pool.map(_tensor, pairs) if tensor is not None)


def _tensor(files: tuple[Path, Path]) -> Tensor | None:
    try:
        dorsoventral = standardise(files[0].read_bytes(), "DV", Limits()).pixels
        lateral = standardise(files[1].read_bytes(), "LAT", Limits()).pixels
    except Rejected:
        return None
    return fuse([dorsoventral], [lateral])


def _infer(sessions: Sequence[onnxruntime.InferenceSession], batch: Sequence[Tensor]) -> int:
    if batch:
        for session in sessions:
            session.run(None, {"image": np.stack(batch)})
    return len(batch)


if __name__ == "__main__":
    repository_, threads_, repeat_, *files_ = sys.argv[1:]
    paths = [Path(file) for file in files_]
    pairs_ = list(zip(paths[::2], paths[1::2], strict=True)) * int(repeat_)
    sys.stdout.write(measure(newest_models(Path(repository_)), pairs_, int(threads_)).model_dump_json() + "\n")
