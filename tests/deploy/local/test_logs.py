"""The end of a log without stack frames, and new lines as they arrive."""

import itertools
import threading
from pathlib import Path

from deploy.local.logs import follow, mark_start, rotate, tail, tail_since_start


def test_tail_gives_the_last_lines_without_stack_frames_and_blanks(tmp_path: Path) -> None:
    log = tmp_path / "kafka.log"
    log.write_text("one\ntwo\n\nERROR bad\n\tat kafka.Kafka(Kafka.scala:1)\n\t... 3 more\nend\n", encoding="utf-8")
    assert tail(log, 3) == ("two", "ERROR bad", "end")
    assert tail(log, 100) == ("one", "two", "ERROR bad", "end")
    assert tail(log, 0) == ()


def test_tail_of_a_big_log_reads_only_its_end_and_survives_bad_bytes(tmp_path: Path) -> None:
    log = tmp_path / "big.log"
    log.write_bytes(b"".join(b"line %07d\n" % number for number in range(200_000)) + b"\xff\xfe end\n")
    assert tail(log, 2) == ("line 0199999", "\ufffd\ufffd end")


def test_tail_of_no_log_is_empty(tmp_path: Path) -> None:
    assert tail(tmp_path / "none.log", 5) == ()


def test_lines_of_an_earlier_start_are_not_shown(tmp_path: Path) -> None:
    log = tmp_path / "s.log"
    log.write_text("old failure\n", encoding="utf-8")
    assert tail_since_start(log, 5) == ("old failure",)
    mark_start(log)
    assert tail_since_start(log, 5) == ()
    with log.open("a", encoding="utf-8") as file:
        file.write("new failure\n")
    assert tail_since_start(log, 5) == ("new failure",)


def test_a_log_over_20_mib_is_renamed_once(tmp_path: Path) -> None:
    log = tmp_path / "weed.log"
    log.write_bytes(b"x" * 1024)
    rotate(log)
    assert log.exists()
    log.write_bytes(b"x" * (20 * 1024 * 1024 + 1))
    rotate(log)
    assert not log.exists()
    assert (tmp_path / "weed.log.1").stat().st_size == 20 * 1024 * 1024 + 1


def test_follow_yields_whole_new_lines_also_of_a_rotated_log(tmp_path: Path) -> None:
    log = tmp_path / "f.log"
    log.write_text("before\n", encoding="utf-8")
    got: list[str] = []
    lines = follow(log, poll_s=0.01)
    reader = threading.Thread(target=lambda: got.extend(itertools.islice(lines, 3)), daemon=True)
    reader.start()
    threading.Event().wait(0.1)
    for piece in ("first\nsec", "ond\n"):
        with log.open("a", encoding="utf-8") as file:
            file.write(piece)
        threading.Event().wait(0.05)
    log.write_text("new\n", encoding="utf-8")
    reader.join(5)
    assert got == ["first", "second", "new"]
