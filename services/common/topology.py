"""Which service and which command reads and writes which topic: the only table.

Handlers, `xray run`, `xray status`, `xray reconcile` and docs/contracts.md all read it. A service's name is also the
name of its consumer group.
"""

from dataclasses import dataclass
from typing import Any, Final

from services.common.events import (
    CallWithdrawal,
    Event,
    ImageEvent,
    ImageWithdrawal,
    SpecimenReady,
    TensorReady,
    ViewReady,
)
from services.common.loop import ServiceTopics
from services.common.topics import (
    ACTIVE_MODELS,
    ACTIVE_REFERENCES,
    CALLS,
    CENTRE_IMAGES,
    IMAGE_RETRIES,
    IMAGES,
    REJECTED,
    REVIEWS,
    SHADOW,
    SPECIMENS,
    STATISTICS,
    TENSORS,
    TOPICS,
    VIEWS,
    WITHDRAWN,
    Topic,
)

ADMISSION: Final = ServiceTopics[ImageEvent]("admission", (), (IMAGES, REJECTED), per_centre=CENTRE_IMAGES)
INTAKE: Final = ServiceTopics[ImageEvent]("intake", (IMAGES, *IMAGE_RETRIES), (VIEWS, *IMAGE_RETRIES, REJECTED))
ASSEMBLER: Final = ServiceTopics[ViewReady | ImageWithdrawal]("assembler", (VIEWS, WITHDRAWN), (SPECIMENS, REJECTED))
FUSER: Final = ServiceTopics[SpecimenReady | CallWithdrawal]("fuser", (SPECIMENS,), (TENSORS, REJECTED))
CLASSIFIER: Final = ServiceTopics[TensorReady | CallWithdrawal](
    "classifier", (TENSORS,), (CALLS, SHADOW, REJECTED), followed=(ACTIVE_MODELS, ACTIVE_REFERENCES)
)
SINK: Final = ServiceTopics[Event](
    "sink",
    (IMAGES, VIEWS, WITHDRAWN, CALLS, SHADOW, REVIEWS, REJECTED),
    (REJECTED,),
    observed=(IMAGES, VIEWS, WITHDRAWN),
)
MONITOR: Final = ServiceTopics[Event](
    "monitor",
    (IMAGES, VIEWS, CALLS, REJECTED),
    (STATISTICS,),
    followed=(STATISTICS,),
    observed=(IMAGES, VIEWS, CALLS, REJECTED),
)

STAGES: Final[tuple[ServiceTopics[Any], ...]] = (INTAKE, ASSEMBLER, FUSER, CLASSIFIER, SINK)
"""The services that turn images into rows of calls, in the order in which an image passes them."""
TOPOLOGY: Final[tuple[ServiceTopics[Any], ...]] = (ADMISSION, *STAGES, MONITOR)
PIPELINE: Final = tuple(service.name for service in STAGES)
SERVICES: Final = tuple(service.name for service in TOPOLOGY)
"""Every service. Admission has work only where centres have topics of their own; the monitor only counts."""


@dataclass(frozen=True)
class CommandTopics:
    """A command as it is typed, and the topics that it writes."""

    command: str
    outputs: tuple[Topic, ...]


_REPLAYED: Final = tuple(
    topic
    for topic in TOPICS
    if not topic.delay_seconds and any(topic in one.inputs and topic not in one.observed for one in TOPOLOGY)
)
"""Topics whose records some service rejects: a replay returns a record to the topic on which it was rejected.

A record on a retry topic is rejected in the name of its announcement.
"""
COMMANDS: Final = (
    CommandTopics("xray push", (IMAGES,)),
    CommandTopics("xray backfill", (IMAGES,)),
    CommandTopics("xray reprocess", (TENSORS,)),
    CommandTopics("xray reprocess --from-originals", (IMAGES,)),
    CommandTopics("xray reconcile --announce-again", (IMAGES,)),
    CommandTopics("xray rejections replay", _REPLAYED),
    CommandTopics("xray review", (REVIEWS,)),
    CommandTopics("xray withdraw", (WITHDRAWN,)),
    CommandTopics("xray erase", (WITHDRAWN,)),
    CommandTopics("xray statistics --recompute", (STATISTICS,)),
    CommandTopics("xray init", (ACTIVE_MODELS,)),
    CommandTopics("xray models", (ACTIVE_MODELS,)),
    CommandTopics("xray train refresh", (ACTIVE_MODELS,)),
    CommandTopics("xray references", (ACTIVE_REFERENCES,)),
)


def readers(topic: Topic) -> tuple[str, ...]:
    """Return the names of the services that read a topic."""
    return tuple(one.name for one in TOPOLOGY if topic in (*one.inputs, *one.followed))


def writers(topic: Topic) -> tuple[str, ...]:
    """Return the names of the services that write a topic."""
    return tuple(one.name for one in TOPOLOGY if topic in one.outputs)


def writing_commands(topic: Topic) -> tuple[str, ...]:
    """Return the commands that write a topic."""
    return tuple(one.command for one in COMMANDS if topic in one.outputs)
