"""The commands of README.md and docs/quick-start.md, word for word, on their own stack.

`xray stack down` is documented, so these commands cannot use the stack that the other tests share.
"""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

import pytest

from tests.docs.reading import CLONE, commands
from tests.intake.files import dicom, exposure, grey

pytestmark = pytest.mark.integration

SPECIMEN: Final = "183808"
"""The specimen of `xray trace` in the quick start."""
DOCUMENTED: Final = [one.words for one in commands("docs/quick-start.md", "README.md") if one.words[0] == "xray"]
STOP: Final = ("xray", "stack", "down")


class Terminals:
    """Runs commands in one folder, some of them in the background until Ctrl-C."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = os.environ | {
            "PYTHONPATH": str(CLONE),
            "XRAY_STACK_FOLDER": str(folder / ".stack"),
            "XRAY_MONITOR_FOLDER": str(folder / "tables"),
            "XDG_STATE_HOME": str(folder / "state"),
        }

    def run(self, *words: str) -> str:
        answer = subprocess.run(
            self._command(words), cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False
        )
        assert answer.returncode == 0, f"{shlex.join(words)}\n{answer.stdout}{answer.stderr}"
        return answer.stdout

    def start(self, *words: str, output: IO[str]) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self._command(words), cwd=self.folder, env=self.environment, stdout=output, stderr=output, text=True
        )

    def _command(self, words: tuple[str, ...]) -> list[str]:
        return [sys.executable, "-m", "services.cli.main", *words[1:]]


@pytest.fixture
def terminals(tmp_path: Path) -> Iterator[Terminals]:
    one = Terminals(tmp_path)
    yield one
    one.run(*STOP)


def write_scans(folder: Path, specimen: str, seed: int) -> None:
    """Write a DV and a LAT image in DICOM with the tags that `xray push` reads."""
    folder.mkdir(exist_ok=True)
    for view in ("DV", "LAT"):
        data = dicom(grey(exposure(view, seed=seed)), bits=8, PatientID=specimen, ViewPosition=view)
        (folder / f"{specimen}_{view}.dcm").write_bytes(data)


def wait_for(text: str, output: Path, process: subprocess.Popen[str], seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while text not in " ".join(output.read_text().split()):
        assert process.poll() is None, output.read_text()
        assert time.monotonic() < deadline, output.read_text()
        time.sleep(0.2)


def interrupt(process: subprocess.Popen[str], seconds: float = 40) -> int:
    process.send_signal(signal.SIGINT)
    try:
        return process.wait(seconds)
    finally:
        process.kill()
        process.wait()


@pytest.mark.timeout(600)
def test_every_command_of_readme_and_quick_start_works(terminals: Terminals, tmp_path: Path) -> None:
    up, init, run_all, push, calls, follow, *rest = dict.fromkeys(DOCUMENTED)
    assert (run_all[1:], push[1], follow[1:]) == (("run", "all"), "push", ("calls", "--follow"))
    scans = tmp_path / push[2]
    write_scans(scans, SPECIMEN, seed=3)
    terminals.run(*up)
    terminals.run(*init)
    first, second = tmp_path / "first.txt", tmp_path / "second.txt"
    with first.open("w") as first_output, second.open("w") as second_output:
        services = terminals.start(*run_all, output=first_output)
        following: subprocess.Popen[str] | None = None
        try:
            wait_for("All services are ready", first, services)
            terminals.run(*push)
            wait_for_call(terminals, SPECIMEN)
            assert SPECIMEN in terminals.run(*calls)
            following = terminals.start(*follow, output=second_output)
            for words in rest:
                if words != STOP:
                    terminals.run(*words)
            write_scans(scans, "183809", seed=4)
            terminals.run(*push)
            wait_for("183809", second, following)
            assert interrupt(following) == 130
            assert interrupt(services) == 0
        finally:
            for process in filter(None, (following, services)):
                process.kill()
                process.wait()


def wait_for_call(terminals: Terminals, specimen: str, seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while specimen not in {json.loads(line)["biological_sample_id"] for line in called(terminals)}:
        assert time.monotonic() < deadline, f"no call of {specimen} within {seconds} s"
        time.sleep(0.5)


def called(terminals: Terminals) -> list[str]:
    return terminals.run("xray", "calls", "--json").splitlines()
