"""The first activation: which model versions make the calls."""

from __future__ import annotations

from contextlib import closing

from tritonclient import grpc
from tritonclient.utils import InferenceServerException

from services.classifier.active_models import ActiveModels
from services.cli.broker import publisher
from services.cli.setup.step import Step
from services.common.errors import Fatal, Retriable
from services.common.events import ModelActivation
from services.common.events.base import now
from services.common.settings import Settings
from services.common.topics import ACTIVE_MODELS


def ensure_activation(settings: Settings) -> Step:
    """Publish activation 1 of the newest versions that Triton has loaded, unless some activation is there.

    Raises Retriable when Kafka or Triton is away, Fatal when Triton has no model loaded.
    """
    current = _current(settings)
    if current is not None:
        return Step(f"activation {current.activation}", "there", _listing(current.versions))
    first = ModelActivation(activation=1, versions=served_versions(settings), why="first set-up", produced_at=now())
    with publisher(settings) as producer:
        producer.send(ACTIVE_MODELS.name, key=first.key.encode(), value=first.encode()).get(timeout=30)
    return Step("activation 1", "made", _listing(first.versions))


def served_versions(settings: Settings) -> dict[str, int]:
    """Ask Triton for the newest loaded version of each of its models."""
    versions: dict[str, int] = {}
    try:
        with closing(grpc.InferenceServerClient(settings.triton_grpc)) as client:
            index = client.get_model_repository_index(client_timeout=10, as_json=True)
    except InferenceServerException as error:
        msg = f"no Triton at {settings.triton_grpc} (XRAY_TRITON_GRPC): {error.message()}"
        raise Retriable(msg) from error
    for model in index.get("models", []):
        if model.get("state") == "READY":
            versions[model["name"]] = max(int(model["version"]), versions.get(model["name"], 0))
    if not versions:
        msg = f"Triton at {settings.triton_grpc} has no model loaded; load model_repository/ first"
        raise Fatal(msg)
    return versions


def _current(settings: Settings) -> ModelActivation | None:
    with closing(ActiveModels(settings)) as active:
        try:
            return active.refresh()
        except Fatal:  # this is how it says that the topic holds no activation
            return None


def _listing(versions: dict[str, int]) -> str:
    return ", ".join(f"{model} {version}" for model, version in sorted(versions.items()))
