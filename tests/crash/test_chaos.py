"""Every kind of fault once or more often, under a stream of good and bad input: `xray chaos`."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest

from services.chaos.faults import FAULTS
from services.common.environment import CLONE

pytestmark = [pytest.mark.crash, pytest.mark.timeout(1800)]

ROUNDS = 41
"""One deck: each kind of fault in its share."""


def program(folder: Path, *more: object) -> Sequence[str]:
    return [sys.executable, "-m", "services.cli.main", "chaos", "--folder", str(folder), *map(str, more)]


def chaos(folder: Path, *more: object) -> tuple[int, Any, str]:
    ended = subprocess.run(program(folder, *more, "--json"), cwd=CLONE, capture_output=True, text=True, check=False)
    assert ended.stdout, ended.stderr[-3000:]
    return ended.returncode, json.loads(ended.stdout), ended.stderr


def test_faults_at_random_moments_leave_the_ledger_of_an_undisturbed_run(tmp_path: Path) -> None:
    code, document, shown = chaos(tmp_path, "--rounds", ROUNDS, "--table", tmp_path / "table")
    assert (code, document["problems"], document["rounds"]) == (0, [], ROUNDS), shown
    assert {row["fault"] for row in document["recovery"]} == {*FAULTS, "all"}
    assert len((tmp_path / "table" / "recovery.csv").read_text().splitlines()) == len(FAULTS) + 2
    before = time.monotonic()
    assert chaos(tmp_path, "--rounds", ROUNDS)[:2] == (0, document), "the journal holds every round"
    assert time.monotonic() - before < 30, "nothing was started"


def test_ctrl_c_ends_everything_that_it_started(tmp_path: Path) -> None:
    with subprocess.Popen(program(tmp_path), cwd=CLONE, stderr=subprocess.DEVNULL, process_group=0) as running:
        state = tmp_path / "stack" / "state.json"
        while not (state.exists() and len(psutil.Process(running.pid).children(recursive=True)) > 3):
            assert running.poll() is None
            time.sleep(0.2)
        started = psutil.Process(running.pid).children(recursive=True)
        os.killpg(running.pid, signal.SIGINT)
        assert running.wait(120) == 130
    _, alive = psutil.wait_procs(started, timeout=20)
    assert not alive
    assert not (tmp_path / "stack").exists()
