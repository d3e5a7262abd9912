"""Further versions of the committed autoencoder for the tests: another calibration constant, or some harm."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

from services.models.golden import Golden, read_golden
from training.export.golden import make_golden
from training.export.graph import sha256
from training.export.repository import REPOSITORY, read_cards, write_version

MODEL = "cae"
Change = Callable[[onnx.ModelProto], None]


def shifted(by: float) -> Change:
    """Move every calibrated probability."""
    return lambda graph: _set(graph, "calibration.shift", lambda values: values + np.float32(by))


def not_numbers(graph: onnx.ModelProto) -> None:
    """Put NaN into a weight."""
    _set(graph, "calibration.scale", lambda values: values * np.float32("nan"))


def reordered(graph: onnx.ModelProto) -> None:
    """Calibrate each label as if it were another: the outputs come in another order of labels."""
    for name in ("calibration.scale", "calibration.shift"):
        _set(graph, name, lambda values: values[::-1].copy())


def write_variant(repository: Path, version: int, change: Change, golden: Golden | None = None) -> bytes:
    """Write a version; its golden outputs are its own unless others are given. Returns the graph."""
    graph = onnx.load(str(REPOSITORY / MODEL / "1" / "model.onnx"))
    change(graph)
    file = bytes(graph.SerializeToString(deterministic=True))
    made = golden or make_golden(file, committed_golden().images)
    card = read_cards(REPOSITORY / MODEL / "config.pbtxt")[1].model_copy(
        update={"version": version, "onnx_sha256": sha256(file), "golden_sha256": made.digest()}
    )
    write_version(card, file, made, repository=repository)
    (repository / "model.py").write_bytes((REPOSITORY / "model.py").read_bytes())
    return file


def committed_golden() -> Golden:
    """The golden inputs of the committed version."""
    return read_golden(REPOSITORY / MODEL / "1")


def _set(graph: onnx.ModelProto, name: str, change: Callable[[np.ndarray], np.ndarray]) -> None:
    (tensor,) = [one for one in graph.graph.initializer if one.name == name]
    tensor.CopyFrom(numpy_helper.from_array(change(numpy_helper.to_array(tensor)), name))
