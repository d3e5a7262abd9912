"""Promotion and rollback: one record on `models.active`, after every version in it was proven to serve."""

from collections.abc import Callable, Collection, Mapping
from typing import Any

from services.common.errors import Fatal, Rejected, Retriable
from services.common.events import ModelActivation
from services.common.events.base import now
from services.common.events.model import EarlierSet
from services.common.settings import Settings
from services.common.store import ObjectStore
from services.registry.admit import admit_all
from services.registry.register import STANDING, current, publish_next, standing
from services.registry.repository import ModelRepository
from services.registry.set_cards import fitted_set_card
from services.registry.triton_client import ServedModel, load, require_live


def promote(
    settings: Settings,
    client: Any,
    repository: ModelRepository,
    chosen: Mapping[str, int],
    *,
    why: str,
    who: str,
    evaluation_key: str | None = None,
    set_card: str | None = None,
    following: int | None = None,
    require: Callable[[Mapping[str, int]], None] = lambda _: None,
) -> ModelActivation:
    """Admit the chosen versions and let them make the calls; other models keep their version.

    `set_card` is the digest of a stored set card of all versions; by default it is fitted from their outputs for
    validation specimens, and without these the consensus of their own cards decides.
    `following` is the activation that they were compared with: after another one they are not promoted. `require` is
    called with the versions of all models, before anything is loaded and again before the record is written, and raises
    to refuse. Of the other versions Triton keeps, from its next load on, those that stand by or are in shadow. Raises
    Rejected (its reasons, those of `admit`, `serves_already`, `nothing_active`, `retired_meanwhile`,
    `activation_overtaken`).
    """
    serving = current(settings)
    together = (serving.versions if serving else {}) | dict(chosen)
    require(together)
    pins = admit_all(settings, client, repository, chosen)
    if set_card is None:
        set_card = fitted_set_card(ObjectStore(settings, connections=1), repository, together)

    def follow(newest: ModelActivation) -> ModelActivation:
        if following not in {None, newest.activation}:
            message = (
                f"activation {newest.activation} is in force, but they were compared with {following}: compare again"
            )
            raise Rejected("activation_overtaken", message)
        repository.require_served(chosen)
        versions, cards = newest.versions | dict(chosen), newest.cards | pins
        require(versions)
        if (versions, cards, set_card) == (newest.versions, newest.cards, newest.set_card):
            raise Rejected("serves_already", f"activation {newest.activation} already has these versions")
        earlier = (newest.as_earlier(), *newest.earlier)[:STANDING]
        number = newest.activation + 1
        chosen_set = EarlierSet(activation=number, versions=versions, cards=cards, set_card=set_card)
        record = _record(newest, chosen_set, why=why, who=who)
        return record.model_copy(update={"earlier": earlier, "evaluation_key": evaluation_key})

    with repository.locked():  # so that none of the versions is retired meanwhile
        record = publish_next(settings, follow)
        _serve_only(repository, standing(settings))
    return record


def _serve_only(repository: ModelRepository, kept: Mapping[str, Collection[int]]) -> None:
    for model, versions in kept.items():
        served = repository.served(model)
        rest = [one for one in served if one in versions]
        if rest not in ([], served):
            repository.serve(model, rest)


def roll_back(settings: Settings, client: Any, *, why: str, who: str) -> ModelActivation:
    """Return to the set that served before; a second rollback returns to the one before that.

    It needs only Triton and Kafka, not the repository. Raises Rejected (`nothing_earlier`, `not_served`,
    `nothing_active`, `activation_overtaken`).
    """

    def follow(newest: ModelActivation) -> ModelActivation:
        if not newest.earlier:
            raise Rejected("nothing_earlier", f"activation {newest.activation} has no earlier set")
        target, *rest = newest.earlier
        for model, version in target.versions.items():
            _require_served(client, model, version, target.cards.get(model))
        return _record(newest, target, why=why, who=who).model_copy(update={"earlier": tuple(rest)})

    return publish_next(settings, follow)


def _record(newest: ModelActivation, chosen: EarlierSet, *, why: str, who: str) -> ModelActivation:
    return ModelActivation(
        activation=newest.activation + 1,
        versions=chosen.versions,
        cards=chosen.cards,
        set_card=chosen.set_card,
        why=why,
        who=who,
        produced_at=now(),
    )


def _require_served(client: Any, model: str, version: int, pin: str | None) -> None:
    """Request a real inference from a version, and load the version once if it is not loaded."""
    try:
        try:
            ServedModel(client, model, version, pin).probe()
        except Retriable as error:
            require_live(client, error)
            load(client, model)
            ServedModel(client, model, version, pin).probe()
    except (Fatal, Retriable) as error:
        require_live(client, error)
        raise Rejected("not_served", f"{model} version {version} cannot serve: {error}") from error
