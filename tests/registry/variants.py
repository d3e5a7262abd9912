"""Variants of the committed autoencoder for the tests: with another calibration constant, or damaged."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

from services.registry.golden import Golden, read_golden
from services.registry.validation import VALIDATION_FILE
from training.export.graph import make_golden, sha256
from training.export.repository import read_cards, write_version
from training.export.targets import REPOSITORY

MODEL = "cae"
Change = Callable[[onnx.ModelProto], None]


def shifted(by: float) -> Change:
    """Shift every calibrated probability."""
    return lambda graph: _set(graph, "calibration.shift", lambda values: values + np.float32(by))


def not_numbers(graph: onnx.ModelProto) -> None:
    """Put NaN into a weight."""
    _set(graph, "calibration.scale", lambda values: values * np.float32("nan"))


def reordered(graph: onnx.ModelProto) -> None:
    """Calibrate each label as if it were another: the outputs have a different order of labels."""
    for name in ("calibration.scale", "calibration.shift"):
        _set(graph, name, lambda values: values[::-1].copy())


def not_numbers_on_light(graph: onnx.ModelProto) -> None:
    """Return NaN for a specimen without a single black pixel, so that neither probe nor golden inputs reveal it."""
    logarithm = [
        helper.make_node("Sub", ["harm.half", "harm.darkest"], ["harm.below"]),
        helper.make_node("Log", ["harm.below"], ["harm.wrong"]),
    ]
    _harm(graph, logarithm, {"harm.half": np.array(0.5, np.float32)})


def failing_on_light(graph: onnx.ModelProto) -> None:
    """Fail on such a specimen by reading beyond the end of a list."""
    looking_up = [
        helper.make_node("ReduceMin", ["harm.darkest"], ["harm.any"], keepdims=0),
        helper.make_node("Min", ["harm.any", "harm.one"], ["harm.light"]),
        helper.make_node("Mul", ["harm.light", "harm.beyond"], ["harm.wanted"]),
        helper.make_node("Cast", ["harm.wanted"], ["harm.place"], to=onnx.TensorProto.INT64),
        helper.make_node("Gather", ["harm.list", "harm.place"], ["harm.found"], axis=0),
        helper.make_node("Mul", ["harm.darkest", "harm.found"], ["harm.wrong"]),
    ]
    constants = {
        "harm.one": np.array(1, np.float32),
        "harm.beyond": np.array(7, np.float32),
        "harm.list": np.zeros(1, np.float32),
    }
    _harm(graph, looking_up, constants)


def slow_on_light(graph: onnx.ModelProto) -> None:
    """Multiply matrices before answering for such a specimen: 5e12 operations, far over 10 s of any two cores."""
    square = [512, 512]
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["harm.go_on"], ["harm.still"]),
            helper.make_node("MatMul", ["harm.state", "harm.matrix"], ["harm.next"]),
        ],
        "harm",
        [
            helper.make_tensor_value_info("harm.round", onnx.TensorProto.INT64, []),
            helper.make_tensor_value_info("harm.go_on", onnx.TensorProto.BOOL, []),
            helper.make_tensor_value_info("harm.state", onnx.TensorProto.FLOAT, square),
        ],
        [
            helper.make_tensor_value_info("harm.still", onnx.TensorProto.BOOL, []),
            helper.make_tensor_value_info("harm.next", onnx.TensorProto.FLOAT, square),
        ],
    )
    work = [
        helper.make_node("ReduceMin", ["harm.darkest"], ["harm.any"], keepdims=0),
        helper.make_node("Min", ["harm.any", "harm.one"], ["harm.light"]),
        helper.make_node("Mul", ["harm.light", "harm.rounds"], ["harm.wanted"]),
        helper.make_node("Cast", ["harm.wanted"], ["harm.count"], to=onnx.TensorProto.INT64),
        helper.make_node("Loop", ["harm.count", "", "harm.matrix"], ["harm.end"], body=body),
        helper.make_node("ReduceMax", ["harm.end"], ["harm.most"], keepdims=0),
        helper.make_node("Mul", ["harm.darkest", "harm.most"], ["harm.wrong"]),
    ]
    constants = {
        "harm.one": np.array(1, np.float32),
        "harm.rounds": np.array(20_000, np.float32),
        "harm.matrix": np.eye(512, dtype=np.float32),
    }
    _harm(graph, work, constants)


def write_variant(repository: Path, version: int, change: Change, golden: Golden | None = None) -> bytes:
    """Write a version; its golden outputs are its own unless others are given. Returns the graph."""
    graph = onnx.load(str(REPOSITORY / MODEL / "1" / "model.onnx"))
    change(graph)
    file = bytes(graph.SerializeToString(deterministic=True))
    made = golden or make_golden(file, committed_golden().images)
    card = read_cards(REPOSITORY / MODEL / "config.pbtxt")[1].model_copy(
        update={
            "version": version,
            "onnx_sha256": sha256(file),
            "golden_sha256": made.digest(),
            "weights_sha256": "",
        }
    )
    validation = (REPOSITORY / MODEL / "1" / VALIDATION_FILE).read_bytes()
    write_version(card, file, made, validation=validation, repository=repository)
    return file


def committed_golden() -> Golden:
    """The golden inputs of the committed version."""
    return read_golden(REPOSITORY / MODEL / "1")


def _harm(graph: onnx.ModelProto, nodes: list[onnx.NodeProto], constants: dict[str, np.ndarray]) -> None:
    """Add 0 times `harm.wrong` [n, 1, 1, 1] to every output; `nodes` compute it from `harm.darkest`."""
    outputs = sorted(one.name for one in graph.graph.output)
    for node in graph.graph.node:
        for names in (node.input, node.output):
            names[:] = [f"{name}.sound" if name in outputs else name for name in names]
    known = constants | {"harm.axes": np.array([1, 2, 3], np.int64), "harm.nought": np.array(0, np.float32)}
    graph.graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in known.items())
    graph.graph.node.extend(
        [
            helper.make_node("Cast", ["image"], ["harm.pixels"], to=onnx.TensorProto.FLOAT),
            helper.make_node("ReduceMin", ["harm.pixels", "harm.axes"], ["harm.darkest"], keepdims=1),
            *nodes,
            helper.make_node("Mul", ["harm.wrong", "harm.nought"], ["harm.product"]),
            helper.make_node("Flatten", ["harm.product"], ["harm.added"]),
            *(helper.make_node("Add", [f"{name}.sound", "harm.added"], [name]) for name in outputs),
        ]
    )


def _set(graph: onnx.ModelProto, name: str, change: Callable[[np.ndarray], np.ndarray]) -> None:
    (tensor,) = [one for one in graph.graph.initializer if one.name == name]
    tensor.CopyFrom(numpy_helper.from_array(change(numpy_helper.to_array(tensor)), name))
