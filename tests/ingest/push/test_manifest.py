from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from services.common.errors import Fatal
from services.ingest.push.plan import ManifestRow, read_manifest

HEADER = "file,biological_sample_id,parameter_stable_id"


def test_rows_are_relative_to_the_manifest_and_ids_stay_as_they_are(tmp_path: Path) -> None:
    manifest = tmp_path / "m.csv"
    manifest.write_text(
        f"{HEADER},increment,acquired_at,sha256\n"
        f'a/1.dcm," 7, ä",IMPC_XRY_034_001,2,2024-05-31T12:00:00+00:00,{"AB" * 32}\n'
        "b.png,8,IMPC_XRY_048_001,,,\n",
        encoding="utf-8-sig",
    )
    moment = datetime(2024, 5, 31, 12, tzinfo=UTC)
    assert read_manifest(manifest) == [
        ManifestRow(tmp_path / "a/1.dcm", " 7, ä", "IMPC_XRY_034_001", "2", moment, "ab" * 32),
        ManifestRow(tmp_path / "b.png", "8", "IMPC_XRY_048_001"),
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", r"lacks file, biological_sample_id, parameter_stable_id"),
        ("file,biological_sample_id\n", r"lacks parameter_stable_id; required are file"),
        (f"{HEADER},colour\n", r"has unknown colour"),
        (f"{HEADER}\na.png,,IMPC_XRY_034_001\n", r"line 2: biological_sample_id is empty"),
        (f"{HEADER}\na.png,1\n", r"line 2: parameter_stable_id is empty"),
        (f"{HEADER}\na.png,1,IMPC_XRY_034_001,9\n", r"line 2: more values than columns"),
        (f"{HEADER},acquired_at\na.png,1,IMPC_XRY_034_001,today\n", r"line 2: acquired_at 'today'"),
        (f"{HEADER}\na.png,1,IMPC_XRY_034_001\n./a.png,2,IMPC_XRY_034_001\n", r"names .*a\.png twice"),
    ],
)
def test_a_wrong_manifest_is_refused_with_line_and_column(tmp_path: Path, text: str, words: str) -> None:
    manifest = tmp_path / "m.csv"
    manifest.write_text(text)
    with pytest.raises(Fatal, match=words):
        read_manifest(manifest)


def test_a_manifest_that_is_no_text_is_refused(tmp_path: Path) -> None:
    manifest = tmp_path / "m.csv"
    manifest.write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(Fatal, match=r"cannot read the manifest"):
        read_manifest(manifest)
