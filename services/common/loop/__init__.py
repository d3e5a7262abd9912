"""The loop of every stateless service: poll, handle, make effects durable, commit (docs/delivery.md)."""

from services.common.loop.batch import BatchLoop
from services.common.loop.handler import (
    Done,
    Handler,
    Held,
    Message,
    Outcome,
    PerRecordHandler,
    Record,
    ServiceTopics,
    messages_of,
)
from services.common.loop.retries import RetryState

__all__ = [
    "BatchLoop",
    "Done",
    "Handler",
    "Held",
    "Message",
    "Outcome",
    "PerRecordHandler",
    "Record",
    "RetryState",
    "ServiceTopics",
    "messages_of",
]
