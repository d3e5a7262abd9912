"""The reference of controls that scores are compared with: the newest on `references.active` that can be read."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final, Protocol

import structlog

from services.classifier.metrics import REFERENCE, REFERENCE_FALLEN_BACK
from services.common.errors import Rejected
from services.common.events import CallReference, ReferenceActivation
from services.common.events.reference import EarlierReference
from services.common.store import ServiceStore
from services.registry.references.active import NONE, active
from services.registry.references.snapshot import ControlGroup, ReferenceSnapshot, read_snapshot

log = structlog.get_logger()
AGAIN_SECONDS: Final = 15.0
"""Interval at which the newest reference is tried again while an earlier one serves in its place."""


class ReferenceSource(Protocol):
    """Where records come from; `services.registry.references.active.ActiveReferences` implements it."""

    def refresh(self) -> ReferenceActivation | None: ...  # noqa: D102
    def close(self) -> None: ...  # noqa: D102


@dataclass(frozen=True)
class ServingReference:
    """What is active: the number of its record (0 for none yet), its digest and content (None for no reference)."""

    activation: int = 0
    sha256: str | None = None
    snapshot: ReferenceSnapshot | None = None

    def of_call(self, group: ControlGroup | None) -> CallReference | None:
        """Return what a call states about it; None before the first record."""
        if not self.activation:
            return None
        name, controls = (None, 0) if group is None else (group.name, group.controls)
        return CallReference(activation=self.activation, sha256=self.sha256, group=name, controls=controls)


class ActiveReferenceSet:
    """Follows `references.active` without a restart. An object that cannot be read is replaced by the one before it."""

    def __init__(self, source: ReferenceSource, store: ServiceStore) -> None:
        """Read records from `source` and snapshots from `store`."""
        self._source, self._store = source, store
        self._serving = ServingReference()
        self._newest = NONE
        self._again_at = 0.0

    def current(self) -> ServingReference:
        """Return the reference that applies now; raises Retriable while Kafka or the store is away."""
        record = self._source.refresh()
        newest = active(record)
        degraded = self._serving.activation != newest.activation
        if newest != self._newest or (degraded and time.monotonic() >= self._again_at):
            choices = [newest, *(record.earlier if record else ())]
            self._serving, self._newest = self._choose(choices), newest
            self._again_at = time.monotonic() + AGAIN_SECONDS
            REFERENCE.set(self._serving.activation)
            REFERENCE_FALLEN_BACK.set(self._serving.activation != newest.activation)
        return self._serving

    def close(self) -> None:
        """Disconnect."""
        self._source.close()

    def _choose(self, choices: list[EarlierReference]) -> ServingReference:
        for choice in choices:
            try:
                snapshot = None if choice.sha256 is None else read_snapshot(self._store, choice.sha256)
            except Rejected as error:
                log.error("reference cannot be read", activation=choice.activation, why=str(error))
                continue
            log.info("reference selected", activation=choice.activation, sha256=choice.sha256)
            return ServingReference(choice.activation, choice.sha256, snapshot)
        return ServingReference()
