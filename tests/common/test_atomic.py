"""A file is written completely or not at all."""

from pathlib import Path

import pytest

from services.common.atomic import atomic, replace


def test_a_failure_leaves_no_part_and_keeps_the_older_file(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("older")

    def fail() -> None:
        with atomic(path) as part:
            part.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert path.read_text() == "older"
    with atomic(path) as part:
        part.write_text("newer")
        assert path.read_text() == "older"
    assert path.read_text() == "newer"
    assert list(tmp_path.iterdir()) == [path]


def test_content_is_replaced_and_nothing_else_left(tmp_path: Path) -> None:
    path = tmp_path / "config.pbtxt"
    for content in (b"older, and longer", b"newer"):
        replace(path, content)
        assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]
