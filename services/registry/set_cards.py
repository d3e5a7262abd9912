"""Set cards in object storage: how the versions of one activation decide together. An activation names the digest."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Final

from pydantic import ValidationError

from services.common.decision.fit import SetVersion
from services.common.decision.set_card import SetCard
from services.common.errors import Rejected
from services.common.store import ServiceStore
from services.registry.repository import ModelRepository
from services.registry.validation import VALIDATION_FILE, ValidationOutputs, fit_versions, read_validation

PREFIX: Final = "sets"


def set_card_key(sha256: str) -> str:
    """Return the key of a set card."""
    return f"{PREFIX}/{sha256}.json"


def fitted_set_card(store: ServiceStore, repository: ModelRepository, versions: Mapping[str, int]) -> str | None:
    """Fit the set card of these versions from their outputs for validation specimens, store it, return its SHA-256.

    None if a version has no such outputs: the consensus of the versions' own cards decides then. Raises Rejected
    `validation_damaged`, `validation_differs`.
    """
    members: dict[SetVersion, ValidationOutputs] = {}
    for model, version in sorted(versions.items()):
        folder = repository.folder(model, version)
        if not (folder / VALIDATION_FILE).exists():
            return None
        members[SetVersion(model, version)] = read_validation(folder)
    return store_set_card(store, fit_versions(members).model_dump_json().encode(), versions)


def store_set_card(store: ServiceStore, data: bytes, versions: Mapping[str, int]) -> str:
    """Store the JSON of a set card, and return its SHA-256.

    Raises Rejected `set_card_invalid`, `set_card_foreign` for one of other versions.
    """
    require_members(parse_set_card(data), versions)
    sha256 = hashlib.sha256(data).hexdigest()
    store.put(set_card_key(sha256), data, "application/json")
    return sha256


def read_set_card(store: ServiceStore, sha256: str, versions: Mapping[str, int]) -> SetCard:
    """Read a set card for these versions.

    Raises Rejected `object_missing`, `set_card_damaged` and as `store_set_card`, Retriable when the store is away.
    """
    data = store.get(set_card_key(sha256))
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise Rejected("set_card_damaged", f"the SHA-256 of {set_card_key(sha256)} is {found}")
    card = parse_set_card(data)
    require_members(card, versions)
    return card


def parse_set_card(data: bytes) -> SetCard:
    """Parse the JSON of a set card; raises Rejected `set_card_invalid`."""
    try:
        return SetCard.model_validate_json(data)
    except ValidationError as error:
        raise Rejected("set_card_invalid", f"not a set card: {error}") from error


def require_members(card: SetCard, versions: Mapping[str, int]) -> None:
    """Raise Rejected `set_card_foreign` unless the members of the card are exactly these versions."""
    members = {member.model: member.version for member in card.members}
    if members != dict(versions):
        raise Rejected("set_card_foreign", f"the set card is for {members}, the set has {dict(versions)}")
