"""The admission passes a centre's announcements on to `xray.images`, if they are about that centre's own images.

Kafka does not tell a reader which principal wrote a record. So each centre has a topic that only its principal may
write, and the name of the topic proves who announced an image.
"""

from __future__ import annotations

from services.common import topology
from services.common.errors import Rejected
from services.common.events import ImageEvent
from services.common.loop import Done, Message, PerRecordHandler, Record, ServiceTopics
from services.common.settings import ServiceSettings
from services.common.topics import CENTRE_IMAGES, IMAGES


def build(settings: ServiceSettings) -> Admission:
    """Return the admission; it needs no server but Kafka."""
    return Admission(workers=settings.workers)


class Admission(PerRecordHandler[ImageEvent]):
    """Handler of the topics `xray.centre.*`."""

    topics: ServiceTopics[ImageEvent] = topology.ADMISSION
    stage: str = topology.ADMISSION.name

    def start(self) -> None:
        """Nothing to check."""

    def handle_one(self, record: Record[ImageEvent]) -> Done:
        """Pass the record on unchanged; raises Rejected(`centre_mismatch`) for an image of another centre."""
        owner, announced = CENTRE_IMAGES.centre(record.topic), record.event.centre
        if announced != owner:
            message = f"{record.topic} belongs to {owner}, but the announcement names {announced}"
            raise Rejected("centre_mismatch", message, owner=owner, announced=announced)
        return Done((Message(IMAGES, record.event, record.headers, record),))
