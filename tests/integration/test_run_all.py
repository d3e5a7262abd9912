"""`xray run all`: six services started by one command."""

import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import psutil
import pytest

from deploy.local.stack import Stack
from services.common.ports import choose
from services.common.settings import settings_of
from services.operations.provisioning import prepare

pytestmark = pytest.mark.integration


def test_all_services_run_are_started_again_and_stop_cleanly(stack: Stack, tmp_path: Path) -> None:
    list(prepare(settings_of(stack.environment())))
    log_file = tmp_path / "log_file"
    command = [sys.executable, "-m", "services.cli.main", "run", "all", "--logs", str(tmp_path / "logs")]
    with log_file.open("w") as output:
        environment = os.environ | stack.environment() | {"XRAY_MONITOR_FOLDER": str(tmp_path / "tables")}
        process = subprocess.Popen(command, env=environment, stderr=output, start_new_session=True)
    try:
        wait_for("All services are ready", log_file, process)
        child_of(process, "intake").kill()
        wait_for("intake stopped unexpectedly and was restarted", log_file, process)
        process.send_signal(signal.SIGINT)
        assert process.wait(40) == 0
    finally:
        process.kill()
        process.wait()
    assert not [child for child in psutil.process_iter(["cmdline"]) if str(tmp_path) in (child.info["cmdline"] or [])]


def test_a_service_whose_servers_are_gone_stops_soon(tmp_path: Path) -> None:
    servers = Stack(tmp_path / "stack", tied=True)
    servers.up()
    environment = os.environ | servers.environment()
    list(prepare(settings_of(servers.environment())))
    log_file = tmp_path / "log_file"
    with log_file.open("w") as output:
        command = [sys.executable, "-m", "services.cli.main", "run", "fuser"]
        (port,) = choose(1)
        environment |= {"XRAY_HTTP_PORT": str(port)}
        process = subprocess.Popen(command, env=environment, stderr=output, start_new_session=True)
    try:
        while not ready(port):
            assert process.poll() is None, log_file.read_text()
            time.sleep(0.1)
        servers.down()
        servers.clear()
        time.sleep(5)
        process.send_signal(signal.SIGTERM)
        assert process.wait(5) == 0
    finally:
        process.kill()
        process.wait()
    assert '"stopped"' in log_file.read_text()


def ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/ready", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def wait_for(text: str, log_file: Path, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while text not in " ".join(log_file.read_text().split()):
        assert process.poll() is None, log_file.read_text()
        assert time.monotonic() < deadline, log_file.read_text()
        time.sleep(0.1)


def child_of(process: subprocess.Popen[bytes], service: str) -> psutil.Process:
    children = psutil.Process(process.pid).children(recursive=True)
    return next(child for child in children if child.cmdline()[-2:] == ["run", service])
