"""A training that is killed in the middle of an epoch resumes with the same result as one that was not."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.training.train.tiny import STEPS, ignore, tiny_backbone, tiny_fit
from training.train.loop import weights_digest

_ROOT = Path(__file__).resolve().parents[3]
_PROGRAM = """
import os, sys
from pathlib import Path
from tests.training.train.tiny import ignore, tiny_backbone, tiny_fit

taken = 0

def kill(backbone, images, output):
    global taken
    taken += backbone.training
    if taken == int(sys.argv[2]):
        os.kill(os.getpid(), int(sys.argv[3]))

backbone = tiny_backbone()
backbone.register_forward_hook(kill)
tiny_fit(backbone).run(Path(sys.argv[1]), ignore)
"""


@pytest.mark.crash
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_resumed_run_equals_an_uninterrupted_one(number: signal.Signals, tmp_path: Path) -> None:
    undisturbed = tiny_backbone()
    expected = tiny_fit(undisturbed).run(tmp_path / "undisturbed", ignore)
    command = [sys.executable, "-c", _PROGRAM, str(tmp_path / "killed"), str(STEPS + 2), str(int(number))]
    killed = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=False)
    assert killed.returncode != 0, killed.stderr
    resumed = tiny_backbone()
    seen: list[int] = []
    epochs = tiny_fit(resumed).run(tmp_path / "killed", lambda done, _: seen.append(done))
    assert seen == [2, 3]
    assert [epoch.validation_loss for epoch in epochs] == [epoch.validation_loss for epoch in expected]
    assert weights_digest(resumed) == weights_digest(undisturbed)
