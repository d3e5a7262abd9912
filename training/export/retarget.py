"""Write the models of a repository for another target: other configurations for the same cards and golden inputs.

Half precision is in the ONNX graph itself. TensorRT 11 no longer has builder flags for FP16, and a build that falls
back silently ships an FP32 engine. With the types in the graph and a strongly typed network, the engine either has the
graph's precision or the build fails. Source: TensorRT developer guide, "Strongly typed networks".
"""

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import onnx
from onnxruntime.transformers.float16 import convert_float_to_float16
from onnxruntime.transformers.onnx_model import OnnxModel

from services.common.atomic import replace
from services.common.errors import Rejected
from services.registry.golden import OUTPUTS_FILE, Golden, read_golden
from services.registry.validation import VALIDATION_FILE
from training.export.graph import INPUT, OUTPUTS, make_golden, sha256
from training.export.job.build_plan import PLAN_FILE, RECORD_FILE, REQUEST_FILE
from training.export.repository import read_cards, write_version
from training.export.targets import PROFILE, EnginePrecision, Target
from training.export.tensorrt_rules import check_tensorrt_rules
from training.export.weights import FILE as WEIGHTS

HEAVY: Final = ("Conv", "Gemm", "MatMul")
"""Operators that account for nearly all of the work."""
_KEPT_IN_32_BITS: Final = (
    "BatchNormalization",
    "Div",
    "LayerNormalization",
    "Max",
    "Min",
    "ReduceLogSumExp",
    "ReduceMax",
    "ReduceMean",
    "Resize",
    "Sigmoid",
    "Sqrt",
    "Sub",
    "TopK",
)
"""Statistics over many values, variances, and the final probabilities."""
LARGEST_DIFFERENCE: Final[dict[EnginePrecision, float]] = {"fp32": 1e-3, "fp16": 2e-2}
"""Largest difference of an engine's probability from ONNX Runtime's in 32 bits. A GPU sums in another order, so the
limit is not 1e-4."""
KEPT_FIRST: Final = (0, 4, 8, 16)
"""How many of the first heavy operators stay in 32 bits, tried in this order.

Measured on the committed ConvNeXt: with all operators in half precision the largest difference is 0.049, with the first
8 in 32 bits it is 0.003. To the first blocks a bone's edge is a few grey levels, and later blocks amplify their
rounding.
"""


class PrecisionError(RuntimeError):
    """A graph does not have the requested precision."""


def with_precision(onnx_file: bytes, precision: EnginePrecision, kept_first: int = 0) -> bytes:
    """Return the ONNX file with its heavy operators in the precision; inputs and outputs keep their types.

    Everything up to the heavy operator number `kept_first` stays in 32 bits. Raises PrecisionError if the result does
    not have the requested precision.
    """
    if precision == "fp32":
        assert_precision(onnx_file, precision)
        return onnx_file
    model = onnx.load_from_string(onnx_file)
    weights = {tensor.name: tensor for tensor in onnx.load_from_string(onnx_file).graph.initializer}
    described = _described_only(model.graph)
    kept = _names_before(model.graph, kept_first) + [node.name for node in described]
    half = convert_float_to_float16(
        model, keep_io_types=True, op_block_list=list(_KEPT_IN_32_BITS), node_block_list=kept
    )
    _restore_weights(half.graph, weights)
    # The converter leaves type annotations that are no longer true; the checker infers them again.
    del half.graph.value_info[:]
    editor = OnnxModel(half)
    # Between two operators in 32 bits the converter rounds to 16 bits and back.
    editor.remove_cascaded_cast_nodes()
    editor.topological_sort()
    onnx.checker.check_model(half, full_check=True)
    result = bytes(half.SerializeToString(deterministic=True))
    assert_precision(result, precision, kept_first)
    return result


def assert_precision(onnx_file: bytes, precision: EnginePrecision, kept_first: int = 0) -> None:
    """Raise PrecisionError unless the weights of all heavy operators except `kept_first` have the precision."""
    found = _weight_types(onnx.load_from_string(onnx_file).graph)
    expected = onnx.TensorProto.FLOAT16 if precision == "fp16" else onnx.TensorProto.FLOAT
    others = found.total() - found[expected]
    if others > kept_first or not found[expected]:
        counts = {onnx.TensorProto.DataType.Name(kind): count for kind, count in found.items()}
        msg = f"{', '.join(HEAVY)} have weights of the types {counts}, but {precision} was requested"
        raise PrecisionError(msg)


def _restore_weights(graph: onnx.GraphProto, weights: dict[str, onnx.TensorProto]) -> None:
    """Restore the original weights of operators in 32 bits: the converter rounds all weights, then casts back."""
    constants = {tensor.name for tensor in graph.initializer}
    for node in [node for node in graph.node if node.op_type == "Cast" and node.input[0] in constants]:
        restored = onnx.TensorProto()
        restored.CopyFrom(weights[node.input[0]])
        restored.name = node.output[0]
        graph.initializer.append(restored)
        graph.node.remove(node)
    read = {name for node in graph.node for name in node.input}
    for tensor in [tensor for tensor in graph.initializer if tensor.name not in read]:
        graph.initializer.remove(tensor)


def _names_before(graph: onnx.GraphProto, heavy: int) -> list[str]:
    """Return the names of all nodes up to and including the heavy operator of that number, from 1."""
    indices = [index for index, node in enumerate(graph.node) if node.op_type in HEAVY]
    end = indices[min(heavy, len(indices)) - 1] + 1 if heavy else 0
    return [node.name for node in graph.node[:end]]


def _described_only(graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    """Return the nodes that no probability needs; they stay in 32 bits, because distances add up rounding errors."""
    needed = set(OUTPUTS)
    others = []
    for node in reversed(graph.node):
        if needed & set(node.output):
            needed.update(node.input)
        else:
            others.append(node)
    return others


def _weight_types(graph: onnx.GraphProto) -> Counter[int]:
    types = {tensor.name: tensor.data_type for tensor in graph.initializer}
    described = {node.name for node in _described_only(graph)}
    heavy = (node for node in graph.node if node.op_type in HEAVY and node.name not in described)
    return Counter(types[node.input[1]] for node in heavy if node.input[1] in types)


@dataclass(frozen=True)
class Retargeted:
    """One written version, and the largest difference of its probabilities from the original on the golden inputs."""

    model: str
    version: int
    difference: float


def retarget(source: Path, target: Target, output: Path, precision: EnginePrecision = "fp32") -> list[Retargeted]:
    """Write all versions of a repository into another folder, for another target.

    Half precision changes the graph itself, and the card then names the changed graph. Raises Rejected:
    `same_repository`, `no_models`, `golden_missing`, `precision_too_low` (the graph differs too much), and
    TensorRTRuleError for a graph that TensorRT would reject.
    """
    if output.resolve() == source.resolve():
        raise Rejected("same_repository", f"{output} is also the repository to read: choose another folder")
    written = [
        _write(directory, version, target, output, precision)
        for directory in sorted(path.parent for path in source.glob("*/config.pbtxt"))
        for version in sorted(read_cards(directory / "config.pbtxt"))
    ]
    if not written:
        raise Rejected("no_models", f"{source} holds no model: train one, or name another repository")
    return written


def _write(directory: Path, version: int, target: Target, output: Path, precision: EnginePrecision) -> Retargeted:
    card = read_cards(directory / "config.pbtxt")[version]
    folder = directory / str(version)
    golden = read_version_golden(folder)
    file, kept, difference = _within_limit((folder / "model.onnx").read_bytes(), precision, golden)
    if target == "tensorrt":
        check_tensorrt_rules(file)
    card = card.model_copy(update={"onnx_sha256": sha256(file)})
    request = _request(golden, card.onnx_sha256, precision, kept) if target == "tensorrt" else None
    written = output / card.model / str(version)
    if request is not None:
        _remove_other_plan(written, request)
    weights = (folder / WEIGHTS).read_bytes() if (folder / WEIGHTS).exists() else None
    validation = folder / VALIDATION_FILE
    write_version(
        card,
        file,
        golden,
        weights=weights,
        validation=validation.read_bytes() if validation.exists() else None,
        repository=output,
        target=target,
    )
    if request is not None:
        replace(written / REQUEST_FILE, request)
    return Retargeted(card.model, version, difference)


def _within_limit(file: bytes, precision: EnginePrecision, golden: Golden) -> tuple[bytes, int, float]:
    """Return the graph, how many of its first operators stay in 32 bits, and the difference.

    The limit is half of the engine's, because the engine rounds again.
    """
    limit = LARGEST_DIFFERENCE[precision] / 2
    for kept in KEPT_FIRST:
        changed = with_precision(file, precision, kept)
        difference = golden.largest_difference(make_golden(changed, golden.images).outputs)
        if difference <= limit:
            return changed, kept, difference
    message = f"in {precision} the graph differs by {difference:.2e} on golden inputs, the limit is {limit}: use fp32"
    raise Rejected("precision_too_low", message, difference=difference, limit=limit)


def _request(golden: Golden, digest: str, precision: EnginePrecision, kept: int) -> bytes:
    """Return the specification of the plan to build, as JSON."""
    request = {
        "input": INPUT,
        "shape": golden.images.shape[1:],
        "golden": len(golden.images),
        "profile": PROFILE,
        "precision": precision,
        "kept_in_32_bits": kept,
        "onnx_sha256": digest,
        "largest_difference": LARGEST_DIFFERENCE[precision],
    }
    return (json.dumps(request, indent=2) + "\n").encode()


def _remove_other_plan(version: Path, request: bytes) -> None:
    """Remove the plan of another request before graph and card change: Triton would serve it under the new card."""
    file = version / REQUEST_FILE
    if file.exists() and file.read_bytes() == request:
        return
    for stale in (PLAN_FILE, RECORD_FILE):
        (version / stale).unlink(missing_ok=True)


def read_version_golden(folder: Path) -> Golden:
    """Return the golden inputs of a version's folder; raises Rejected `golden_missing`."""
    if not (folder / OUTPUTS_FILE).exists():
        raise Rejected("golden_missing", f"{folder} has no golden inputs: export the version again")
    return read_golden(folder)
