"""The faults. Each is a generator: it first prepares, yields what it will do, and strikes once it is resumed.

It is resumed while records are being sent, and returns when the fault is over: the system may recover from then on.
"""

import os
import resource
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from random import Random
from typing import Final

import psutil

from services.chaos.models import ModelSwitch
from services.chaos.proxy import Mode
from services.chaos.system import EXTRA, POOLS, System, Worker
from services.common.errors import Fatal, Retriable
from services.common.loop.fault_points import FaultPoint, obeyed_by, order, withdraw
from services.common.topology import FUSER, INTAKE, PIPELINE

STOP_SECONDS: Final = 25.0
"""Within this time a service must have stopped after SIGTERM."""
SHORT_SECONDS: Final = (0.3, 2.5)
SESSION_SECONDS: Final = 6.5
"""A worker that is stopped for longer has lost its partitions when it continues."""
_LATEST_SECONDS: Final = 1.5
_OBEYED_SECONDS: Final = 40.0
_POLL_SECONDS: Final = 0.02
_SERVERS: Final = ("kafka", "seaweedfs", "triton", "postgres")
_POINTS: Final[tuple[FaultPoint, ...]] = ("before_effects", "after_effects", "after_publish", "after_commit")
_ALONE: Final = (INTAKE.name, FUSER.name)
"""Services whose records are handled each alone, which have one more point."""


class Faults:
    """All kinds of faults for one system; `longest_stop` is the longest SIGSTOP of a worker in seconds."""

    def __init__(self, system: System, models: ModelSwitch, *, longest_stop: float) -> None:
        """Prepare; nothing strikes before a kind is chosen."""
        self._system, self._models, self._longest_stop = system, models, longest_stop

    def prepare(self, kind: str, draw: Random) -> tuple[str, Callable[[], None]]:
        """Prepare a fault; returns what it does, and the function that strikes and returns when it is over.

        Equal random states give equal faults. The function raises Retriable if the fault could not strike.
        """
        steps = FAULTS[kind](self, draw)

        def strike() -> None:
            next(steps, None)

        return next(steps), strike

    def none(self, draw: Random) -> Iterator[str]:
        """Nothing happens: the round shows that the comparison holds."""
        yield "undisturbed"

    def kill(self, draw: Random) -> Iterator[str]:
        """`kill -9` of a worker at a random moment."""
        worker, moment = self._worker(draw), draw.uniform(0, _LATEST_SECONDS)
        yield f"{worker[1]} after {moment:.2f} s"
        time.sleep(moment)
        self._signal(worker, signal.SIGKILL, ends=True)

    def kill_at_point(self, draw: Random) -> Iterator[str]:
        """`kill -9` of a worker at a named point of its loop."""
        stage, point = self._point(draw)
        order(self._system.points, stage, point, signal.SIGKILL)
        yield f"{stage} at {point}"
        self._system.expect_exit(self._obeyed(stage, point))

    def term(self, draw: Random) -> Iterator[str]:
        """SIGTERM of a worker at a random moment; it must stop cleanly within 25 s."""
        worker, moment = self._worker(draw), draw.uniform(0, _LATEST_SECONDS)
        yield f"{worker[1]} after {moment:.2f} s"
        time.sleep(moment)
        self._terminate(worker)

    def stop(self, draw: Random) -> Iterator[str]:
        """SIGSTOP of a worker at a random moment, and SIGCONT later."""
        worker, moment, seconds = self._worker(draw), draw.uniform(0, _LATEST_SECONDS), self._stop_seconds(draw)
        yield f"{worker[1]} after {moment:.2f} s for {seconds:.1f} s"
        time.sleep(moment)
        self._signal(worker, signal.SIGSTOP)
        time.sleep(seconds)
        self._signal(worker, signal.SIGCONT)

    def stop_at_point(self, draw: Random) -> Iterator[str]:
        """SIGSTOP of a worker at a named point, until its partitions are another's; then it continues."""
        stage, point = self._point(draw)
        seconds = draw.uniform(SESSION_SECONDS, max(SESSION_SECONDS, min(9.0, self._longest_stop)))
        order(self._system.points, stage, point, signal.SIGSTOP)
        yield f"{stage} at {point} for {seconds:.1f} s"
        pid = self._obeyed(stage, point)
        time.sleep(seconds)
        os.kill(pid, signal.SIGCONT)

    def cut(self, draw: Random) -> Iterator[str]:
        """All connections to a server are reset, and new ones at once."""
        return self._network(draw, "cut", (0.2, 4.0))

    def slow(self, draw: Random) -> Iterator[str]:
        """Everything to and from a server is delayed."""
        return self._network(draw, "slow", (2.0, 5.0))

    def stall(self, draw: Random) -> Iterator[str]:
        """A server accepts connections, and nothing passes."""
        return self._network(draw, "stall", (1.0, 6.0))

    def disk_full(self, draw: Random) -> Iterator[str]:
        """The workers of a service, or the running processes of PostgreSQL, can write to no file."""
        target = draw.choice((*PIPELINE, "postgres"))
        moment, seconds = draw.uniform(0, _LATEST_SECONDS), draw.uniform(0.5, 3.0)
        yield f"{target} after {moment:.2f} s for {seconds:.1f} s"
        time.sleep(moment)
        pids = self._writers(target)
        _limit_files(pids, 0)
        time.sleep(seconds)
        _limit_files(pids, resource.RLIM_INFINITY)

    def rebalance(self, draw: Random) -> Iterator[str]:
        """A third worker of a service joins under load and leaves again."""
        name, seconds = draw.choice(PIPELINE), draw.uniform(*SHORT_SECONDS)
        yield f"{name} for {seconds:.1f} s"
        extra = self._system.pools[EXTRA]
        extra.start([name])
        extra.wait_ready()
        time.sleep(seconds)
        self._terminate((EXTRA, name))

    def promote(self, draw: Random) -> Iterator[str]:
        """Another version of a model is promoted, or that is rolled back."""
        moment = draw.uniform(0, _LATEST_SECONDS)
        yield f"after {moment:.2f} s"
        time.sleep(moment)
        self._models.switch()

    def kill_server(self, draw: Random) -> Iterator[str]:
        """`kill -9` of a server, which is started again."""
        name, moment, seconds = draw.choice(_SERVERS), draw.uniform(0, _LATEST_SECONDS), draw.uniform(0, 2.0)
        yield f"{name} after {moment:.2f} s for {seconds:.1f} s"
        time.sleep(moment)
        self._system.stack.kill(name)
        time.sleep(seconds)
        self._system.stack.start(name)

    def stop_server(self, draw: Random) -> Iterator[str]:
        """SIGSTOP of every process of a server, and SIGCONT later."""
        name, moment, seconds = draw.choice(_SERVERS), draw.uniform(0, _LATEST_SECONDS), draw.uniform(1.0, 6.0)
        yield f"{name} after {moment:.2f} s for {seconds:.1f} s"
        time.sleep(moment)
        pids = [one.pid for one in self._system.stack.servers[name].process.members()]
        _signal_all(pids, signal.SIGSTOP)
        time.sleep(seconds)
        _signal_all(pids, signal.SIGCONT)

    def _network(self, draw: Random, mode: Mode, span: tuple[float, float]) -> Iterator[str]:
        server, moment, seconds = draw.choice(_SERVERS), draw.uniform(0, _LATEST_SECONDS), draw.uniform(*span)
        yield f"{server} after {moment:.2f} s for {seconds:.1f} s"
        time.sleep(moment)
        self._system.proxies.change(server, mode)
        time.sleep(seconds)
        self._system.proxies.change(server, "pass")

    def _worker(self, draw: Random) -> Worker:
        return draw.choice(POOLS), draw.choice(PIPELINE)

    def _point(self, draw: Random) -> tuple[str, FaultPoint]:
        stage = draw.choice(PIPELINE)
        return stage, draw.choice((*_POINTS, "between_effects") if stage in _ALONE else _POINTS)

    def _stop_seconds(self, draw: Random) -> float:
        """Two in three are short; the others last until the worker has lost its partitions."""
        long = draw.random() < 1 / 3
        return draw.uniform(SESSION_SECONDS, self._longest_stop) if long else draw.uniform(*SHORT_SECONDS)

    def _obeyed(self, stage: str, point: FaultPoint) -> int:
        deadline = time.monotonic() + _OBEYED_SECONDS
        while (pid := obeyed_by(self._system.points, stage, point)) is None:
            if time.monotonic() > deadline:
                withdraw(self._system.points, stage, point)
                msg = f"no worker of {stage} reached {point} within {_OBEYED_SECONDS:.0f} s"
                raise Retriable(msg)
            time.sleep(_POLL_SECONDS)
        return pid

    def _signal(self, worker: Worker, number: signal.Signals, *, ends: bool = False) -> None:
        pid = self._system.pid(worker)
        if ends:
            self._system.expect_exit(pid)
        os.kill(pid, number)

    def _terminate(self, worker: Worker) -> None:
        """Send SIGTERM; raises Fatal unless the worker then stops with exit code 0 within 25 s."""
        self._signal(worker, signal.SIGTERM, ends=True)
        processes, name = self._system.pools[worker[0]], worker[1]
        deadline = time.monotonic() + STOP_SECONDS
        while processes.alive(name):
            if time.monotonic() > deadline:
                processes.kill(name)
                msg = f"{name} had not stopped {STOP_SECONDS:.0f} s after SIGTERM"
                raise Fatal(msg)
            time.sleep(_POLL_SECONDS)
        if code := processes.exit_code(name):
            msg = f"{name} exited with {code} after SIGTERM; its log ends:\n{processes.log_tail(name)}"
            raise Fatal(msg)

    def _writers(self, target: str) -> list[int]:
        if target in PIPELINE:
            return [self._system.pid((pool, target)) for pool in POOLS]
        # Not the first process: new ones inherit its limits.
        server = self._system.stack.servers[target].process
        return [one.pid for one in server.members() if one.pid != server.pid()]


def _limit_files(pids: list[int], size: int) -> None:
    """Let these processes write to no file at or beyond `size` bytes."""
    for pid in pids:
        try:
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
        except ProcessLookupError:
            continue
        except PermissionError:  # a process of another user, in a container without CAP_SYS_RESOURCE
            _limit_as_its_user(pid, size)


def _limit_as_its_user(pid: int, size: int) -> None:
    limit = "unlimited" if size == resource.RLIM_INFINITY else str(size)
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        subprocess.run(  # noqa: S603 - the arguments are numbers
            ["prlimit", f"--pid={pid}", f"--fsize={limit}:unlimited"],  # noqa: S607 - part of util-linux
            user=process.uids().real,
            group=process.gids().real,
            extra_groups=[],
            capture_output=True,
            check=False,  # it may have ended meanwhile
        )


def _signal_all(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue


FAULTS: Final[Mapping[str, Callable[[Faults, Random], Iterator[str]]]] = {
    "none": Faults.none,
    "kill": Faults.kill,
    "kill at point": Faults.kill_at_point,
    "term": Faults.term,
    "stop": Faults.stop,
    "stop at point": Faults.stop_at_point,
    "cut": Faults.cut,
    "slow": Faults.slow,
    "stall": Faults.stall,
    "disk full": Faults.disk_full,
    "rebalance": Faults.rebalance,
    "promote": Faults.promote,
    "kill server": Faults.kill_server,
    "stop server": Faults.stop_server,
}
_WEIGHTS: Final = {
    "none": 1,
    "kill": 4,
    "kill at point": 6,
    "term": 3,
    "stop": 3,
    "stop at point": 4,
    "cut": 4,
    "slow": 3,
    "stall": 3,
    "disk full": 2,
    "rebalance": 2,
    "promote": 2,
    "kill server": 2,
    "stop server": 2,
}


def kind_of(seed: int, number: int) -> str:
    """Return the kind of fault of a round. Of every 41 consecutive ones from 0 on, each kind has its share."""
    deck = [kind for kind, count in _WEIGHTS.items() for _ in range(count)]
    turn, place = divmod(number, len(deck))
    Random(f"faults {seed} {turn}").shuffle(deck)  # noqa: S311 - must repeat
    return deck[place]
