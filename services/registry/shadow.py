"""Puts a candidate in shadow and takes it out again: one record with its own key on `models.active`.

It is a separate record, not a field of the activation. So a candidate comes and goes without a new activation, which
would rank calls again and make every classifier check what serves, and a promotion or rollback meanwhile cannot lose
it. Readers that do not know shadows skip the record by its name.
"""

from collections.abc import Mapping
from typing import Any

from services.common.errors import Rejected
from services.common.events import ModelActivation
from services.common.events.base import now
from services.common.events.model import SHADOW_SET
from services.common.settings import Settings
from services.registry.admit import admit_all
from services.registry.register import current_shadow, publish_next
from services.registry.repository import ModelRepository


def shadow(
    settings: Settings,
    client: Any,
    repository: ModelRepository,
    chosen: Mapping[str, int],
    *,
    share: float,
    why: str,
    who: str,
) -> ModelActivation:
    """Admit the chosen versions and run them on `share` (over 0, to 1) of the specimens; they make no calls.

    Other models take part with the version that serves now. There is one candidate at a time: a new one replaces it.
    Raises Rejected (the reasons of `admit`, `serves_already`, `shadows_already`, `nothing_active`,
    `retired_meanwhile`, `activation_overtaken`).
    """
    pins = admit_all(settings, client, repository, chosen)

    def follow(newest: ModelActivation) -> ModelActivation:
        repository.require_served(chosen)
        before = current_shadow(settings)
        versions, cards = newest.versions | dict(chosen), newest.cards | pins
        if (versions, cards) == (newest.versions, newest.cards):
            raise Rejected("serves_already", f"activation {newest.activation} has these versions: nothing to compare")
        if before is not None and (before.versions, before.cards, before.share) == (versions, cards, share):
            raise Rejected("shadows_already", f"these versions are in shadow with a share of {share} already")
        return ModelActivation(
            name=SHADOW_SET,
            activation=1 if before is None else before.activation + 1,
            versions=versions,
            cards=cards,
            share=share,
            why=why,
            who=who,
            produced_at=now(),
        )

    with repository.locked():  # so that none of the versions is retired meanwhile
        return publish_next(settings, follow)


def stop_shadow(settings: Settings, *, why: str, who: str) -> ModelActivation:
    """Stop the candidate; it stays loaded until the next promotion, its comparisons stay in the ledger.

    Raises Rejected (`nothing_shadows`, `nothing_active`, `activation_overtaken`).
    """

    def follow(_: ModelActivation) -> ModelActivation:
        before = current_shadow(settings)
        if before is None or not before.share:
            raise Rejected("nothing_shadows", "no candidate is in shadow: `xray models list`")
        number = before.activation + 1
        ended = {"activation": number, "share": 0.0, "why": why, "who": who, "produced_at": now()}
        return before.model_copy(update=ended)

    return publish_next(settings, follow)
