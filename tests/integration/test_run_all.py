"""`xray run all`: six services under one command."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from deploy.local.stack import Stack
from services.common.settings import settings_of
from services.operations.provisioning import prepare

pytestmark = pytest.mark.integration


def test_all_services_run_are_started_again_and_stop_cleanly(stack: Stack, tmp_path: Path) -> None:
    list(prepare(settings_of(stack.environment())))
    said = tmp_path / "said"
    command = [sys.executable, "-m", "services.cli.main", "run", "all", "--logs", str(tmp_path / "logs")]
    with said.open("w") as output:
        environment = os.environ | stack.environment() | {"XRAY_MONITOR_FOLDER": str(tmp_path / "tables")}
        process = subprocess.Popen(command, env=environment, stderr=output, start_new_session=True)
    try:
        wait_for("All services are ready", said, process)
        child_of(process, "intake").kill()
        wait_for("intake stopped unexpectedly and was restarted", said, process)
        process.send_signal(signal.SIGINT)
        assert process.wait(40) == 0
    finally:
        process.kill()
        process.wait()
    assert not [child for child in psutil.process_iter(["cmdline"]) if str(tmp_path) in (child.info["cmdline"] or [])]


def wait_for(words: str, said: Path, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while words not in " ".join(said.read_text().split()):
        assert process.poll() is None, said.read_text()
        assert time.monotonic() < deadline, said.read_text()
        time.sleep(0.1)


def child_of(process: subprocess.Popen[bytes], service: str) -> psutil.Process:
    children = psutil.Process(process.pid).children(recursive=True)
    return next(child for child in children if child.cmdline()[-2:] == ["run", service])
