import socket
import struct
import subprocess
import sys
import threading

import pytest
import structlog

from services.common import health, http
from services.common.http import Health


def test_a_ready_service_has_no_problem() -> None:
    with http.serve("127.0.0.1", 0, Health(live=lambda: True, not_ready=lambda: None)) as port:
        assert health.problem(f"http://127.0.0.1:{port}/health/ready") is None


def test_the_reason_of_a_service_that_is_not_ready_is_passed_on() -> None:
    with http.serve("127.0.0.1", 0, Health(live=lambda: True, not_ready=lambda: "no broker")) as port:
        found = health.problem(f"http://127.0.0.1:{port}/health/ready")
    assert found is not None
    assert "503" in found
    assert "no broker" in found


def test_a_probe_that_leaves_before_its_answer_leaves_no_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    asked, left = threading.Event(), threading.Event()

    def not_ready() -> None:
        asked.set()
        left.wait(10)

    with http.serve("127.0.0.1", 0, Health(live=lambda: True, not_ready=not_ready)) as port:
        probe = socket.create_connection(("127.0.0.1", port))
        probe.sendall(b"GET /health/ready HTTP/1.0\r\n\r\n")
        assert asked.wait(10)
        # Closed with a reset: what is written to it then is a broken pipe.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        probe.close()
        left.set()
    captured = capsys.readouterr()
    assert "Traceback" not in captured.out + captured.err


def test_an_answer_that_fails_is_logged_as_an_event() -> None:
    def broken() -> bool:
        msg = "no such thread"
        raise RuntimeError(msg)

    with (
        structlog.testing.capture_logs() as logs,
        http.serve("127.0.0.1", 0, Health(live=broken, not_ready=lambda: None)) as port,
    ):
        assert health.problem(f"http://127.0.0.1:{port}/health/live") is not None
    assert [(entry["event"], repr(entry["exc_info"])) for entry in logs] == [
        ("could not answer", "RuntimeError('no such thread')")
    ]


def test_nobody_listens() -> None:
    with http.serve("127.0.0.1", 0, Health(live=lambda: True, not_ready=lambda: None)) as port:
        pass
    found = health.problem(f"http://127.0.0.1:{port}/health/live")
    assert found is not None
    assert "refused" in found


def test_a_service_that_hangs_is_a_problem_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        found = health.problem(f"http://127.0.0.1:{silent.getsockname()[1]}/health/live", timeout=0.2)
    assert found is not None
    assert "timed out" in found


@pytest.mark.parametrize("url", ["https://127.0.0.1/health", "127.0.0.1:9100", "http:///health"])
def test_an_address_without_http_is_refused(url: str) -> None:
    assert health.problem(url) == f"{url} is not http://host:port/path"


def test_as_a_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with http.serve("127.0.0.1", 0, Health(live=lambda: True, not_ready=lambda: "no broker")) as port:
        assert _run(f"http://127.0.0.1:{port}/health/live").returncode == 0
        not_ready = _run(f"http://127.0.0.1:{port}/health/ready")
    assert not_ready.returncode == 1
    assert b"no broker" in not_ready.stderr
    assert _run().returncode == 2


def _run(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "services.common.health", *arguments], capture_output=True, check=False
    )
