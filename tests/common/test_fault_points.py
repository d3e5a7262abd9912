"""Named points of the loop: obeyed by exactly one worker, in the order of the effects, and absent by default."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from services.common.loop import batch, fault_points
from services.common.loop.fault_points import VARIABLE, obeyed_by, order, reached, withdraw
from tests.common.test_loop import Recorder, image

_PROGRAM = "from services.common.loop.fault_points import reached; reached('sink', 'after_effects'); print('went on')"


def run(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", _PROGRAM], env=os.environ | environment, capture_output=True, text=True, check=False
    )


def test_exactly_one_worker_obeys_an_order(tmp_path: Path) -> None:
    order(tmp_path, "sink", "after_effects", signal.SIGKILL)
    assert obeyed_by(tmp_path, "sink", "after_effects") is None
    first, second = run({VARIABLE: str(tmp_path)}), run({VARIABLE: str(tmp_path)})
    assert (first.returncode, first.stdout) == (-signal.SIGKILL, "")
    assert (second.returncode, second.stdout) == (0, "went on\n")
    assert obeyed_by(tmp_path, "sink", "after_effects") is not None
    assert list(tmp_path.iterdir()) == []


def test_an_order_for_another_point_or_one_that_was_withdrawn_does_nothing(tmp_path: Path) -> None:
    order(tmp_path, "sink", "after_commit", signal.SIGKILL)
    order(tmp_path, "fuser", "after_effects", signal.SIGKILL)
    order(tmp_path, "sink", "after_effects", signal.SIGKILL)
    withdraw(tmp_path, "sink", "after_effects")
    assert run({VARIABLE: str(tmp_path)}).stdout == "went on\n"


def test_without_the_variable_nothing_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fault_points, "obey", lambda *_: pytest.fail("it was read"))
    assert fault_points._FOLDER is None
    reached("sink", "after_effects")


def test_the_loop_passes_its_points_between_its_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = Recorder([[image(1)]])
    monkeypatch.setattr(batch, "reached", lambda _stage, point: recorder.calls.append(point))
    recorder.run()
    assert recorder.calls == [
        *("poll", "before_effects", "handle 1", "after_effects", "publish", "after_publish", "acknowledged"),
        *("commit", "after_commit"),
    ]
