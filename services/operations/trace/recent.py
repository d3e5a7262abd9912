"""A specimen that the ledger does not know: its newest announcements on `xray.images`."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from services.common.events.base import now
from services.common.settings import Settings
from services.common.topics import IMAGES
from services.operations.trace.stretches import look
from services.operations.trace.timeline import Step, seen

_LOOK_BACK: Final = timedelta(days=1)


def on_the_topic(settings: Settings, specimen: str) -> list[Step]:
    """Return the announcements of the last day."""
    present = now()
    sightings = look(settings, specimen, [(IMAGES, [(present - _LOOK_BACK, present)])])
    return [seen(one) for one in sightings.records]
