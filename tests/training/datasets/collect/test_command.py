from pathlib import Path

import pytest
from typer.testing import CliRunner

from services.cli.train.collect import app
from tests.training.datasets.collect.making import NORMAL, SPINE, named, simulated_set
from training.datasets.collect.dataset import Dataset


@pytest.fixture
def source(tmp_path: Path) -> Path:
    labels = dict.fromkeys([*named("train", 2), *named("test", 1)], SPINE) | {named("train", 3)[2]: NORMAL}
    return simulated_set(tmp_path / "set", labels)


def test_without_servers(tmp_path: Path, source: Path) -> None:
    options = ["--out", str(tmp_path / "out"), "--no-ledger", "--from-set", str(source)]
    refused = CliRunner().invoke(app, options)
    assert refused.exit_code == 1
    assert "run once with --grow-evaluation" in refused.stderr
    answer = CliRunner().invoke(app, [*options, "--grow-evaluation"])
    assert answer.exit_code == 0, answer.output
    dataset = Dataset.read(Path(answer.stdout.strip()))
    assert len(dataset.specimens) == 4
    assert "4 specimens (1 test, 3 train), preprocessing p2" in answer.stderr
    assert "evaluation set 1: 1 specimens, 0 wait outside" in answer.stderr
    assert CliRunner().invoke(app, options).stdout == answer.stdout
