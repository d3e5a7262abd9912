"""What TensorRT's ONNX parser rejects, checked on the graph before it reaches a GPU.

Sources: TensorRT developer guide, "ONNX operator support" (onnx-tensorrt 10, docs/operators.md), and a measurement with
TensorRT 10.15 on an H100: "UINT8 types for intermediate tensors" are rejected unless a Cast comes first.
"""

from collections.abc import Iterator
from typing import Final

import onnx

_OPERATORS: Final = """
Add And AveragePool BatchNormalization Cast Clip Concat Constant ConstantOfShape Conv ConvTranspose
DepthToSpace Div Elu Equal Erf Exp Expand Flatten Floor Gather Gelu Gemm GlobalAveragePool GlobalMaxPool
Greater GridSample HardSigmoid HardSwish Identity InstanceNormalization LayerNormalization LeakyRelu Less Log
LogSoftmax MatMul Max MaxPool Min Mul Neg Not Or Pad Pow Reciprocal ReduceLogSumExp ReduceMax ReduceMean
ReduceMin ReduceSum Relu Reshape Resize Round Shape Sigmoid Sign Slice Softmax Softplus Split Sqrt Squeeze
Sub Sum Tanh Tile TopK Transpose Unsqueeze Upsample Where
"""
SUPPORTED: Final = frozenset(_OPERATORS.split())
_CONSTANT_SECOND: Final = ("Conv", "ConvTranspose", "TopK")
SMALLEST_OPSET: Final = 17
"""From here on LayerNormalization is one node."""
LARGEST_IR: Final = 10
"""The newest that ONNX Runtime 1.19 and TensorRT 10.5 read, both in Triton's containers of release 24.10."""
_REFUSED_TYPES: Final = {onnx.TensorProto.DOUBLE: "double", onnx.TensorProto.STRING: "string"}


class TensorRTRuleError(RuntimeError):
    """TensorRT would reject the graph."""


def check_tensorrt_rules(onnx_file: bytes) -> None:
    """Raise TensorRTRuleError, which lists every broken rule, if TensorRT would reject an ONNX file."""
    model = onnx.shape_inference.infer_shapes(onnx.load_from_string(onnx_file), strict_mode=True)
    broken = [*_format(model), *_operators(model.graph), *_types(model.graph), *_shapes(model.graph)]
    if broken:
        raise TensorRTRuleError("; ".join(broken))


def _format(model: onnx.ModelProto) -> Iterator[str]:
    opset = next(entry.version for entry in model.opset_import if not entry.domain)
    if opset < SMALLEST_OPSET:
        yield f"opset {opset} is older than {SMALLEST_OPSET}"
    if model.ir_version > LARGEST_IR:
        yield f"IR version {model.ir_version} is newer than {LARGEST_IR}"


def _operators(graph: onnx.GraphProto) -> Iterator[str]:
    foreign = {f"{node.domain}::{node.op_type}" for node in graph.node if node.domain}
    unknown = {node.op_type for node in graph.node if not node.domain} - SUPPORTED
    for name in sorted(foreign | unknown):
        yield f"operator {name} is not supported"
    constant = {tensor.name for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type in _CONSTANT_SECOND and node.input[1] not in constant:
            yield f"{node.op_type} {node.name} reads {node.input[1]}, which must be a constant"


def _types(graph: onnx.GraphProto) -> Iterator[str]:
    for tensor in graph.initializer:
        if tensor.data_type in _REFUSED_TYPES:
            yield f"weight {tensor.name} is {_REFUSED_TYPES[tensor.data_type]}"
        if tensor.external_data:
            yield f"weight {tensor.name} is stored outside the file"
    for value in graph.value_info:
        if value.type.tensor_type.elem_type == onnx.TensorProto.UINT8:
            yield f"tensor {value.name} between operators is uint8"
    raw = {value.name for value in graph.input if value.type.tensor_type.elem_type == onnx.TensorProto.UINT8}
    for node in graph.node:
        if node.op_type != "Cast" and raw & set(node.input):
            yield f"{node.op_type} reads a uint8 input: cast first"


def _shapes(graph: onnx.GraphProto) -> Iterator[str]:
    for value in graph.input:
        free = [dimension.dim_param for dimension in value.type.tensor_type.shape.dim][1:]
        if any(free):
            yield f"input {value.name} has a free dimension after the batch"
