"""The loop of every stateless service: poll, handle, make effects durable, commit (docs/delivery.md)."""

from services.common.loop.batch import BatchLoop
from services.common.loop.handler import Done, Handler, Message, Outcome, PerRecordHandler, Record, ServiceTopics
from services.common.loop.retries import RetryState

__all__ = [
    "BatchLoop",
    "Done",
    "Handler",
    "Message",
    "Outcome",
    "PerRecordHandler",
    "Record",
    "RetryState",
    "ServiceTopics",
]
