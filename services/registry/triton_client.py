"""One backbone in Triton as the classifier uses it: contract check at start, batched inference, translated errors.

Triton's model control: loads models and lists the loaded ones.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError
from tritonclient import grpc
from tritonclient.utils import InferenceServerException

from services.common.errors import Fatal, Rejected, Retriable
from services.common.events import Probabilities
from services.common.events.call import MOST_FEATURES
from services.common.labels import LABEL_ORDER, LEVEL2, LEVEL3
from services.common.model_card import ModelCard, card_parameter, card_pin
from services.common.preprocessing import TENSOR_SIDE, VERSION
from services.common.settings import TRITON_CONTROL_HEADER, Settings

LOAD_SECONDS: Final = 120.0
_RESTRICTED: Final = "restricted"
"""Part of Triton's answer to a call that needs the control key; its status, UNAVAILABLE, says that it is away."""
_TRANSIENT: Final = frozenset({"StatusCode.DEADLINE_EXCEEDED", "StatusCode.UNAVAILABLE", "StatusCode.CANCELLED"})
"""The server is busy or stopping: this proves nothing about the model."""


def load(client: Any, model: str) -> None:
    """Make Triton load the versions in the model's configuration; current ones keep serving until the new are ready.

    Raises Rejected(`load_failed`) with Triton's message, Retriable when Triton is away or takes too long.
    """
    try:
        client.load_model(model, client_timeout=LOAD_SECONDS)
    except InferenceServerException as error:
        _require_control(error)
        require_live(client, error)
        if error.status() in _TRANSIENT:
            kind = str(error.status()).removeprefix("StatusCode.")
            msg = f"Triton did not load {model} in {LOAD_SECONDS:.0f} s: {kind} {error.message()}"
            raise Retriable(msg, server="triton", kind=kind) from error
        raise Rejected("load_failed", f"Triton could not load {model}: {error.message()}") from error


def restart(client: Any, model: str) -> None:
    """Unload and load: the only remedy for a model whose process has died. Nobody can use it meanwhile."""
    try:
        client.unload_model(model, client_timeout=LOAD_SECONDS)
    except InferenceServerException as error:
        _require_control(error)
        require_live(client, error)
    load(client, model)


def ready_versions(client: Any) -> dict[str, set[int]]:
    """Return the versions that Triton reports as ready, by model; raises Retriable when it is away."""
    try:
        index = client.get_model_repository_index(client_timeout=10, as_json=True)
    except InferenceServerException as error:
        _require_control(error)
        msg = f"Triton away, could not list its models (XRAY_TRITON_GRPC): {error.message()}"
        raise Retriable(msg, server="triton") from error
    ready: dict[str, set[int]] = {}
    for model in index.get("models", []):
        if model.get("state") == "READY":
            ready.setdefault(model["name"], set()).add(int(model["version"]))
    return ready


def _require_control(error: InferenceServerException) -> None:
    """Raise Fatal if Triton asks for the key of model control, or for another one."""
    if _RESTRICTED in (error.message() or ""):
        msg = f"Triton refuses to control models (XRAY_TRITON_CONTROL_KEY): {error.message()}"
        raise Fatal(msg) from error


def require_live(client: Any, cause: Exception) -> None:
    """Raise Retriable if the server is away, not only a model."""
    try:
        client.is_server_live(client_timeout=5)
    except InferenceServerException as error:
        msg = f"Triton away (XRAY_TRITON_GRPC): {error.message()}"
        raise Retriable(msg, server="triton", kind="UNAVAILABLE") from cause


INPUT: Final = "image"
OUTPUTS: Final = {"level1": 1, "level2": len(LEVEL2), "level3": len(LEVEL3)}
SCORES, FEATURES, UNFAMILIAR = "scores", "features", "unfamiliar"
OPTIONAL_OUTPUTS: Final = {SCORES: (len(LABEL_ORDER),) * 2, FEATURES: (1, MOST_FEATURES), UNFAMILIAR: (1, 1)}
"""Outputs that a version may have, and their least and largest width. One without them still serves."""
LARGEST: Final = 1e6
"""Scores and features beyond this are no output of a model that works."""
_DIGITS: Final = 5
"""Significant digits of the optional outputs that are used and published: a call can be made again from its record."""
REQUEST_TENSORS: Final = 8
"""Tensors per request: enough to save calls, few enough that both model instances get a part of a batch."""
TIMEOUT_SECONDS: Final = 60.0
_PERMANENT: Final = "StatusCode.INVALID_ARGUMENT"

# By default gRPC waits up to two minutes before it connects to a restarted server again.
_CHANNEL: Final = [("grpc.max_reconnect_backoff_ms", 1000), ("grpc.initial_reconnect_backoff_ms", 100)]

Tensors = NDArray[np.uint8]


def connect(settings: Settings) -> Any:
    """Return a gRPC client of the configured Triton; connects at the first call.

    Raises Fatal for a certificate that cannot be read.
    """
    authority = settings.triton_ca_file or None
    if authority is not None and not os.access(authority, os.R_OK):
        msg = f"cannot read the certificate of Triton's authority: XRAY_TRITON_CA_FILE is {authority}"
        raise Fatal(msg)
    client = grpc.InferenceServerClient(
        settings.triton_grpc, ssl=authority is not None, root_certificates=authority, channel_args=_CHANNEL
    )
    if key := settings.triton_control_key.get_secret_value():
        client.register_plugin(_ControlKey(key))
    return client


class _ControlKey(grpc.InferenceServerClientPlugin):  # type: ignore[misc]  # tritonclient is not typed
    """Adds the key that Triton's `--grpc-restricted-protocol` asks for."""

    def __init__(self, key: str) -> None:
        self._header = {f"triton-grpc-protocol-{TRITON_CONTROL_HEADER}": key}

    def __call__(self, request: Any) -> None:
        request.headers = {**(request.headers or {}), **self._header}


class ServedModel:
    """One version of one Triton model."""

    def __init__(
        self, client: Any, model: str, version: int, pin: str | None = None, *, seconds: float = TIMEOUT_SECONDS
    ) -> None:
        """Read and check the version's contract.

        `pin` is the SHA-256 that the version's card must have, `seconds` the longest wait for an answer. Raises
        Retriable while Triton or the version is not available, Fatal when names, shapes, label order, preprocessing
        version, tensor side or pin do not fit.
        """
        self.model, self.version = model, version
        self.seconds = seconds
        self._client = client
        try:
            metadata = client.get_model_metadata(model, str(version), as_json=True, client_timeout=seconds)
            config = client.get_model_config(model, str(version), as_json=True, client_timeout=seconds)["config"]
        except InferenceServerException as error:
            raise _pipeline_error(f"read the contract of {model} version {version}", error) from error
        served = _check_tensors(model, metadata)
        self.card, self.pin = _card(model, version, config)
        if pin not in {None, self.pin}:
            msg = f"{model} version {version} in Triton is not what was promoted: its card has digest {self.pin}"
            raise Fatal(msg)

        # Triton's configuration is one for all versions: it may name outputs that this version lacks, and lack others.
        self._optional = {name: width for name, width in served.items() if self.card.outputs.get(name) == width}

    @property
    def outputs(self) -> dict[str, int]:
        """Outputs of the version that are used, and their widths."""
        return OUTPUTS | self._optional

    def probe(self) -> None:
        """Infer one blank specimen: only a real inference proves that a version serves. Raises as `result` does."""
        self.request([np.zeros((TENSOR_SIDE, TENSOR_SIDE, 3), np.uint8)]).result()

    def request(self, tensors: Sequence[Tensors]) -> Request:
        """Start inference on tensors, uint8 [side, side, 3] each; returns at once."""
        return Request(self._client, self, np.stack(tensors))


@dataclass(frozen=True)
class Prediction:
    """A model's output for one specimen: calibrated probabilities and, where the version has them, the optional ones.

    `scores` are the 14 uncalibrated logits, `features` are whitened by training's normal specimens, `unfamiliar` is in
    0..1.
    """

    probabilities: Probabilities
    scores: tuple[float, ...] | None = None
    features: tuple[float, ...] | None = None
    unfamiliar: float | None = None


class Request:
    """One inference in flight."""

    def __init__(self, client: Any, backbone: ServedModel, batch: Tensors) -> None:
        """Send; the answer is awaited by `result`."""
        self._backbone, self._count = backbone, len(batch)
        self._done = threading.Event()
        self._answer: Any = None
        self._error: Any = None
        image = grpc.InferInput(INPUT, list(batch.shape), "UINT8")
        image.set_data_from_numpy(batch)
        try:
            client.async_infer(
                backbone.model,
                [image],
                self._receive,
                model_version=str(backbone.version),
                outputs=[grpc.InferRequestedOutput(name) for name in backbone.outputs],
                client_timeout=backbone.seconds,
            )
        except InferenceServerException as error:
            raise _pipeline_error(f"ask {backbone.model}", error) from error

    def result(self) -> list[Prediction]:
        """Wait for the predictions, one per tensor.

        Raises Retriable when Triton is away or returns invalid output (a uint8 tensor cannot cause that),
        Rejected(`tensor_refused`) when Triton reports invalid input.
        """
        longest = 2 * self._backbone.seconds
        if not self._done.wait(longest):
            msg = f"Triton did not answer for {self._backbone.model} in {longest} s"
            raise Retriable(msg, server="triton", kind="no_answer")
        if self._error is not None:
            raise _pipeline_error(f"ask {self._backbone.model} version {self._backbone.version}", self._error)
        rows = {name: self._answer.as_numpy(name) for name in self._backbone.outputs}
        for name, width in self._backbone.outputs.items():
            _check_output(self._backbone, name, rows[name], (self._count, width))
        return [_prediction({name: row[index] for name, row in rows.items()}) for index in range(self._count)]

    def _receive(self, result: Any, error: Any) -> None:
        self._answer, self._error = result, error
        self._done.set()


def _prediction(row: dict[str, NDArray[np.float32]]) -> Prediction:
    return Prediction(
        Probabilities(
            level1=float(row["level1"][0]),
            level2=tuple(map(float, row["level2"])),
            level3=tuple(map(float, row["level3"])),
        ),
        scores=_rounded(row[SCORES]) if SCORES in row else None,
        features=_rounded(row[FEATURES]) if FEATURES in row else None,
        unfamiliar=_rounded(row[UNFAMILIAR])[0] if UNFAMILIAR in row else None,
    )


def _rounded(values: NDArray[np.float32]) -> tuple[float, ...]:
    return tuple(float(f"{value:.{_DIGITS}g}") for value in values)


def _check_output(backbone: ServedModel, name: str, row: Any, shape: tuple[int, int]) -> None:
    bounded = name not in {SCORES, FEATURES}
    least, most = (0, 1) if bounded else (-LARGEST, LARGEST)
    if row is None or row.shape != shape or not np.isfinite(row).all() or row.min() < least or row.max() > most:
        got = "nothing" if row is None else f"shape {row.shape}, from {row.min()} to {row.max()}"
        what = "probabilities" if bounded else f"numbers up to {LARGEST:g}"
        msg = (
            f"{backbone.model} version {backbone.version}: output {name} should be {what} of shape {shape}, "
            f"got {got}; no call can be made"
        )
        raise Retriable(msg, server="triton", kind="no_probabilities")


def _check_tensors(model: str, metadata: dict[str, Any]) -> dict[str, int]:
    """Check names and shapes; return the optional outputs that the version has, with their widths."""
    inputs = {item["name"]: (item["datatype"], [int(n) for n in item["shape"]]) for item in metadata["inputs"]}
    if inputs != {INPUT: ("UINT8", [-1, TENSOR_SIDE, TENSOR_SIDE, 3])}:
        msg = f"{model} takes {inputs}, not UINT8 {INPUT} [-1, {TENSOR_SIDE}, {TENSOR_SIDE}, 3]; serve another version"
        raise Fatal(msg)
    outputs = {item["name"]: (item["datatype"], int(item["shape"][-1])) for item in metadata["outputs"]}
    missing = {name: width for name, width in OUTPUTS.items() if outputs.get(name) != ("FP32", width)}
    if missing:
        msg = f"{model} gives {outputs}; FP32 outputs of these widths are missing: {missing}"
        raise Fatal(msg)
    optional: dict[str, int] = {}
    for name, (least, most) in OPTIONAL_OUTPUTS.items():
        kind, width = outputs.get(name, ("FP32", least))
        if kind != "FP32" or not least <= width <= most:
            msg = f"{model} gives {outputs}; {name} must be FP32 of {least} to {most} numbers"
            raise Fatal(msg)
        if name in outputs:
            optional[name] = width
    return optional


def _card(model: str, version: int, config: dict[str, Any]) -> tuple[ModelCard, str]:
    """Return the card and the SHA-256 of its text."""
    text = config.get("parameters", {}).get(card_parameter(version), {}).get("string_value")
    if text is None:
        msg = f"{model}: config.pbtxt has no parameter {card_parameter(version)!r}; export the model again"
        raise Fatal(msg)
    try:
        card = ModelCard.model_validate_json(text)
    except ValidationError as error:
        msg = f"{model} version {version}: its card does not fit this classifier: {error}"
        raise Fatal(msg) from error
    if (card.preprocessing_version, card.tensor_side) != (VERSION, TENSOR_SIDE):
        msg = (
            f"{model} version {version} was trained on preprocessing {card.preprocessing_version} at "
            f"{card.tensor_side}, this pipeline produces {VERSION} at {TENSOR_SIDE}"
        )
        raise Fatal(msg)
    return card, card_pin(text)


def _pipeline_error(what: str, error: InferenceServerException) -> Exception:
    if error.status() == _PERMANENT:
        return Rejected("tensor_refused", f"Triton refused to {what}: {error.message()}")
    kind = str(error.status()).removeprefix("StatusCode.")
    return Retriable(f"Triton away, could not {what}: {kind} {error.message()}", server="triton", kind=kind)
