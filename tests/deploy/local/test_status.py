"""The status of a stack that was never started."""

from pathlib import Path

from deploy.local.stack import Stack


def test_a_stack_that_was_never_started_has_the_status_stopped(tmp_path: Path) -> None:
    found = Stack(tmp_path / "none").status()
    assert [(server.state, server.message) for server in found] == [("stopped", "never started")] * 4
    assert not (tmp_path / "none").exists()
