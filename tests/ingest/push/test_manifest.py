from datetime import UTC, datetime
from pathlib import Path

import pytest

from services.common.errors import Fatal, Rejected
from services.common.events.animal import Animal
from services.ingest.push.image import LocalFile
from services.ingest.push.manifest import Manifest, ManifestRow, create_manifest, read_manifest

HEADER = "file,biological_sample_id,parameter_stable_id"
DORSAL = "IMPC_XRY_034_001"


def test_rows_are_relative_to_the_manifest_and_ids_stay_as_they_are(tmp_path: Path) -> None:
    manifest = tmp_path / "m.csv"
    manifest.write_text(
        f"{HEADER},increment,acquired_at,sha256\n"
        f'a/1.dcm," 7, ä",IMPC_XRY_034_001,2,2024-05-31T12:00:00+00:00,{"AB" * 32}\n'
        "b.png,8,IMPC_XRY_048_001,,,\n",
        encoding="utf-8-sig",
    )
    moment = datetime(2024, 5, 31, 12, tzinfo=UTC)
    rows = [
        ManifestRow(tmp_path / "a/1.dcm", " 7, ä", "IMPC_XRY_034_001", "2", moment, "ab" * 32),
        ManifestRow(tmp_path / "b.png", "8", "IMPC_XRY_048_001"),
    ]
    assert read_manifest(manifest) == Manifest(rows, [])


def test_a_row_states_what_is_known_of_the_animal(tmp_path: Path) -> None:
    manifest = tmp_path / "m.csv"
    manifest.write_text(
        f"{HEADER},sample_group,sex,strain_accession_id\n"
        f"a.png,7,{DORSAL},control,female,MGI:2159965\nb.png,8,{DORSAL},,,\nc.png,9,{DORSAL},experimental,,\n"
    )
    assert [row.animal for row in read_manifest(manifest).rows] == [
        Animal(sample_group="control", sex="female", strain_accession_id="MGI:2159965"),
        None,
        Animal(sample_group="experimental"),
    ]
    manifest.write_text(f"{HEADER},sample_group,sex\na.png,7,{DORSAL},wild type,f\n")
    with pytest.raises(Fatal, match=r"sample_group 'wild type': input should be 'control' or 'experimental'"):
        read_manifest(manifest)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"lacks file, biological_sample_id, parameter_stable_id"),
        ("file,biological_sample_id\n", r"lacks parameter_stable_id; required are file"),
        ("file\tbiological_sample_id\tparameter_stable_id\n", r"lacks file, biological_sample_id"),
        (f"{HEADER},file\n", r"has more than one column file"),
        (f"{HEADER}\na.png,,IMPC_XRY_034_001\n", r"line 2: biological_sample_id is empty"),
        (f"{HEADER}\na.png,1\n", r"line 2: parameter_stable_id is empty"),
        (f"{HEADER}\na.png,1,IMPC_XRY_034_001,9\n", r"line 2: more values than columns"),
        (f"{HEADER},acquired_at\na.png,1,IMPC_XRY_034_001,today\n", r"line 2: acquired_at 'today'"),
        (f"{HEADER},sha256\na.png,1,IMPC_XRY_034_001,abcd\n", r"line 2: sha256 'abcd' is not 64 hexadecimal digits"),
        (f"{HEADER},sha256\na.png,1,IMPC_XRY_034_001,{'g' * 64}\n", r"line 2: sha256 'g+' is not 64 hexadecimal"),
        (f"{HEADER}\na.png,1,IMPC_XRY_034_001\n./a.png,2,IMPC_XRY_034_001\n", r"names .*a\.png twice"),
    ],
)
def test_a_wrong_manifest_is_refused_with_line_and_column(tmp_path: Path, text: str, message: str) -> None:
    manifest = tmp_path / "m.csv"
    manifest.write_text(text)
    with pytest.raises(Fatal, match=message):
        read_manifest(manifest)


def test_a_manifest_that_is_not_text_is_refused(tmp_path: Path) -> None:
    manifest = tmp_path / "m.csv"
    manifest.write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(Fatal, match=r"cannot read the manifest"):
        read_manifest(manifest)


def test_all_faults_are_named_at_once_up_to_twenty(tmp_path: Path) -> None:
    manifest = tmp_path / "m.csv"
    manifest.write_text(f"{HEADER},sha256\na.png,,{DORSAL},abcd\nb.png,1,{DORSAL},\na.png,1,,\n")
    with pytest.raises(Fatal) as refusal:
        read_manifest(manifest)
    assert str(refusal.value).splitlines() == [
        f"{manifest} has 4 faults:",
        "  line 2: biological_sample_id is empty",
        "  line 2: sha256 'abcd' is not 64 hexadecimal digits",
        "  line 4: parameter_stable_id is empty",
        f"  line 4: names {tmp_path / 'a.png'} twice (also in line 2); one file is one image of one specimen",
    ]
    manifest.write_text(f"{HEADER}\n" + "".join(f"{number}.png,,{DORSAL}\n" for number in range(25)))
    with pytest.raises(Fatal) as refusal:
        read_manifest(manifest)
    assert len(str(refusal.value).splitlines()) == 1 + 20 + 1
    assert str(refusal.value).endswith("\n  line 21: biological_sample_id is empty\n  and 5 more")


@pytest.mark.parametrize("header", [HEADER, f"{HEADER},gene, or allele"])
def test_a_semicolon_separates_if_it_comes_first_in_the_header(tmp_path: Path, header: str) -> None:
    manifest = tmp_path / "m.csv"
    columns = header.replace(",", ";", 3)
    manifest.write_text(f"{columns}\n1,5.png;7;{DORSAL}\n", encoding="utf-8-sig")
    assert read_manifest(manifest).rows == [ManifestRow(tmp_path / "1,5.png", "7", DORSAL)]


def test_unknown_columns_are_ignored_and_returned_by_name(tmp_path: Path) -> None:
    manifest = tmp_path / "m.csv"
    manifest.write_text(f"gene,{HEADER},allele,\nAkt2,a.png,7,{DORSAL},tm1,\n")
    rows = [ManifestRow(tmp_path / "a.png", "7", DORSAL)]
    assert read_manifest(manifest) == Manifest(rows, ["gene", "allele", "(no name)"])


def test_a_new_manifest_can_be_read_once_it_is_filled_in(tmp_path: Path) -> None:
    manifest = tmp_path / "scans" / "m.csv"
    manifest.parent.mkdir()
    create_manifest(manifest, [(tmp_path / "scans" / "a, b.png", None, DORSAL), (tmp_path / "c.png", "8", None)])
    assert manifest.read_text() == (
        f"{HEADER},increment,acquired_at,sha256,sample_group,sex,strain_accession_id\n"
        f'"a, b.png",,{DORSAL},,,,,,\n{tmp_path / "c.png"},8,,,,,,,\n'
    )
    manifest.write_text(manifest.read_text().replace(".png,8,,", f".png,8,{DORSAL},").replace('",,', '",7,'))
    assert read_manifest(manifest).rows == [
        ManifestRow(tmp_path / "scans" / "a, b.png", "7", DORSAL),
        ManifestRow(tmp_path / "c.png", "8", DORSAL),
    ]
    with pytest.raises(Fatal, match=r"m\.csv already exists"):
        create_manifest(manifest, [])


def test_a_name_that_no_file_can_have_concerns_only_its_image() -> None:
    source = LocalFile(Path("a\0b.png"))
    for use in (source.fingerprint, source.read):
        with pytest.raises(Rejected, match="file_unreadable: embedded null"):
            use()
