import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from services.common.errors import Fatal
from services.operations.reviews import BadReviewLine, ReviewLine, read_lines

CHANGED = datetime(2026, 3, 1, 12, tzinfo=UTC)


def _file(folder: Path, text: str) -> Path:
    path = folder / "reviews.csv"
    path.write_text(text, encoding="utf-8")
    os.utime(path, (CHANGED.timestamp(),) * 2)
    return path


def test_curator_and_time_come_from_the_line_or_the_command_and_the_file(tmp_path: Path) -> None:
    text = (
        "biological_sample_id,abnormal,normal,who,reviewed_at\n"
        '183808,"Spine,Fusion",Ribs,ben,2026-03-02T10:00:00+01:00\n'
        "183809,,Abnormal,,\n"
    )
    first, second = read_lines(_file(tmp_path, text), "anna")
    assert isinstance(first, ReviewLine)
    assert isinstance(second, ReviewLine)
    assert (first.number, first.specimen, first.who) == (2, "183808", "ben")
    assert first.verdict_labels == {"abnormal": "Spine,Fusion", "normal": "Ribs", "unknown": ""}
    assert first.reviewed_at == datetime(2026, 3, 2, 9, tzinfo=UTC)
    assert (second.who, second.reviewed_at) == ("anna", CHANGED)


def test_a_bad_line_is_named_and_affects_no_other(tmp_path: Path) -> None:
    text = "biological_sample_id,abnormal,reviewed_at\n1,Spine,\n2,Spine,Fusion,today\n3,Spine,yesterday\n4,Spine,\n"
    lines = read_lines(_file(tmp_path, text), "anna")
    bad = [(line.number, line.error.reason) for line in lines if isinstance(line, BadReviewLine)]
    assert bad == [(3, "wrong_number_of_cells"), (4, "time_invalid")]
    assert [line.specimen for line in lines if isinstance(line, ReviewLine)] == ["1", "4"]


def test_wrong_columns_are_named_before_anything_is_sent(tmp_path: Path) -> None:
    with pytest.raises(Fatal, match="lacks biological_sample_id and has unknown specimen; required are"):
        read_lines(_file(tmp_path, "specimen,abnormal\n1,Spine\n"), "anna")


def test_a_file_that_is_missing_or_not_text_is_named(tmp_path: Path) -> None:
    with pytest.raises(Fatal, match=r"cannot read the reviews in .*nowhere\.csv"):
        read_lines(tmp_path / "nowhere.csv", "anna")
    (tmp_path / "picture.csv").write_bytes(b"\xff\xd8\xff")
    with pytest.raises(Fatal, match=r"cannot read the reviews in .*picture\.csv"):
        read_lines(tmp_path / "picture.csv", "anna")
