"""Export to ONNX: one file, dynamic batch size, opset 18 (LayerNormalization stays one node); and golden inputs.

Golden inputs are specimens with ONNX Runtime's outputs for them (stored and read by `services.registry.golden`).
"""

import hashlib
import logging
import warnings
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray

from services.common.preprocessing import TENSOR_SIDE
from services.registry.golden import Golden
from training.models.output import ServedBackbone

GOLDEN_SPECIMENS: Final = 8


def make_golden(onnx_file: bytes, images: NDArray[np.uint8]) -> Golden:
    """Run ONNX Runtime on the images."""
    return Golden(images, dict(zip(OUTPUTS, run_onnx(onnx_file, images), strict=True)))


OPSET: Final = 18
INPUT: Final = "image"
OUTPUTS: Final = ("level1", "level2", "level3")
PARITY: Final = 1e-4
"""Largest difference of a probability between torch and ONNX Runtime that an export may have."""
OTHER_PARITY: Final = 5e-2
"""The same for the other outputs, relative to values beyond 1: whitening enlarges the rounding of small components, and
a share of few specimens rises steeply."""


class ParityError(RuntimeError):
    """The exported graph does not compute what the trained network computes."""


def export_onnx(model: ServedBackbone, side: int = TENSOR_SIDE) -> bytes:
    """Return the ONNX file: `image` UINT8 [batch, side, side, 3] to the FP32 outputs that the model names.

    The first are `level1`, `level2`, `level3`: probabilities [batch, 1], [batch, 3] and [batch, 10]. The file contains
    its weights and has passed ONNX's checker.
    """
    model.eval()
    example = torch.zeros(2, side, side, 3, dtype=torch.uint8)
    batch = torch.export.Dim("batch", min=1, max=1024)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        # The exporter triggers deprecation warnings inside torch itself.
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            model,
            (example,),
            input_names=[INPUT],
            output_names=list(model.outputs),
            opset_version=OPSET,
            dynamic_shapes={INPUT: {0: batch}},
            dynamo=True,
            optimize=True,
            verbose=False,
        )
    if program is None:
        msg = "the exporter returned no program"
        raise RuntimeError(msg)
    proto = _without_provenance(program.model_proto)
    onnx.checker.check_model(proto, full_check=True)
    return bytes(proto.SerializeToString(deterministic=True))


def _without_provenance(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Drop source paths and stack traces, which differ from machine to machine."""
    for node in proto.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    for value in (*proto.graph.input, *proto.graph.output, *proto.graph.value_info):
        del value.metadata_props[:]
    del proto.graph.metadata_props[:]
    del proto.metadata_props[:]
    return proto


def sha256(file: bytes) -> str:
    """Return the SHA-256 of a file, as its card gives it."""
    return hashlib.sha256(file).hexdigest()


def run_onnx(file: bytes, images: NDArray[np.uint8], outputs: Sequence[str] = OUTPUTS) -> list[NDArray[np.float32]]:
    """Run ONNX Runtime with one thread: uint8 [n, side, side, 3] to the named outputs."""
    (found,) = run_onnx_batches(file, [images], outputs=outputs)
    return found


def run_onnx_batches(
    file: bytes, batches: Iterable[NDArray[np.uint8]], threads: int = 1, outputs: Sequence[str] = OUTPUTS
) -> Iterator[list[NDArray[np.float32]]]:
    """Run ONNX Runtime on one batch after another."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    for images in batches:
        found: list[NDArray[np.float32]] = session.run(list(outputs), {INPUT: images})
        yield found


def extra_outputs(file: bytes) -> dict[str, int]:
    """Return the outputs of a graph besides the probabilities, each with its width."""
    outputs = onnx.load_from_string(file).graph.output
    widths = {output.name: output.type.tensor_type.shape.dim[1].dim_value for output in outputs}
    return {name: width for name, width in widths.items() if name not in OUTPUTS}


def check_parity(file: bytes, model: ServedBackbone, images: NDArray[np.uint8]) -> float:
    """Return the largest difference of a probability between torch and ONNX Runtime.

    Raises ParityError above `PARITY`, or if another output differs by more than `OTHER_PARITY`.
    """
    model.eval()
    with torch.inference_mode():
        expected = model(torch.from_numpy(images))
    differences = {
        name: float((np.abs(theirs - ours.numpy()) / np.maximum(np.abs(ours.numpy()), 1)).max())
        for name, theirs, ours in zip(model.outputs, run_onnx(file, images, model.outputs), expected, strict=True)
    }
    for name, difference in differences.items():
        limit = PARITY if name in OUTPUTS else OTHER_PARITY
        if difference > limit:
            msg = f"the exported graph differs from the network by {difference:.2e} in {name}, the limit is {limit}"
            raise ParityError(msg)
    return max(differences[name] for name in OUTPUTS)
