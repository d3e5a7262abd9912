"""Triton's model control: loads models and lists the loaded ones."""

from typing import Any, Final

from tritonclient.utils import InferenceServerException

from services.common.errors import Rejected, Retriable

LOAD_SECONDS: Final = 120.0
_TRANSIENT: Final = frozenset({"StatusCode.DEADLINE_EXCEEDED", "StatusCode.UNAVAILABLE", "StatusCode.CANCELLED"})
"""The server is busy or stopping: this proves nothing about the model."""


def load(client: Any, model: str) -> None:
    """Make Triton load the versions in the model's configuration; current ones keep serving until the new are ready.

    Raises Rejected(`load_failed`) with Triton's message, Retriable when Triton is away or takes too long.
    """
    try:
        client.load_model(model, client_timeout=LOAD_SECONDS)
    except InferenceServerException as error:
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
        require_live(client, error)
    load(client, model)


def ready_versions(client: Any) -> dict[str, set[int]]:
    """Return the versions that Triton reports as ready, by model; raises Retriable when it is away."""
    try:
        index = client.get_model_repository_index(client_timeout=10, as_json=True)
    except InferenceServerException as error:
        msg = f"Triton away, could not list its models (XRAY_TRITON_GRPC): {error.message()}"
        raise Retriable(msg, server="triton") from error
    ready: dict[str, set[int]] = {}
    for model in index.get("models", []):
        if model.get("state") == "READY":
            ready.setdefault(model["name"], set()).add(int(model["version"]))
    return ready


def require_live(client: Any, cause: Exception) -> None:
    """Raise Retriable if the server is away, not only a model."""
    try:
        client.is_server_live(client_timeout=5)
    except InferenceServerException as error:
        msg = f"Triton away (XRAY_TRITON_GRPC): {error.message()}"
        raise Retriable(msg, server="triton", kind="UNAVAILABLE") from cause
