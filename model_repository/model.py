"""What Triton's Python backend runs for every model here: ONNX Runtime on the `model.onnx` of the version's directory.

One file serves all models: each version directory links to it. It needs NumPy and ONNX Runtime only, because
Triton's environment holds nothing of this project.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnxruntime
import triton_python_backend_utils as pb_utils

INPUT: Final = "image"


class TritonPythonModel:
    """One instance of one model version."""

    def initialize(self, args: dict[str, str]) -> None:
        """Load the graph, if it is the card's; else answer every request with an error.

        Raising would take the sound versions down with a damaged one: Triton loads all versions of a model or none.
        """
        config, version = json.loads(args["model_config"]), args["model_version"]
        self.shape = tuple(int(side) for side in config["input"][0]["dims"])
        self.outputs = [output["name"] for output in config["output"]]
        self.session, self.harm = None, ""
        try:
            graph = (Path(args["model_repository"]) / version / "model.onnx").read_bytes()
            check_digest(graph, read_card(config, version))
            self.session = open_graph(graph)
            # The configuration is one for all versions, and older graphs have fewer outputs.
            given = {output.name for output in self.session.get_outputs()}
            self.outputs = [name for name in self.outputs if name in given]
        except Exception as error:  # noqa: BLE001  (whatever ONNX Runtime finds in a file)
            self.harm = f"version {version} cannot answer: {error}"
            pb_utils.Logger.log_error(f"{args['model_name']} {self.harm}")

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answer all requests of a batch with one run; a malformed request gets its own error and spoils no other."""
        if self.session is None:
            return [failure(self.harm, pb_utils.TritonError.NOT_FOUND) for _ in requests]
        images = [pb_utils.get_input_tensor_by_name(request, INPUT).as_numpy() for request in requests]
        valid = [image for image in images if self.is_valid(image)]
        if not valid:
            return [self.refusal(image) for image in images]
        wanted = {name for request in requests for name in request.requested_output_names()}
        names = [name for name in self.outputs if name in wanted]
        outputs = dict(zip(names, self.session.run(names, {INPUT: np.concatenate(valid)}), strict=True))
        responses, start = [], 0
        for image in images:
            if not self.is_valid(image):
                responses.append(self.refusal(image))
                continue
            stop = start + len(image)
            responses.append(answer({name: output[start:stop] for name, output in outputs.items()}))
            start = stop
        return responses

    def is_valid(self, image: np.ndarray) -> bool:
        """Whether a request's tensor is uint8 [at least one, side, side, 3]."""
        return image.dtype == np.uint8 and image.ndim == 4 and len(image) > 0 and image.shape[1:] == self.shape

    def refusal(self, image: np.ndarray) -> Any:
        """Return the error for a request with an unsuitable tensor."""
        message = (
            f"{INPUT} must be uint8 [batch, {', '.join(map(str, self.shape))}], got {image.dtype} {list(image.shape)}"
        )
        return failure(message, pb_utils.TritonError.INVALID_ARG)


def open_graph(graph: bytes) -> onnxruntime.InferenceSession:
    """Create ONNX Runtime's session for a graph; raises ONNX Runtime's error if the graph is damaged."""
    options = onnxruntime.SessionOptions()
    # Two instances of one thread each serve more than one instance of two threads: Triton schedules the cores.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def failure(message: str, code: Any) -> Any:
    """Wrap the error of one request."""
    return pb_utils.InferenceResponse(error=pb_utils.TritonError(message, code))


def answer(outputs: dict[str, np.ndarray]) -> Any:
    """Wrap the outputs of one request; Triton drops those that it did not ask for."""
    tensors = [pb_utils.Tensor(name, output) for name, output in outputs.items()]
    return pb_utils.InferenceResponse(output_tensors=tensors)


def read_card(config: dict[str, Any], version: str) -> dict[str, Any]:
    """Return the model card of a version from the parameters of `config.pbtxt`; raises ValueError if it has none."""
    parameter = config.get("parameters", {}).get(f"card.{version}")
    if parameter is None:
        msg = f"config.pbtxt has no parameter card.{version}: write the card before adding the version"
        raise ValueError(msg)
    card: dict[str, Any] = json.loads(parameter["string_value"])
    return card


def check_digest(graph: bytes, card: dict[str, Any]) -> None:
    """Raise ValueError unless the graph matches the card (an incomplete upload does not)."""
    found = hashlib.sha256(graph).hexdigest()
    if found != card["onnx_sha256"]:
        msg = f"model.onnx has SHA-256 {found}, its card says {card['onnx_sha256']}"
        raise ValueError(msg)
