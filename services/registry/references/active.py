"""Which reference is active: the newest sound record on `references.active`, followed and written like `models.active`.

Every reader ignores a record that does not follow from the one before it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import Final

from services.common.errors import Rejected
from services.common.events import ReferenceActivation
from services.common.events.base import now
from services.common.events.reference import KEPT_EARLIER, REFERENCES, EarlierReference
from services.common.settings import Settings
from services.common.topics import ACTIVE_REFERENCES
from services.registry.activations import ActivationFollower
from services.registry.register import publish_record

NONE: Final = EarlierReference(activation=0)
"""What is active before the first record: no reference."""


class ActiveReferences(ActivationFollower[ReferenceActivation]):
    """Follows `references.active`."""

    def __init__(self, settings: Settings) -> None:
        """Prepare; connects at the first read."""
        super().__init__(settings, ACTIVE_REFERENCES, ReferenceActivation, follows)

    def refresh(self) -> ReferenceActivation | None:
        """Return the newest record, None before the first; raises as `update` does."""
        self.update()
        return self.newest(REFERENCES)


def active(before: ReferenceActivation | None) -> EarlierReference:
    """Return what the newest record makes active."""
    return NONE if before is None else before.as_earlier()


def follows(before: ReferenceActivation | None, record: ReferenceActivation) -> bool:
    """Return whether a record can be the next one after `before`, the last sound record.

    It has the next number, and either names `before` first among the earlier ones, or returns to the first of these.
    """
    present = active(before)
    if (record.name, record.activation) != (REFERENCES, present.activation + 1):
        return False
    if record.earlier[:1] == (present,):
        return True
    earlier = before.earlier if before is not None else ()
    return bool(earlier) and (record.sha256, record.earlier) == (earlier[0].sha256, earlier[1:])


def current(settings: Settings) -> ReferenceActivation | None:
    """Return the newest record; raises as `ActiveReferences.refresh`."""
    with closing(ActiveReferences(settings)) as references:
        return references.refresh()


def activate(settings: Settings, sha256: str | None, *, why: str, who: str) -> ReferenceActivation:
    """Make a reference active, None for none; the caller has checked that it can be read.

    Raises Rejected `reference_active_already`, `activation_overtaken`, Retriable when Kafka is away.
    """

    def follow(newest: ReferenceActivation | None) -> ReferenceActivation:
        present = active(newest)
        if present.sha256 == sha256:
            raise Rejected("reference_active_already", f"activation {present.activation} already has this reference")
        earlier = (present, *(newest.earlier if newest else ()))[:KEPT_EARLIER]
        return _record(newest, sha256, earlier, why=why, who=who)

    return _published(settings, follow)


def roll_back(settings: Settings, *, why: str, who: str) -> ReferenceActivation:
    """Return to the reference that was active before.

    Raises Rejected `nothing_earlier`, `activation_overtaken`, Retriable when Kafka is away.
    """

    def follow(newest: ReferenceActivation | None) -> ReferenceActivation:
        if newest is None or not newest.earlier:
            raise Rejected("nothing_earlier", "no earlier reference is known; use `xray references activate`")
        target, *rest = newest.earlier
        return _record(newest, target.sha256, tuple(rest), why=why, who=who)

    return _published(settings, follow)


def _record(
    newest: ReferenceActivation | None, sha256: str | None, earlier: tuple[EarlierReference, ...], *, why: str, who: str
) -> ReferenceActivation:
    return ReferenceActivation(
        activation=active(newest).activation + 1, sha256=sha256, earlier=earlier, why=why, who=who, produced_at=now()
    )


def _published(
    settings: Settings, follow: Callable[[ReferenceActivation | None], ReferenceActivation]
) -> ReferenceActivation:
    return publish_record(settings, ACTIVE_REFERENCES, lambda: follow(current(settings)))
