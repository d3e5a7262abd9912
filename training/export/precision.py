"""Half precision put into the ONNX graph itself.

TensorRT 11 has no builder flags for FP16 any more, and a build that falls back in silence ships an FP32 engine. With
the types in the graph and a strongly typed network the engine has the graph's precision or there is none.
Source: TensorRT developer guide, "Strongly typed networks".
"""

from __future__ import annotations

from collections import Counter
from typing import Final, Literal

import onnx
from onnxruntime.transformers.float16 import convert_float_to_float16
from onnxruntime.transformers.onnx_model import OnnxModel

EnginePrecision = Literal["fp32", "fp16"]

HEAVY: Final = ("Conv", "Gemm", "MatMul")
"""Operators that hold nearly all of the work."""
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
"""Statistics over many values, variances, and the probabilities at the end."""
LARGEST_DIFFERENCE: Final[dict[EnginePrecision, float]] = {"fp32": 1e-3, "fp16": 2e-2}
"""Of a probability of an engine from ONNX Runtime's in 32 bits. A GPU sums in another order, hence not 1e-4."""


KEPT_FIRST: Final = (0, 4, 8, 16)
"""How many of the first heavy operators may stay in 32 bits, tried in this order.

Measured on the committed ConvNeXt: all in half precision differs by 0.049, the first 8 kept by 0.003. The first blocks
see a bone's edge as a few grey levels, and what they round away the later ones enlarge.
"""


class PrecisionError(RuntimeError):
    """A graph does not have the precision that was asked for."""


def with_precision(onnx_file: bytes, precision: EnginePrecision, kept_first: int = 0) -> bytes:
    """Return the graph with its heavy operators in the precision; inputs and outputs keep their types.

    With `kept_first`, all up to that many heavy operators stay in 32 bits. Raises PrecisionError if the graph did not
    come out as asked for.
    """
    if precision == "fp32":
        assert_precision(onnx_file, precision)
        return onnx_file
    model = onnx.load_from_string(onnx_file)
    weights = {tensor.name: tensor for tensor in onnx.load_from_string(onnx_file).graph.initializer}
    kept = _names_before(model.graph, kept_first)
    half = convert_float_to_float16(
        model, keep_io_types=True, op_block_list=list(_KEPT_IN_32_BITS), node_block_list=kept
    )
    _restore_weights(half.graph, weights)
    # The converter leaves notes of types that no longer hold; the checker infers them anew.
    del half.graph.value_info[:]
    editor = OnnxModel(half)
    # Between two operators in 32 bits it rounds to 16 and back.
    editor.remove_cascaded_cast_nodes()
    editor.topological_sort()
    onnx.checker.check_model(half, full_check=True)
    result = bytes(half.SerializeToString(deterministic=True))
    assert_precision(result, precision, kept_first)
    return result


def assert_precision(onnx_file: bytes, precision: EnginePrecision, kept_first: int = 0) -> None:
    """Raise PrecisionError unless the weights of all heavy operators but `kept_first` have the precision."""
    found = _weight_types(onnx.load_from_string(onnx_file).graph)
    wanted = onnx.TensorProto.FLOAT16 if precision == "fp16" else onnx.TensorProto.FLOAT
    others = found.total() - found[wanted]
    if others > kept_first or not found[wanted]:
        counts = {onnx.TensorProto.DataType.Name(kind): count for kind, count in found.items()}
        msg = f"{', '.join(HEAVY)} have weights of the types {counts}, asked for was {precision}"
        raise PrecisionError(msg)


def _restore_weights(graph: onnx.GraphProto, weights: dict[str, onnx.TensorProto]) -> None:
    """Give operators that stay in 32 bits their weights unrounded: the converter rounds all, and casts back."""
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
    """Names of all nodes up to and with the heavy operator of that number."""
    places = [place for place, node in enumerate(graph.node) if node.op_type in HEAVY]
    end = places[min(heavy, len(places)) - 1] + 1 if heavy else 0
    return [node.name for node in graph.node[:end]]


def _weight_types(graph: onnx.GraphProto) -> Counter[int]:
    types = {tensor.name: tensor.data_type for tensor in graph.initializer}
    heavy = (node for node in graph.node if node.op_type in HEAVY)
    return Counter(types[node.input[1]] for node in heavy if node.input[1] in types)
