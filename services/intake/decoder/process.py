"""Decodes in child processes: one image at a time per child, warm and reused, with limits on time and memory.

A child that goes over a limit or crashes is lost, and costs its image only: the next image is decoded by a new child.
Children die with the thread that started them, and otherwise at the end of their input.
"""

from __future__ import annotations

import math
import os
import queue
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import structlog

from services.common import metrics
from services.common.errors import Rejected, Retriable
from services.common.tied import tied
from services.intake.decoder.protocol import (
    EXIT_NO_MEMORY,
    BrokenReplyError,
    Ready,
    Wait,
    receive_ready,
    receive_reply,
    send_request,
)
from services.intake.raster import Raster
from services.intake.settings import Limits

log = structlog.get_logger()

_WORKER: Final = "services.intake.decoder.worker"
_START_SECONDS: Final = 60.0
_LOOK_SECONDS: Final = 0.25
"""How often a wait looks whether intake was asked to stop."""
_STOP_SECONDS: Final = 8.0
"""How long an image may still take once intake was asked to stop."""
_EXIT_SECONDS: Final = 1.0
_UNITS: Final = {"seconds": "s", "cpu_seconds": "s of processor time", "memory_mb": "MB of memory"}
"""By the names of the settings without their prefix."""
_MEGABYTE: Final = 1 << 20
_BUFFER_BYTES: Final = 4 * _MEGABYTE
"""Where the system allows it, an image passes with few changes between the two processes."""


class _OverrunError(Exception):
    """The time for one step is over."""


class _StoppingError(Exception):
    """Intake was asked to stop, and an image takes too long to wait for."""


class _SpuriousError(Exception):
    """A child was lost for a cause that may lie outside the image."""

    def __init__(self, rejected: Rejected) -> None:
        super().__init__(rejected.message)
        self.rejected = rejected


@dataclass(frozen=True)
class _End:
    """How a child ended: its signal or exit code, and its processor time since its last reply.

    Its peak of memory is not known: Linux hands the parent's peak to a new program.
    """

    status: int
    cpu_seconds: float

    @property
    def signal(self) -> int:
        """The signal that ended it; 0 if it exited."""
        return os.WTERMSIG(self.status) if os.WIFSIGNALED(self.status) else 0

    @property
    def description(self) -> str:
        """The name of the signal, or the exit code."""
        if self.signal:
            return signal.Signals(self.signal).name
        return f"exit code {os.waitstatus_to_exitcode(self.status)}"


class _Child:
    """A running worker that is ready for requests, and this end of its socket."""

    def __init__(self, limits: Limits, wait: Wait) -> None:
        """Start it; raises OSError, ValueError, BrokenReplyError or what `wait` raises when it does not get ready."""
        self.connection, theirs = socket.socketpair()
        for one in (self.connection, theirs):
            one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER_BYTES)
        self.cpu_seconds = 0.0
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - this program's own module
                tied([sys.executable, "-P", "-m", _WORKER, limits.model_dump_json()]),
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                cwd="/",
                env=_environment(limits),
                start_new_session=True,  # Ctrl-C is for intake
            )
        try:
            self.ready = receive_ready(self.connection, wait)
        except BaseException:
            self.end(_EXIT_SECONDS)
            raise

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def idle(self) -> bool:
        """Return whether the child waits for a request: one that is dead or talks out of turn can be read from."""
        poll = select.poll()
        poll.register(self.connection, select.POLLIN)
        return not poll.poll(0)

    def end(self, grace: float = 0.0) -> _End:
        """Wait up to `grace` seconds for it to exit, kill it if it has not, and release everything."""
        self.connection.close()
        deadline = time.monotonic() + grace
        pid, status, usage = os.wait4(self.pid, os.WNOHANG)
        while not pid and time.monotonic() < deadline:
            time.sleep(0.005)
            pid, status, usage = os.wait4(self.pid, os.WNOHANG)
        if not pid:
            os.kill(self.pid, signal.SIGKILL)
            _, status, usage = os.wait4(self.pid, 0)
        self._process.returncode = os.waitstatus_to_exitcode(status)
        return _End(status, usage.ru_utime + usage.ru_stime - self.cpu_seconds)


def _environment(limits: Limits) -> dict[str, str]:
    """Return everything that a child knows of this process's environment: no address and no credential."""
    return {
        "PYTHONPATH": os.pathsep.join(os.path.abspath(path) for path in sys.path),  # noqa: PTH100 - not resolved
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        # Keep freed memory for the next image: asking the kernel for it again takes longer than decoding some images.
        "MALLOC_MMAP_THRESHOLD_": str(32 * _MEGABYTE),
        "MALLOC_TRIM_THRESHOLD_": str(64 * _MEGABYTE),
        "OPENCV_IO_MAX_IMAGE_PIXELS": str(limits.most_pixels),
    }


class DecoderProcess:
    """Decodes one image at a time. Not thread-safe."""

    def __init__(self, stage: str, limits: Limits, stop_at: Callable[[], float]) -> None:
        """Prepare; `stop_at` returns when to give up, on the monotonic clock."""
        self._stage, self._limits, self._stop_at = stage, limits, stop_at
        self._child: _Child | None = None

    def start(self) -> Ready:
        """Start a child if none waits for a request, and return what is enforced for it; raises Retriable."""
        return self._ready_child().ready

    def decode(self, data: bytes) -> Raster:
        """Decode one file; raises what `DecoderPool.decode` raises.

        A child that is lost for a cause outside the image, such as a machine that is out of memory or stands still,
        must not cost a good image: the image gets a second child, but not a third.
        """
        try:
            return self._attempt(data)
        except _SpuriousError:
            pass
        try:
            return self._attempt(data)
        except _SpuriousError as lost:
            raise lost.rejected from None

    def close(self) -> None:
        """End the child."""
        if self._child is not None:
            self._child.end()
            self._child = None

    def _ready_child(self) -> _Child:
        if self._child is not None and not self._child.idle():
            self.close()
        if self._child is None:
            try:
                self._child = _Child(self._limits, self._until(_START_SECONDS))
            except (OSError, ValueError, BrokenReplyError, _OverrunError, _StoppingError) as error:
                msg = f"a decoder process does not start: {type(error).__name__} {error}"
                raise Retriable(msg, kind="decoder") from error
        return self._child

    def _attempt(self, data: bytes) -> Raster:
        child, started = self._ready_child(), time.monotonic()
        wait = self._until(self._limits.decoder_seconds)
        try:
            send_request(child.connection, data, wait)
            child.cpu_seconds, result = receive_reply(child.connection, self._limits, wait)
        except _OverrunError:
            raise self._over("seconds", child.end(), measured=round(time.monotonic() - started, 2)) from None
        except (OSError, BrokenReplyError) as error:
            raise self._died(child.end(_EXIT_SECONDS), error) from error
        except _StoppingError:
            self.close()
            msg = "intake was asked to stop while it decoded an image"
            raise Retriable(msg, kind="stopping") from None
        if isinstance(result, Rejected):
            raise result
        return result

    def _until(self, seconds: float) -> Wait:
        deadline = time.monotonic() + seconds

        def wait() -> float:
            present = time.monotonic()
            if present >= deadline:
                raise _OverrunError
            if present >= self._stop_at():
                raise _StoppingError
            return min(_LOOK_SECONDS, deadline - present)

        return wait

    def _died(self, end: _End, error: Exception) -> Exception:
        if end.signal == signal.SIGPROF:
            return self._over("cpu_seconds", end, measured=round(end.cpu_seconds, 2))
        if not end.signal and os.waitstatus_to_exitcode(end.status) == EXIT_NO_MEMORY:
            return self._over("memory_mb", end)
        killed = end.signal == signal.SIGKILL
        self._count("killed" if killed else "crashed", end)
        rejected = Rejected(
            "decoder_crashed",
            f"the decoder process ended with {end.description} while it decoded the image ({error})",
            ended_with=end.description,
        )
        return _SpuriousError(rejected) if killed else rejected

    def _over(self, limit: str, end: _End, **measured: float) -> Exception:
        self._count(limit, end)
        allowed = float(getattr(self._limits, f"decoder_{limit}"))
        rejected = Rejected(
            "decoder_limit",
            f"decoding the image takes more than {allowed:g} {_UNITS[limit]}",
            limit=limit,
            allowed=allowed,
            **measured,
        )
        # Decoding does not sleep. When its time is over before its processor time, the machine is busy or stood still.
        return _SpuriousError(rejected) if limit == "seconds" else rejected

    def _count(self, cause: str, end: _End) -> None:
        self._child = None
        metrics.decoder_lost(self._stage, cause)
        log.warning(
            "decoder process lost",
            cause=cause,
            ended_with=end.description,
            cpu_seconds=round(end.cpu_seconds, 2),
        )


class DecoderPool:
    """As many decoder processes as intake has threads. Thread-safe."""

    def __init__(self, stage: str, limits: Limits, size: int) -> None:
        """Prepare; nothing is started before `start` or the first image. `stage` is the label of the metrics."""
        self._stop_at = math.inf
        self._all = [DecoderProcess(stage, limits, lambda: self._stop_at) for _ in range(size)]
        self._idle: queue.LifoQueue[DecoderProcess] = queue.LifoQueue()
        for one in self._all:
            self._idle.put(one)

    def start(self) -> None:
        """Start every process; raises Retriable. Logs what this machine does not enforce."""
        for one in self._all:
            ready = one.start()
        missing = [name for name, enforced in ready.model_dump().items() if not enforced]
        if missing:
            log.warning("decoder processes are not fully confined on this machine", not_enforced=missing)

    def decode(self, data: bytes) -> Raster:
        """Decode a file of unknown origin in a child process.

        Raises Rejected with one of the reasons of `services.intake.decode.decode`, `decoder_limit` (details: limit,
        allowed and, for times, measured) or `decoder_crashed`; Retriable when no child can be started, or when intake
        is asked to stop.
        """
        process = self._idle.get()
        try:
            return process.decode(data)
        finally:
            self._idle.put(process)

    def interrupt(self) -> None:
        """Give up images that take longer than a few seconds from now: intake is asked to stop."""
        self._stop_at = min(self._stop_at, time.monotonic() + _STOP_SECONDS)

    def close(self) -> None:
        """End every process; no thread may be decoding."""
        for one in self._all:
            one.close()
