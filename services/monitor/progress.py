"""How far the app has read: what hinders it, and up to which moment windows may be closed."""

from __future__ import annotations

from typing import Any

from services.monitor.counter import READS


class Progress:
    """Follows a Faust app's agent through its partitions."""

    def __init__(self, app: Any, partitions: int) -> None:
        """Follow an app that reads so many partitions of each topic."""
        self._app, self._wanted = app, partitions * len(READS)
        self._read: dict[tuple[str, int], tuple[int, float]] = {}

    def note(self, message: Any) -> None:
        """Take note of a record that was counted."""
        self._read[message.topic, message.partition] = (message.offset + 1, message.timestamp)

    def hindrance(self) -> str | None:
        """Say why windows cannot be closed at present, or None."""
        if self._app.rebalancing or not self.assigned():
            return "waiting for its partitions"
        if self._app.in_recovery:
            return "reading its tables back"
        missing = self._wanted - len(self.assigned())
        return f"another worker holds {missing} partitions; run one monitor a deployment" if missing else None

    async def watermark(self, present: float) -> float:
        """Return the present if everything is read, else the oldest moment (Unix time) that a backlog has reached.

        A window that a backlog still adds to is not closed half counted.
        """
        assigned = self.assigned()
        ends = await self._app.consumer.highwaters(*assigned)
        behind = [where for where in assigned if await self._next(where) < (ends.get(where) or 0)]
        return min([present, *(self._read.get((where.topic, where.partition), (0, 0.0))[1] for where in behind)])

    async def _next(self, where: Any) -> int:
        noted = self._read.get((where.topic, where.partition))
        if noted is not None:
            return noted[0]
        return int(await self._app.consumer.position(where) or 0)

    def assigned(self) -> list[Any]:
        """Return the partitions of the source topics that this worker holds."""
        return [where for where in self._app.consumer.assignment() if where.topic in READS]
