"""`xray demo`, `xray bench` and `xray soak` with few specimens, on the stack of the test run."""

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

from deploy.local.stack import Stack
from deploy.site.soak import draw, read

pytestmark = pytest.mark.integration

CLONE = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo")


def command(stack: Stack, *arguments: object) -> tuple[Sequence[str], dict[str, str]]:
    program = [sys.executable, "-m", "services.cli.main", *(str(one) for one in arguments)]
    return program, dict(os.environ) | {"XRAY_STACK_FOLDER": str(stack.folder.root)}


def xray(stack: Stack, *arguments: object) -> Any:
    program, environment = command(stack, *arguments)
    answer = subprocess.run(program, cwd=CLONE, env=environment, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr[-3000:]
    return json.loads(answer.stdout)


def running(stack: Stack) -> set[str]:
    return {server.name for server in stack.status() if server.state == "running"}


def test_every_expected_call_is_present_and_pictures_are_written(stack: Stack, folder: Path) -> None:
    before = running(stack)
    for _ in range(2):
        document = xray(stack, "demo", "--specimens", 6, "--folder", folder, "--json")
        assert document["missing"] == []
        assert document["specimens"] == 6
        assert document["level1"]["specimens"] == document["calls"] >= 5
        sheet = Path(document["pictures"][0])
        assert sheet.stat().st_size > 50_000
    assert running(stack) == before


def test_ctrl_c_ends_everything_that_the_demo_started(stack: Stack, folder: Path) -> None:
    program, environment = command(stack, "demo", "--specimens", 6, "--folder", folder)
    with subprocess.Popen(program, cwd=CLONE, env=environment, stdout=subprocess.PIPE, text=True) as demo:
        assert demo.stdout is not None
        while "pipeline services started" not in demo.stdout.readline():
            pass
        time.sleep(2)
        children = psutil.Process(demo.pid).children(recursive=True)
        assert children
        demo.send_signal(signal.SIGINT)
        demo.stdout.read()
    assert demo.returncode == 130
    assert not [child for child in children if child.is_running()]


def test_bench_measures_both_ways(stack: Stack, folder: Path) -> None:
    document = xray(stack, "bench", "--specimens", 20, "--side", 700, "--folder", folder, "--json")
    assert document["pipeline"]["called"] == document["bare"]["specimens"] >= 15
    assert document["ratio"] == pytest.approx(document["pipeline_rate"] / document["bare_rate"])
    assert 0 < document["pipeline"]["latency_p50"] <= document["pipeline"]["latency_p99"] < 60
    assert set(document["pipeline"]["resident_bytes"]) == {"intake", "assembler", "fuser", "classifier", "sink"}


def test_every_copy_of_a_mouse_has_the_same_outcome_in_a_soak_test(stack: Stack, folder: Path) -> None:
    document = xray(stack, "soak", "--specimens", 120, "--folder", folder, "--json")
    assert document["exact"]
    assert document["found"]["called"] >= 110
    assert document["found"]["refused"] > 0
    samples = read(folder / "soak.csv")
    assert samples[-1]["announced"] == 120
    assert samples[-1]["resident intake"] > 10_000_000
    assert samples[-1]["disk seaweedfs"] > samples[0]["disk seaweedfs"] > 0
    draw(samples, folder / "soak.png")
    assert (folder / "soak.png").stat().st_size > 1000
