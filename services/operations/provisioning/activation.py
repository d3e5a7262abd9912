"""The first activation: which model versions make the calls."""

from __future__ import annotations

from contextlib import closing
from typing import Any

from services.common.errors import Fatal
from services.common.events import ModelActivation
from services.common.events.base import now
from services.common.settings import Settings
from services.operations.provisioning.step import Outcome, Step
from services.registry.control import ready_versions
from services.registry.register import current, publish
from services.registry.triton_client import Backbone, connect


def ensure_activation(settings: Settings) -> Step:
    """Publish activation 1 of the newest versions that Triton has loaded, unless some activation is there.

    An activation that pins no cards is followed by one of the same versions that does. Raises Retriable when Kafka or
    Triton is away, Fatal when Triton has no model loaded.
    """
    there = current(settings)
    if there is not None and set(there.cards) >= set(there.versions):
        return Step(f"activation {there.activation}", "there", _listing(there.versions))
    made: list[ModelActivation] = []

    def make(newest: ModelActivation | None) -> ModelActivation | None:
        with closing(connect(settings.triton_grpc)) as client:
            versions = served_versions(settings, client) if newest is None else newest.versions
            cards = {model: Backbone(client, model, version).pin for model, version in sorted(versions.items())}
        made.append(
            ModelActivation(
                activation=1 if newest is None else newest.activation + 1,
                versions=versions,
                cards=cards,
                why="first set-up" if newest is None else "the same versions, pinned",
                who="xray init",
                produced_at=now(),
            )
        )
        return made[-1]

    publish(settings, make)
    outcome: Outcome = "made" if there is None else "mended"
    return Step(f"activation {made[-1].activation}", outcome, _listing(made[-1].versions))


def served_versions(settings: Settings, client: Any) -> dict[str, int]:
    """Ask Triton for the newest loaded version of each of its models."""
    versions = {model: max(ready) for model, ready in ready_versions(client).items()}
    if not versions:
        msg = f"Triton at {settings.triton_grpc} has no model loaded; load model_repository/ first"
        raise Fatal(msg)
    return versions


def _listing(versions: dict[str, int]) -> str:
    return ", ".join(f"{model} {version}" for model, version in sorted(versions.items()))
