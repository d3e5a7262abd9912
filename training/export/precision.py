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


class PrecisionError(RuntimeError):
    """A graph does not have the precision that was asked for."""


def with_precision(onnx_file: bytes, precision: EnginePrecision) -> bytes:
    """Return the graph with its heavy operators in the precision; inputs and outputs keep their types.

    Raises PrecisionError if any of them is not.
    """
    if precision == "fp32":
        assert_precision(onnx_file, precision)
        return onnx_file
    model = onnx.load_from_string(onnx_file)
    half = convert_float_to_float16(model, keep_io_types=True, op_block_list=list(_KEPT_IN_32_BITS))
    # The conversion puts its casts at the end of the list of nodes, and leaves types that no longer hold.
    OnnxModel(half).topological_sort()
    del half.graph.value_info[:]
    OnnxModel(half).topological_sort()
    # The converter leaves notes of types that no longer hold; the checker infers them anew.
    del half.graph.value_info[:]
    onnx.checker.check_model(half, full_check=True)
    result = bytes(half.SerializeToString(deterministic=True))
    assert_precision(result, precision)
    return result


def assert_precision(onnx_file: bytes, precision: EnginePrecision) -> None:
    """Raise PrecisionError unless the weights of all heavy operators have the precision."""
    wanted = onnx.TensorProto.FLOAT16 if precision == "fp16" else onnx.TensorProto.FLOAT
    found = _weight_types(onnx.load_from_string(onnx_file).graph)
    if set(found) != {wanted}:
        counts = {onnx.TensorProto.DataType.Name(kind): count for kind, count in found.items()}
        msg = f"{', '.join(HEAVY)} have weights of the types {counts}, asked for was {precision}"
        raise PrecisionError(msg)


def _weight_types(graph: onnx.GraphProto) -> Counter[int]:
    types = {tensor.name: tensor.data_type for tensor in graph.initializer}
    heavy = (node for node in graph.node if node.op_type in HEAVY)
    return Counter(types[node.input[1]] for node in heavy if node.input[1] in types)
