"""Real processes are started, recognised, stopped and killed with their children, never confused with others."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from deploy.local.launch import boot_id, start_ticks
from deploy.local.locks import locked
from deploy.local.process import Launch, ServerProcess

PYTHON = Path(sys.executable).resolve()
FAMILY = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print("child", child.pid, flush=True)
time.sleep(60)
"""
HANDLE_SIGTERM = """
import signal, time
signal.signal(signal.SIGTERM, {handler})
print("up", flush=True)
time.sleep(60)
"""


@pytest.fixture
def process(tmp_path: Path) -> Iterator[ServerProcess]:
    (tmp_path / "home").mkdir()
    made = ServerProcess(tmp_path / "server.pid", tmp_path / "home", frozenset({PYTHON.name, "sleep"}))
    yield made
    made.kill()


def spawn(process: ServerProcess, *command: str) -> None:
    folder = process.pid_file.parent
    launch = Launch(command, {"PATH": os.environ["PATH"]}, process.directory)
    with locked(folder / "server.lock", 5, waiting=lambda: None) as lock:
        process.spawn(launch, folder / "server.log", lock)


def wait_for(condition: Callable[[], object], seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.02)


def alive(pid: int) -> bool:
    return start_ticks(pid) is not None


def test_a_server_writes_its_own_pid_and_is_identified_by_it(process: ServerProcess) -> None:
    assert process.pid() is None
    spawn(process, "sleep", "60")
    pid = process.pid()
    assert pid is not None
    wait_for(lambda: psutil.Process(pid).name() == "sleep")
    # Another supervisor, which did not start it, finds the same.
    assert ServerProcess(process.pid_file, process.directory, process.programs).pid() == pid


def test_the_server_does_not_keep_the_lock(process: ServerProcess) -> None:
    spawn(process, "sleep", "60")
    with locked(process.pid_file.with_name("server.lock"), 1, waiting=lambda: None):
        assert process.pid() is not None


def test_a_recycled_pid_is_never_mistaken_for_the_server_nor_killed(process: ServerProcess) -> None:
    with subprocess.Popen(["sleep", "60"]) as stranger:
        ticks = start_ticks(stranger.pid)
        assert ticks is not None
        for identity in (f"{stranger.pid} {ticks + 1} {boot_id()}", f"{stranger.pid} {ticks} another-boot", "nonsense"):
            process.pid_file.write_text(identity + "\n", encoding="ascii")
            assert process.pid() is None
            process.kill()
            assert stranger.poll() is None
        stranger.kill()


def test_stop_lets_it_exit_within_its_grace_period(process: ServerProcess) -> None:
    spawn(process, str(PYTHON), "-c", HANDLE_SIGTERM.format(handler="lambda *_: exit(0)"))
    log = process.pid_file.with_name("server.log")
    wait_for(lambda: "up" in log.read_text(encoding="utf-8"))
    began = time.monotonic()
    process.stop(signal.SIGTERM, grace_s=10)
    assert time.monotonic() - began < 5
    assert process.pid() is None


def test_stop_kills_what_ignores_the_signal(process: ServerProcess) -> None:
    spawn(process, str(PYTHON), "-c", HANDLE_SIGTERM.format(handler="signal.SIG_IGN"))
    log = process.pid_file.with_name("server.log")
    wait_for(lambda: "up" in log.read_text(encoding="utf-8"))
    process.stop(signal.SIGTERM, grace_s=0.3)
    assert process.pid() is None


def test_kill_also_kills_children(process: ServerProcess) -> None:
    spawn(process, str(PYTHON), "-c", FAMILY)
    child = child_of(process)
    process.kill()
    assert process.pid() is None
    assert not alive(child)


def test_kill_finds_the_orphans_of_a_server_that_died_before(process: ServerProcess) -> None:
    spawn(process, str(PYTHON), "-c", FAMILY)
    child, pid = child_of(process), process.pid()
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: process.pid() is None)
    assert alive(child)
    process.kill()
    assert not alive(child)


def test_the_same_program_in_another_folder_is_not_an_orphan(process: ServerProcess, tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "60"], cwd=tmp_path) as stranger:
        process.kill()
        assert stranger.poll() is None
        stranger.kill()


def test_the_exit_of_a_server_is_described(process: ServerProcess) -> None:
    assert process.exit_message() == "exited"
    spawn(process, str(PYTHON), "-c", "raise SystemExit(3)")
    wait_for(lambda: process.pid() is None)
    assert process.exit_message() == "exited with code 3"
    spawn(process, "sleep", "60")
    os.kill(process.pid() or 0, signal.SIGSEGV)
    wait_for(lambda: process.pid() is None)
    assert process.exit_message() == "was killed by signal SIGSEGV"


def test_a_missing_program_is_reported_in_the_log(process: ServerProcess) -> None:
    spawn(process, "no-such-server")
    wait_for(lambda: process.pid() is None)
    assert process.exit_message() == "exited with code 127"
    log = process.pid_file.with_name("server.log").read_text(encoding="utf-8")
    assert log == "cannot run no-such-server: No such file or directory\n"


def child_of(process: ServerProcess) -> int:
    log = process.pid_file.with_name("server.log")
    wait_for(lambda: "child" in log.read_text(encoding="utf-8"))
    return int(log.read_text(encoding="utf-8").split()[1])
