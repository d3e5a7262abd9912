"""Promotion and rollback: one record on `models.active`, after everything that it names was proven to serve."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from services.common.errors import Fatal, Rejected, Retriable
from services.common.events import ModelActivation
from services.common.events.base import now
from services.common.events.model import KEPT_EARLIER, EarlierSet
from services.common.settings import Settings
from services.models.admit import admit
from services.models.control import load, require_live
from services.models.register import publish
from services.models.repository import ModelRepository
from services.models.triton_client import Backbone


def promote(
    settings: Settings,
    client: Any,
    repository: ModelRepository,
    chosen: Mapping[str, int],
    *,
    why: str,
    who: str,
    evaluation_key: str | None = None,
) -> ModelActivation:
    """Admit the chosen versions, then have them make the calls; models that are not named keep their version.

    Raises Rejected (the reasons of `admit`, `serves_already`, `nothing_active`, `activation_overtaken`).
    """
    pins = {model: admit(repository, client, model, version).pin for model, version in sorted(chosen.items())}

    def follow(newest: ModelActivation) -> ModelActivation:
        versions, cards = newest.versions | dict(chosen), newest.cards | pins
        if (versions, cards) == (newest.versions, newest.cards):
            raise Rejected("serves_already", f"activation {newest.activation} is of these versions already")
        earlier = (newest.as_earlier(), *newest.earlier)[:KEPT_EARLIER]
        chosen_set = EarlierSet(activation=newest.activation + 1, versions=versions, cards=cards)
        record = _record(newest, chosen_set, why=why, who=who)
        return record.model_copy(update={"earlier": earlier, "evaluation_key": evaluation_key})

    return _publish(settings, follow)


def roll_back(settings: Settings, client: Any, *, why: str, who: str) -> ModelActivation:
    """Return to the set that served before; a second rollback goes one further back.

    It needs Triton and Kafka only, no repository. Raises Rejected (`nothing_earlier`, `not_served`, `nothing_active`,
    `activation_overtaken`).
    """

    def follow(newest: ModelActivation) -> ModelActivation:
        if not newest.earlier:
            raise Rejected("nothing_earlier", f"activation {newest.activation} names no set that served before it")
        target, *rest = newest.earlier
        for model, version in target.versions.items():
            _require_served(client, model, version, target.cards.get(model))
        return _record(newest, target, why=why, who=who).model_copy(update={"earlier": tuple(rest)})

    return _publish(settings, follow)


def _publish(settings: Settings, follow: Any) -> ModelActivation:
    made: list[ModelActivation] = []

    def make(newest: ModelActivation | None) -> ModelActivation:
        if newest is None:
            raise Rejected("nothing_active", "models.active names no model version; run `xray init`")
        made.append(follow(newest))
        return made[-1]

    publish(settings, make)
    return made[-1]


def _record(newest: ModelActivation, chosen: EarlierSet, *, why: str, who: str) -> ModelActivation:
    return ModelActivation(
        activation=newest.activation + 1,
        versions=chosen.versions,
        cards=chosen.cards,
        why=why,
        who=who,
        produced_at=now(),
    )


def _require_served(client: Any, model: str, version: int, pin: str | None) -> None:
    """Ask a version for a real answer, loading it once if it is not there."""
    try:
        try:
            Backbone(client, model, version, pin).probe()
        except Retriable as error:
            require_live(client, error)
            load(client, model)
            Backbone(client, model, version, pin).probe()
    except (Fatal, Retriable) as error:
        require_live(client, error)
        raise Rejected("not_served", f"{model} version {version} cannot serve: {error}") from error
