"""Unloads a version that nothing needs from Triton, and on request deletes it from the repository."""

from dataclasses import dataclass
from typing import Any

from services.common.errors import Rejected
from services.common.events import ModelActivation
from services.common.settings import Settings
from services.registry.control import load
from services.registry.register import STANDING, records
from services.registry.repository import ModelRepository


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
    with repository.locked():  # a promotion of the version comes before and is seen, or after and is refused
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
