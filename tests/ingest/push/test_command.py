"""Wrong usage of `xray push` is told before any server is asked."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from services.cli.main import app


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["scans"], "--centre"),
        (["--centre", "JAX"], "PATHS"),
        (["--dcc"], "PATHS"),
        (["--dcc", "a.xml", "--centre", "JAX"], "--dcc"),
        (["--dcc", "a.xml", "--manifest", "m.csv"], "--dcc"),
        (["--dcc", "a.xml", "--media", "nowhere"], "--media"),
    ],
)
def test_wrong_usage(arguments: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m.csv").write_text("file,biological_sample_id,parameter_stable_id\n", encoding="utf-8")
    answer = CliRunner().invoke(app, ["push", *arguments])
    assert answer.exit_code == 2
    assert said in answer.stderr


def test_a_submission_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    answer = CliRunner().invoke(app, ["push", "--dcc", "--dry-run", "none.xml"])
    assert answer.exit_code == 1
    assert "failed none.xml: No such file or directory (unreadable_source)" in answer.stderr
