"""Starting a server: a real child process that works, dies, hangs or starts late."""

import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from deploy.local.errors import StackError
from deploy.local.folder import StackFolder
from deploy.local.locks import locked
from deploy.local.process import Launch
from deploy.local.servers.base import NotReady, Server, plain_environment
from deploy.local.start import start, stop
from deploy.local.task import Cancelled, Task
from services.common.ports import is_listening

LISTEN = """
import socket, sys
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    listener.accept()[0].close()
"""


class Child(Server):
    """A server whose program is a line of Python."""

    name = "child"
    title = "Child"
    port_names = ("only",)
    programs = frozenset({Path(sys.executable).resolve().name})
    ready_within_s: ClassVar[float] = 20.0
    script = LISTEN

    def prepare(self, task: Task) -> Launch:
        self.home.mkdir(exist_ok=True)
        command = (sys.executable, "-c", self.script, str(self.ports["only"]))
        return Launch(command, plain_environment(), self.home)

    def check(self) -> None:
        if not is_listening(self.ports["only"]):
            raise NotReady("nothing listens")

    def credentials(self, principal: str) -> dict[str, str]:
        return {}

    def environment(self) -> dict[str, str]:
        return {"CHILD": str(self.ports["only"])}


@pytest.fixture
def child(tmp_path: Path) -> Iterator[Child]:
    folder = StackFolder(tmp_path / "stack")
    folder.create()
    server = Child(folder)
    yield server
    stop(server)


def run(server: Child, cancelled: threading.Event | None = None) -> tuple[bool, list[str]]:
    messages: list[str] = []
    with locked(server.folder.lock(server.name), 5, waiting=lambda: None) as lock:
        task = Task(
            server.name, server.log, lock, cancelled or threading.Event(), lambda _, message: messages.append(message)
        )
        return start(server, task), messages


def test_it_is_started_once_and_left_alone_when_it_works(child: Child) -> None:
    started, messages = run(child)
    assert started
    assert messages[-1].startswith("ready in ")
    pid = child.process.pid()
    assert run(child) == (False, ["already running"])
    assert child.process.pid() == pid
    stop(child)
    assert child.process.pid() is None


def test_a_server_that_dies_is_an_error_with_the_end_of_its_log(child: Child) -> None:
    child.script = "import sys; print('no colour today'); sys.exit(4)"
    with pytest.raises(StackError) as caught:
        run(child)
    assert str(caught.value) == (
        "child: Child exited with code 4 while starting\n"
        "last lines of its log:\n  | no colour today\n"
        f"remedy: read the whole log: {child.log}"
    )


def test_one_that_starts_late_is_stopped_and_reported(child: Child, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Child, "ready_within_s", 0.4)
    child.script = "import time; time.sleep(60)"
    with pytest.raises(StackError, match=r"did not work within 0 s \(nothing listens\)"):
        run(child)
    assert child.process.pid() is None


def test_one_that_hangs_is_restarted(child: Child, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deploy.local.start._HUNG_AFTER_S", 0.5)
    child.script = "import time; time.sleep(60)"
    monkeypatch.setattr(Child, "check", lambda _: None)
    run(child)
    hung = child.process.pid()
    monkeypatch.undo()
    monkeypatch.setattr("deploy.local.start._HUNG_AFTER_S", 0.5)
    child.script = LISTEN
    started, messages = run(child)
    assert started
    assert messages[0] == "running but not working, restarting"
    assert child.process.pid() not in {None, hung}


def test_a_port_that_another_process_took_is_changed(child: Child) -> None:
    run(child)
    before = child.ports["only"]
    stop(child)
    other = Child(StackFolder(child.folder.root))
    with socket.create_server(("127.0.0.1", before)):
        run(other)
    assert other.ports["only"] != before


def test_an_interrupted_start_leaves_nothing(child: Child) -> None:
    child.script = "import time; time.sleep(60)"
    cancelled = threading.Event()
    threading.Timer(0.5, cancelled.set).start()
    began = time.monotonic()
    with pytest.raises(Cancelled):
        run(child, cancelled)
    assert time.monotonic() - began < 5
    assert child.process.pid() is None


def test_a_tool_that_fails_or_hangs_is_an_error_and_leaves_nothing(child: Child) -> None:
    with locked(child.folder.lock(child.name), 5, waiting=lambda: None) as lock:
        task = Task(child.name, child.log, lock, threading.Event(), lambda *_: None)
        with pytest.raises(StackError, match=r"python.* failed with exit code 7") as caught:
            task.run([sys.executable, "-c", "print(input()); raise SystemExit(7)"], timeout_s=20, stdin="a cat")
        assert caught.value.last_lines == ("a cat",)
        with pytest.raises(StackError, match="sleep did not finish within 0 s"):
            task.run(["sleep", "60"], timeout_s=0.3)
        with pytest.raises(StackError, match="no-such-tool failed with exit code 1"):
            task.run(["no-such-tool"], timeout_s=20)


def test_stop_uses_the_servers_own_signal(child: Child, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Child, "stop_signal", signal.SIGINT)
    run(child)
    began = time.monotonic()
    stop(child)
    assert time.monotonic() - began < 5
    assert "KeyboardInterrupt" in child.log.read_text(encoding="utf-8")
