"""The saved position of a backfill."""

from pathlib import Path

from services.ingest.backfill.cursor import Cursors, CursorState


def test_it_continues_from_its_position_also_after_a_torn_line(tmp_path: Path) -> None:
    path = tmp_path / "state" / "cursors.jsonl"
    with Cursors(path) as cursors:
        assert cursors.position("experiment") == CursorState("*", 0)
        cursors.advance("experiment", CursorState("AoE1", 200))
        cursors.advance("impc_images", CursorState("AoE2", 10))
        cursors.advance("experiment", CursorState("AoE3", 400))
    path.write_bytes(path.read_bytes()[:-20])
    with Cursors(path) as cursors:
        assert cursors.position("experiment") == CursorState("AoE1", 200)
        assert cursors.position("impc_images") == CursorState("AoE2", 10)
        cursors.advance("impc_images", CursorState("AoE4", 20))
    assert Cursors(path).position("impc_images") == CursorState("AoE4", 20)


def test_finished_cores_are_skipped_until_all_are_finished(tmp_path: Path) -> None:
    path = tmp_path / "cursors.jsonl"
    with Cursors(path) as cursors:
        assert cursors.unfinished(["experiment", "impc_images"]) == ["experiment", "impc_images"]
        cursors.advance("experiment", CursorState("AoE1", 200))
        cursors.advance("experiment", None)
        cursors.advance("impc_images", CursorState("AoE2", 10))
    with Cursors(path) as cursors:
        assert cursors.unfinished(["experiment", "impc_images"]) == ["impc_images"]
        cursors.advance("impc_images", None)
    with Cursors(path) as cursors:
        assert cursors.unfinished(["experiment", "impc_images"]) == ["experiment", "impc_images"]
        assert cursors.position("experiment") == CursorState("*", 0)
        cursors.advance("experiment", CursorState("AoE3", 200))
    with Cursors(path) as cursors:
        assert cursors.unfinished(["experiment", "impc_images"]) == ["experiment", "impc_images"]
        assert cursors.position("experiment") == CursorState("AoE3", 200)


def test_a_killed_restart_continues_without_the_option(tmp_path: Path) -> None:
    path = tmp_path / "cursors.jsonl"
    cores = ["experiment", "impc_images"]
    with Cursors(path) as cursors:
        cursors.advance("experiment", CursorState("AoE1", 200))
        cursors.advance("impc_images", None)
    with Cursors(path, restart=True) as cursors:
        assert cursors.unfinished(cores) == cores
        assert [cursors.position(core) for core in cores] == [CursorState("*", 0)] * 2
        cursors.advance("experiment", CursorState("AoE2", 100))
    with Cursors(path) as cursors:
        assert cursors.unfinished(cores) == cores
        assert cursors.position("experiment") == CursorState("AoE2", 100)
        assert cursors.position("impc_images") == CursorState("*", 0)


def test_a_restart_of_one_core_leaves_the_other_where_it_was(tmp_path: Path) -> None:
    path = tmp_path / "cursors.jsonl"
    with Cursors(path) as cursors:
        cursors.advance("experiment", CursorState("AoE1", 200))
        cursors.advance("impc_images", CursorState("AoE2", 10))
    with Cursors(path, restart=True) as cursors:
        assert cursors.unfinished(["experiment"]) == ["experiment"]
    with Cursors(path) as cursors:
        assert cursors.position("experiment") == CursorState("*", 0)
        assert cursors.position("impc_images") == CursorState("AoE2", 10)
