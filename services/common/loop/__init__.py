"""The one loop of every stateless service: poll, handle, effects durable, commit (docs/delivery.md)."""

from services.common.loop.batch import BatchLoop
from services.common.loop.handler import Done, Handler, Message, Outcome, PerRecordHandler, Record, newest_revisions

__all__ = ["BatchLoop", "Done", "Handler", "Message", "Outcome", "PerRecordHandler", "Record", "newest_revisions"]
