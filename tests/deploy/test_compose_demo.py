"""The container `demo` against servers and services that run already."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.local.stack import Stack
from services.common.settings import settings_of
from services.common.topology import PIPELINE
from services.operations.processes import Processes
from services.operations.provisioning import prepare
from tests.deploy.compose_file import CLONE

pytestmark = pytest.mark.integration


def test_it_sends_mice_and_finds_their_calls(stack: Stack, tmp_path: Path) -> None:
    environment = stack.environment()
    list(prepare(settings_of(environment)))
    with Processes(PIPELINE, environment, tmp_path / "logs") as services:
        services.wait_ready()
        program = [sys.executable, "-m", "deploy.containers.demo", "3", str(tmp_path / "demo")]
        ended = subprocess.run(
            program, cwd=CLONE, env=os.environ | environment, capture_output=True, text=True, check=False
        )
    assert ended.returncode == 0, ended.stdout[-3000:] + ended.stderr[-3000:]
    assert "Calls beside the truth" in ended.stdout
    assert (tmp_path / "demo" / "contact-sheet.png").stat().st_size > 20_000
