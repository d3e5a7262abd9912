"""Decoder processes: the same result as in this process, limits that hold, and children that do not outlive intake."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from prometheus_client import REGISTRY

from services.common.errors import Rejected, Retriable
from services.intake.decode import decode
from services.intake.decoder import process
from services.intake.decoder.process import DecoderPool
from services.intake.raster import Raster
from services.intake.settings import Limits
from tests.intake.files import LIMITS, dicom, encoded, exposure, grey
from tests.intake.hostile import dicom_with_empty_items
from tests.intake.samples import SAMPLES

GOOD = encoded(grey(exposure(), 16), ".png")
SLOW = dicom_with_empty_items(3_000_000)
"""Takes about 20 s and 1 GB if nothing counts its items."""
UNCOUNTED = {"most_dicom_elements": 10**8}
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="macOS does not enforce it")


@contextmanager
def pool_of(size: int = 1, **limits: Any) -> Iterator[DecoderPool]:
    with closing(DecoderPool("test", LIMITS.model_copy(update=limits), size)) as pool:
        yield pool


@pytest.fixture(scope="module")
def pool() -> Iterator[DecoderPool]:
    with pool_of(least_side=32) as pool:
        yield pool


def pid(pool: DecoderPool) -> int:
    child = pool._all[0]._child
    assert child is not None
    return child.pid


class InProcess:
    def decode(self, data: bytes) -> Raster:
        return decode(data, LIMITS.model_copy(update={"least_side": 32}))


def outcome(data: bytes, pool: DecoderPool | InProcess) -> Raster | Rejected:
    try:
        return pool.decode(data)
    except Rejected as rejected:
        return rejected


def refusal(data: bytes, pool: DecoderPool) -> Rejected:
    result = outcome(data, pool)
    assert isinstance(result, Rejected)
    return result


def lost(cause: str) -> float:
    return REGISTRY.get_sample_value("xray_decoders_lost_total", {"stage": "test", "cause": cause}) or 0.0


def alive(number: int) -> bool:
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def gone(number: int, seconds: float = 10.0) -> bool:
    end = time.monotonic() + seconds
    while alive(number) and time.monotonic() < end:
        time.sleep(0.05)
    return not alive(number)


@pytest.mark.parametrize("name", SAMPLES)
def test_a_child_gives_what_this_process_gives(pool: DecoderPool, name: str) -> None:
    data = SAMPLES[name]
    result, expected = outcome(data, pool), outcome(data, InProcess())
    if isinstance(expected, Rejected):
        assert isinstance(result, Rejected)
        assert (result.reason, result.message, result.details) == (expected.reason, expected.message, expected.details)
        return
    assert isinstance(result, Raster)
    assert np.array_equal(result.pixels, expected.pixels)
    assert result.pixels.dtype == expected.pixels.dtype
    assert (result.stored_range, result.facts) == (expected.stored_range, expected.facts)


def test_one_child_decodes_many_images(pool: DecoderPool) -> None:
    pool.decode(GOOD)
    first = pid(pool)
    for _ in range(3):
        pool.decode(GOOD)
        refusal(b"no picture", pool)
    assert pid(pool) == first


def test_too_much_processor_time_kills_the_child_and_the_next_image_has_another() -> None:
    before = lost("cpu_seconds")
    with pool_of(decoder_cpu_seconds=1.0, **UNCOUNTED) as pool:
        pool.decode(GOOD)
        first, started = pid(pool), time.monotonic()
        rejected = refusal(SLOW, pool)
        assert time.monotonic() - started < LIMITS.decoder_seconds
        assert rejected.reason == "decoder_limit"
        assert (rejected.details["limit"], rejected.details["allowed"]) == ("cpu_seconds", 1.0)
        assert 0.9 < rejected.details["measured"] < 3
        assert not alive(first)
        pool.decode(GOOD)
    assert lost("cpu_seconds") == before + 1


@LINUX
def test_too_much_memory_ends_the_child() -> None:
    with pool_of(decoder_memory_mb=64, **UNCOUNTED) as pool:
        rejected = refusal(SLOW, pool)
        assert rejected.reason == "decoder_limit"
        assert rejected.details == {"limit": "memory_mb", "allowed": 64.0}
        assert rejected.message == "decoding the image takes more than 64 MB of memory"
        pool.decode(GOOD)


def test_an_image_whose_time_is_over_gets_one_more_child_and_then_a_rejection() -> None:
    before = lost("seconds")
    with pool_of(decoder_seconds=0.5, decoder_cpu_seconds=30.0, **UNCOUNTED) as pool:
        pool.start()
        rejected = refusal(SLOW, pool)
        assert rejected.reason == "decoder_limit"
        assert (rejected.details["limit"], rejected.details["allowed"]) == ("seconds", 0.5)
        pool.decode(encoded(grey(exposure(side=200)), ".png"))
    assert lost("seconds") == before + 2


def test_a_child_that_stands_still_does_not_cost_a_good_image() -> None:
    with pool_of(decoder_seconds=2.0) as pool:
        pool.start()
        stopped = pid(pool)
        os.kill(stopped, signal.SIGSTOP)
        assert isinstance(pool.decode(GOOD), Raster)
        assert pid(pool) != stopped
        assert not alive(stopped)


def test_a_child_killed_from_outside_does_not_cost_a_good_image() -> None:
    before = lost("killed")
    with pool_of() as pool:
        pool.start()
        os.kill(pid(pool), signal.SIGSTOP)
        threading.Timer(0.3, os.kill, (pid(pool), signal.SIGKILL)).start()
        assert isinstance(pool.decode(GOOD), Raster)
        os.kill(pid(pool), signal.SIGKILL)
        time.sleep(0.2)
        assert isinstance(pool.decode(GOOD), Raster), "dead before the request: nothing is lost"
    assert lost("killed") == before + 1


def crash(stopped: int, number: int) -> None:
    os.kill(stopped, number)
    os.kill(stopped, signal.SIGCONT)


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT])
def test_a_crash_is_a_rejection(number: int) -> None:
    before = lost("crashed")
    with pool_of() as pool:
        pool.start()
        os.kill(pid(pool), signal.SIGSTOP)
        threading.Timer(0.3, crash, (pid(pool), number)).start()
        rejected = refusal(GOOD, pool)
        assert rejected.reason == "decoder_crashed"
        assert rejected.details == {"ended_with": signal.Signals(number).name}
        assert isinstance(pool.decode(GOOD), Raster)
    assert lost("crashed") == before + 1


def test_images_next_to_a_hostile_one_are_not_delayed() -> None:
    with pool_of(2, decoder_cpu_seconds=3.0, **UNCOUNTED) as pool:
        pool.start()
        hostile = threading.Thread(target=refusal, args=(SLOW, pool))
        hostile.start()
        for _ in range(5):
            pool.decode(GOOD)
        assert hostile.is_alive(), "five images were decoded while the hostile one ran"
        hostile.join()


def test_a_stop_does_not_wait_for_an_image(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_STOP_SECONDS", 0.5)
    with pool_of(**UNCOUNTED) as pool:
        pool.start()
        threading.Timer(0.2, pool.interrupt).start()
        started = time.monotonic()
        with pytest.raises(Retriable, match="asked to stop"):
            pool.decode(SLOW)
        assert time.monotonic() - started < 5


def test_a_child_that_does_not_start_is_retriable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_WORKER", "services.intake.no_such_module")
    with pool_of() as pool, pytest.raises(Retriable, match="does not start"):
        pool.decode(GOOD)


SPY = """
import os, sys
from services.intake.decoder import worker

def decode(data, limits):
    found = {"environment": sorted(os.environ)}
    for name, action in ACTIONS.items():
        try:
            action()
            found[name] = "allowed"
        except BaseException as error:
            found[name] = type(error).__name__
    raise worker.Rejected("image_corrupt", "spied", **found)

import signal, socket, subprocess
ACTIONS = {
    "network": lambda: socket.create_connection(("127.0.0.1", PORT), 1),
    "socket": lambda: socket.socket(),
    "file": lambda: open("/etc/passwd"),
    "environ_of_parent": lambda: open(f"/proc/{os.getppid()}/environ", "rb"),
    "write": lambda: open("/tmp/xray-decoder-spy", "w"),
    "program": lambda: subprocess.run(["/bin/true"]),
    "fork": lambda: os._exit(0) if os.fork() == 0 else None,
    "signal": lambda: os.kill(os.getppid(), 0),
}
worker.decode = decode
worker.main()
"""


@LINUX
def test_a_child_has_no_credentials_no_files_and_no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The child's program is replaced by one that tries what a file in control of it would try."""
    monkeypatch.setenv("XRAY_S3_SECRET_KEY", "secret")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("XRAY_POSTGRES_DSN", "postgresql://secret")
    with socket.create_server(("127.0.0.1", 0)) as server:
        (tmp_path / "spy.py").write_text(SPY.replace("PORT", str(server.getsockname()[1])))
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.setattr(process, "_WORKER", "spy")
        with pool_of() as pool:
            details = refusal(GOOD, pool).details
            assert {path.name for path in Path(f"/proc/{pid(pool)}/fd").iterdir()} == {"0", "1", "2"}
    assert not [name for name in details["environment"] if name.startswith(("XRAY_", "AWS_", "PG"))]
    assert {action for name, action in details.items() if name != "environment"} == {"PermissionError"}, details


LIAR = """
import json, socket, sys
from services.intake.decoder.protocol import HEADER
connection = socket.socket(fileno=0)
def say(text, more=b""):
    connection.sendall(HEADER.pack(len(text)) + text + more)
say(b'{"memory": true, "system_calls": true}')
connection.recv(8)
LIE
connection.recv(1 << 30, socket.MSG_WAITALL)
"""
RASTER = '{"cpu_seconds": 0, "raster": {"rows": %s, "columns": %s, "dtype": "uint8", "stored_range": %s, "facts": {}}}'


@pytest.mark.parametrize(
    "lie",
    [
        "say(b'no json')",
        "connection.sendall(b'\\xff' * 100)",
        'say(b\'{"cpu_seconds": 0, "rejected": {"reason": "made_up", "message": "", "details": {}}}\')',
        f"say({(RASTER % (100_000, 100_000, 0.5)).encode()!r})",
        f"say({(RASTER % (1, 1, 0.5)).encode()!r}, b'x')",
        f"say({(RASTER % (200, 200, 'NaN')).encode()!r})",
        f"say({(RASTER % (200, 200, 0.5)).encode()!r}, b'x' * 100); sys.exit(4)",
        "sys.exit(4)",
    ],
)
def test_what_a_child_says_is_not_trusted(lie: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "liar.py").write_text(LIAR.replace("LIE", lie))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(process, "_WORKER", "liar")
    with pool_of() as pool:
        assert refusal(dicom(np.zeros((100, 100), np.uint8), bits=8), pool).reason == "decoder_crashed"


PARENT = """
import sys, threading
from services.intake.decoder.process import DecoderPool
from services.intake.settings import Limits
pool = DecoderPool("test", Limits(most_dicom_elements=10**8, decoder_cpu_seconds=100, decoder_seconds=100), 2)
pool.start()
print(*[one._child.pid for one in pool._all], flush=True)
pool.decode(open(sys.argv[1], "rb").read())
"""


@LINUX
def test_children_die_with_their_parent(tmp_path: Path) -> None:
    """One child decodes, the other one waits, and intake is killed with a signal that it cannot handle."""
    (tmp_path / "slow.dcm").write_bytes(SLOW)
    command = [sys.executable, "-c", PARENT, str(tmp_path / "slow.dcm")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as parent:
        assert parent.stdout is not None
        children = [int(number) for number in parent.stdout.readline().split()]
        assert len(children) == 2
        assert all(map(alive, children))
        time.sleep(0.3)
        parent.kill()
    assert all(map(gone, children))


def test_ctrl_c_and_sigterm_are_left_to_the_parent(pool: DecoderPool) -> None:
    pool.decode(GOOD)
    first = pid(pool)
    for number in (signal.SIGINT, signal.SIGTERM):
        os.kill(first, number)
    pool.decode(GOOD)
    assert pid(pool) == first
    assert os.getsid(first) != os.getsid(0)


def test_limits_are_passed_on(pool: DecoderPool) -> None:
    small = encoded(grey(exposure(side=200)), ".png")
    assert isinstance(pool.decode(small), Raster)
    with pool_of(least_side=300) as strict:
        assert refusal(small, strict).reason == "image_too_small"
    assert Limits().decoder_memory_mb == LIMITS.decoder_memory_mb
