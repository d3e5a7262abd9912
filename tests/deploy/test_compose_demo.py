"""The program of the container `demo` on servers and services that are already running."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.local.stack import Stack
from services.common.settings import settings_of
from services.common.topology import PIPELINE
from services.operations.processes import Processes
from services.operations.provisioning import prepare
from tests.deploy.compose_file import CLONE, services
from tests.deploy.dockerfile import DOCKERFILE

pytestmark = pytest.mark.integration


def test_it_sends_mice_and_finds_their_calls(stack: Stack, tmp_path: Path) -> None:
    environment = stack.environment()
    list(prepare(settings_of(environment)))
    folder = str(tmp_path / "demo")
    arguments = [word.replace("/demo", folder) for word in entry_point()[1:]]
    assert services()["demo"]["command"][0] == "--specimens"
    with Processes(PIPELINE, environment, tmp_path / "logs") as processes:
        processes.wait_ready()
        ended = subprocess.run(
            [sys.executable, *arguments, "--specimens", "3"],
            cwd=CLONE,
            env=os.environ | environment,
            capture_output=True,
            text=True,
            check=False,
        )
    assert ended.returncode == 0, ended.stdout[-3000:] + ended.stderr[-3000:]
    assert "Calls next to the truth" in ended.stdout
    assert (tmp_path / "demo" / "contact-sheet.png").stat().st_size > 20_000


def entry_point() -> list[str]:
    """The entry point of the image `demo`."""
    text = DOCKERFILE.read_text().split(" AS demo\n")[1]
    found = re.search(r"^ENTRYPOINT (\[.*\])$", text, re.MULTILINE)
    assert found is not None
    arguments: list[str] = json.loads(found[1])
    assert arguments[0] == "python"
    return arguments
