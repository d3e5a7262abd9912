"""Puts a candidate in shadow and takes it out again: one record with its own key on `models.active`.

It is a separate record, not a field of the activation. So a candidate comes and goes without a new activation, which
would rank calls again and make every classifier check what serves, and a promotion or rollback meanwhile cannot lose
it. Readers that do not know shadows skip the record by its name.

Unloads a version that nothing needs from Triton, and on request deletes it from the repository.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.common.errors import Rejected
from services.common.events import ModelActivation
from services.common.events.base import now
from services.common.events.model import SHADOW_SET
from services.common.settings import Settings
from services.registry.admit import admit_all
from services.registry.register import STANDING, current_shadow, publish_next, records
from services.registry.repository import ModelRepository
from services.registry.triton_client import load


@dataclass(frozen=True)
class RetiredVersion:
    """What this call did; both are False if the version had been retired before."""

    unloaded: bool
    deleted: bool


def retire(
    settings: Settings, client: Any, repository: ModelRepository, model: str, version: int, *, delete: bool
) -> RetiredVersion:
    """Unload a version from Triton and, with `delete`, delete its files; its card stays, so its number is never reused.

    Raises Rejected (`serves`, `stands_by`, `in_shadow`: it is needed; `last_version`, `version_missing`,
    `model_unknown`, `path_escapes`, `load_failed`, `nothing_active`), Retriable when Triton or Kafka is away.
    """
    with repository.locked():  # a promotion of the version is either earlier and visible here, or later and refused
        found = records(settings)
        if found.serving is None:
            raise Rejected("nothing_active", "models.active names no model version; run `xray init`")
        _require_unused(found.serving, found.shadow, model, version)
        return _remove(client, repository, model, version, delete=delete)


def _require_unused(newest: ModelActivation, shadow: ModelActivation | None, model: str, version: int) -> None:
    name = f"{model} version {version}"
    if newest.versions.get(model) == version:
        raise Rejected("serves", f"{name} makes the calls: promote another one first")
    if shadow is not None and shadow.share and shadow.versions.get(model) == version:
        raise Rejected("in_shadow", f"{name} is in shadow: `xray models shadow --stop` first")
    back = [earlier.activation for earlier in newest.earlier if earlier.versions.get(model) == version]
    if back:
        message = (
            f"{name} stands by as activation {back[0]}, for a rollback or a loss of the versions that serve: "
            f"it can be retired after {STANDING} later activations"
        )
        raise Rejected("stands_by", message)


def _remove(client: Any, repository: ModelRepository, model: str, version: int, *, delete: bool) -> RetiredVersion:
    served = repository.served(model)
    exists = repository.folder(model, version).is_dir()
    if not exists and repository.card_text(model, version) is None:
        raise Rejected("version_missing", f"{model} has no version {version} in {repository.root}")
    if version in served:
        _unload(client, repository, model, version, served)
    if delete and exists:
        repository.remove(model, version)
    return RetiredVersion(unloaded=version in served, deleted=delete and exists)


def _unload(client: Any, repository: ModelRepository, model: str, version: int, served: list[int]) -> None:
    rest = [one for one in served if one != version]
    if not rest:
        raise Rejected("last_version", f"{model} version {version} is the only one of this model that Triton serves")
    repository.serve(model, rest)
    try:
        load(client, model)
    except Rejected:
        repository.serve(model, served)
        raise


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
            raise Rejected("shadows_already", f"these versions are already in shadow with a share of {share}")
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
