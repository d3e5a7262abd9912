import errno
import json
import os
import signal
import socket
import threading
import urllib.error
import urllib.request
from types import SimpleNamespace
from typing import cast

import pytest

from services.common import logs, process
from services.common.errors import Fatal
from services.common.events import Event
from services.common.http import Health, serve
from services.common.loop.handler import Handler, Interruptible
from services.common.process import _stop_on_signal as stop_on_signal
from services.common.settings import ServiceSettings, load


def get(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}") as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_health_and_metrics_answer() -> None:
    with serve("127.0.0.1", 0, Health(live=lambda: True, not_ready=lambda: "store away")) as port:
        assert get(port, "/health/live")[0] == 200
        status, body = get(port, "/health/ready")
        assert (status, json.loads(body)) == (503, {"ready": False, "why": "store away"})
        assert "xray_records_received_total" in get(port, "/metrics")[1]
        assert get(port, "/else")[0] == 404


class Slow:
    """A handler that is asked to give up its batch."""

    interrupted = False

    def interrupt(self) -> None:
        self.interrupted = True


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_the_loop_and_interrupts_a_long_batch(number: int) -> None:
    before = {one: signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGINT)}
    handler = Slow()
    try:
        stop = stop_on_signal(cast("Handler[Event]", handler))
        os.kill(os.getpid(), number)
        assert stop.wait(5)
    finally:
        for one, action in before.items():
            signal.signal(one, action)
    assert handler.interrupted
    assert isinstance(handler, Interruptible)


def test_an_error_of_the_running_service_is_not_reported_as_a_port_that_is_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Exit code 2 stands for a misconfiguration, after which no supervisor starts the service again."""
    full = OSError(errno.ENOSPC, "No space left on device")
    monkeypatch.setattr(process._Runner, "run", lambda _: (_ for _ in ()).throw(full))
    monkeypatch.setattr(process, "_stop_on_signal", lambda _: threading.Event())
    monkeypatch.setattr(logs, "configure", lambda *_: None)
    handler = cast("Handler[Event]", SimpleNamespace(topics=SimpleNamespace(name="test")))
    with pytest.raises(OSError, match="No space left"):
        process.run_service(handler, ServiceSettings())
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert process.run_service(handler, ServiceSettings(http_port=taken.getsockname()[1])) == process.EXIT_FATAL


def test_a_wrong_setting_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XRAY_BATCH_SIZE", "many")
    with pytest.raises(Fatal, match="XRAY_BATCH_SIZE"):
        load(ServiceSettings)
