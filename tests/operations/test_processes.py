"""The supervisor of the services, with a small real program instead of each service."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from services.common import ports
from services.common.errors import Fatal, Retriable
from services.operations.processes import Processes

PROGRAM = """
import http.server, os, signal, sys, threading
class Health(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/health/ready" else 404); self.end_headers()
    def log_message(self, *_): pass
name = sys.argv[-1]
print("service", name, os.environ["GREETING"], flush=True)
if name == "misconfigured":
    print("XRAY_NONSENSE is wrong", flush=True)
    sys.exit(2)
if name == "deaf":
    threading.Event().wait()
server = http.server.HTTPServer(("127.0.0.1", int(os.environ["XRAY_HTTP_PORT"])), Health)
signal.signal(signal.SIGTERM, lambda *_: (print("ended cleanly", flush=True), os._exit(0)))
server.serve_forever()
"""


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put another `services.cli.main` first on the children's path."""
    package = tmp_path / "path" / "services" / "cli"
    package.mkdir(parents=True)
    (package / "main.py").write_text(PROGRAM)
    for folder in (package.parent, package):
        (folder / "__init__.py").touch()
    monkeypatch.chdir(tmp_path / "path")
    return tmp_path / "logs"


def test_starts_all_and_ends_them_cleanly(program: Path) -> None:
    with Processes(["intake", "sink"], {"GREETING": "hello"}, program) as processes:
        processes.wait_ready(20)
        pids = [processes.pid(name) for name in ("intake", "sink")]
        listening = [processes.port(name) for name in ("intake", "sink")]
        assert len(set(listening)) == 2
        assert all(ports.LOWEST <= port <= ports.HIGHEST for port in listening)
        assert all(psutil.pid_exists(pid) for pid in pids)
    assert not any(psutil.pid_exists(pid) for pid in pids)
    assert (program / "sink.log").read_text() == "service sink hello\nended cleanly\n"


def test_kill_is_abrupt_and_the_service_can_be_restarted(program: Path) -> None:
    with Processes(["intake"], {"GREETING": "hello"}, program) as processes:
        processes.wait_ready(20)
        first = processes.pid("intake")
        processes.kill("intake")
        assert not processes.alive("intake")
        assert processes.restart_crashed() == ["intake"]
        assert processes.restart_crashed() == []
        processes.wait_ready(20)
        assert processes.pid("intake") != first
    assert (program / "intake.log").read_text().count("ended cleanly") == 1


def test_restart_replaces_the_process(program: Path) -> None:
    with Processes(["intake"], {"GREETING": "hello"}, program) as processes:
        processes.wait_ready(20)
        first = processes.pid("intake")
        processes.restart("intake")
        processes.wait_ready(20)
        assert processes.pid("intake") != first


def test_a_misconfigured_service_is_not_started_again_and_its_log_is_shown(program: Path) -> None:
    with (
        pytest.raises(Fatal, match=r"misconfigured refused to start(.|\n)*XRAY_NONSENSE is wrong"),
        Processes(["misconfigured"], {"GREETING": "hello"}, program) as processes,
    ):
        processes.wait_ready(20)


def test_a_service_that_never_gets_ready_is_named(program: Path) -> None:
    with (
        pytest.raises(Retriable, match=r"deaf is not ready after 1 s(.|\n)*service deaf hello"),
        Processes(["deaf"], {"GREETING": "hello"}, program) as processes,
    ):
        processes.wait_ready(1)


def test_children_die_with_a_parent_that_is_killed(program: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path; from services.operations.processes import Processes\n"
        "with Processes(['intake'], {'GREETING': 'hello'}, Path(sys.argv[1])) as processes:\n"
        "    processes.wait_ready(20); print(processes.pid('intake'), flush=True); time.sleep(60)\n"
    )
    clone = Path(__file__).resolve().parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", f"import sys; sys.path[0] = {str(clone)!r}\n{script}", str(program)],
        stdout=subprocess.PIPE,
        text=True,
    ) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        os.kill(parent.pid, signal.SIGKILL)
        parent.wait()
        deadline = time.monotonic() + 5
        while child.is_running() and child.status() != psutil.STATUS_ZOMBIE:
            assert time.monotonic() < deadline, "the child outlived its parent"
            time.sleep(0.02)
