"""The largest resident memory of each service while something runs."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Final, Self

import psutil

from services.operations.pipeline import Processes

_EVERY_SECONDS: Final = 0.2


class MemoryWatch:
    """Samples the resident memory of services five times a second between enter and exit."""

    def __init__(self, services: Processes, names: tuple[str, ...]) -> None:
        """Watch these running services."""
        self._watched = {name: psutil.Process(services.pid(name)) for name in names}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.largest_bytes: dict[str, int] = dict.fromkeys(names, 0)
        self.cpu_seconds: dict[str, float] = {}

    def __enter__(self) -> Self:
        """Start sampling."""
        self._before = self._cpu()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End sampling; `cpu_seconds` holds what each service used meanwhile."""
        self._stop.set()
        self._thread.join()
        after = self._cpu()
        self.cpu_seconds = {name: after[name] - self._before[name] for name in after if name in self._before}

    def _run(self) -> None:
        while not self._stop.wait(_EVERY_SECONDS):
            for name, process in self._watched.items():
                try:
                    self.largest_bytes[name] = max(self.largest_bytes[name], process.memory_info().rss)
                except psutil.NoSuchProcess:
                    continue

    def _cpu(self) -> dict[str, float]:
        seconds: dict[str, float] = {}
        for name, process in self._watched.items():
            try:
                times = process.cpu_times()
            except psutil.NoSuchProcess:
                continue
            seconds[name] = times.user + times.system
        return seconds
