"""The snapshot of a reference: the statistics of each centre's controls, in the outputs of one set of model versions.

It is stored once under its digest. Its content is a function of the controls and the models alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from services.common.decision.reference import ReferenceStatistics
from services.common.errors import Rejected
from services.common.events.animal import Animal, Sex
from services.common.events.base import Sha256
from services.common.store import ServiceStore

PREFIX: Final = "references"


class ControlGroup(BaseModel):
    """The controls of a centre, or those of one sex or strain of it; `statistics` by the name of the model.

    A `sex` or `strain_accession_id` of None stands for all of the centre.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    centre: str
    sex: Sex | None = None
    strain_accession_id: str | None = None
    statistics: dict[str, ReferenceStatistics]

    @property
    def name(self) -> str:
        """The centre, then sex and strain where the group is of one only, for example `JAX, female`."""
        return ", ".join(filter(None, (self.centre, self.sex, self.strain_accession_id)))

    @property
    def controls(self) -> int:
        """Number of controls."""
        return min((one.n for one in self.statistics.values()), default=0)

    @property
    def sufficient(self) -> bool:
        """Whether the controls are enough to judge by them alone whether a specimen is familiar."""
        return all(one.sufficient for one in self.statistics.values())

    def has(self, animal: Animal | None) -> bool:
        """Return whether an animal of the centre belongs to the group."""
        sex, strain = (animal.sex, animal.strain_accession_id) if animal else (None, None)
        return self.sex in {None, sex} and self.strain_accession_id in {None, strain}


class ReferenceSnapshot(BaseModel):
    """One reference. `cards` holds the SHA-256 of the card of each model version that it is for."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    schema_version: Literal[1] = 1
    versions: dict[str, Annotated[int, Field(ge=1)]]
    cards: dict[str, Sha256]
    groups: tuple[ControlGroup, ...] = ()

    def encode(self) -> bytes:
        """Return its JSON in UTF-8."""
        return self.model_dump_json().encode()

    def is_for(self, cards: Mapping[str, str]) -> bool:
        """Return whether it was built with the versions that have these cards."""
        return self.cards == dict(cards)

    def group_of(self, centre: str, animal: Animal | None) -> ControlGroup | None:
        """Return the group whose controls a specimen is compared with: the narrowest one that it belongs to.

        None when the centre has no controls.
        """
        found = [one for one in self.groups if one.centre == centre and one.has(animal)]
        return max(found, key=_narrowness, default=None)


def _narrowness(group: ControlGroup) -> tuple[int, int, bool]:
    narrow = (group.sex is not None) + (group.strain_accession_id is not None)
    return narrow, group.controls, group.strain_accession_id is not None


def snapshot_key(sha256: str) -> str:
    """Return the key of a snapshot in object storage."""
    return f"{PREFIX}/{sha256}.json"


def store_snapshot(store: ServiceStore, snapshot: ReferenceSnapshot) -> str:
    """Store a snapshot and return its SHA-256; storing it again changes nothing."""
    data = snapshot.encode()
    sha256 = hashlib.sha256(data).hexdigest()
    store.put(snapshot_key(sha256), data, "application/json")
    return sha256


def read_snapshot(store: ServiceStore, sha256: str) -> ReferenceSnapshot:
    """Read a snapshot; raises Rejected `object_missing`, `reference_damaged`, Retriable when the store is away."""
    data = store.get(snapshot_key(sha256))
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise Rejected("reference_damaged", f"the SHA-256 of {snapshot_key(sha256)} is {found}")
    try:
        return ReferenceSnapshot.model_validate_json(data)
    except ValidationError as error:
        raise Rejected("reference_damaged", f"{snapshot_key(sha256)} is not a reference: {error}") from error


def stored_snapshots(store: ServiceStore) -> list[str]:
    """Return the digests of all stored snapshots, in order."""
    return sorted(key.removeprefix(f"{PREFIX}/").removesuffix(".json") for key in store.keys(f"{PREFIX}/"))


def find_snapshot(store: ServiceStore, beginning: str) -> str:
    """Return the one stored digest that begins like this; raises Rejected `reference_unknown`."""
    found = [one for one in stored_snapshots(store) if one.startswith(beginning)]
    if len(found) != 1:
        raise Rejected("reference_unknown", f"{len(found)} stored references begin with {beginning!r}")
    return found[0]
