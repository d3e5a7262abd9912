import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from services.common.events.animal import Animal
from services.ingest.push.image import LocalFile, PushImage, SkippedFile, skipped_file
from services.ingest.push.manifest import ManifestRow
from services.ingest.push.plan import PushDefaults, from_files, from_manifest
from tests.ingest.push.files import write_dicom, write_picture

JAX = PushDefaults("JAX")


def one(path: Path, given: PushDefaults = JAX) -> PushImage | SkippedFile:
    (planned,) = from_files([path], given)
    return planned


def test_a_dicom_header_gives_specimen_view_and_time(tmp_path: Path) -> None:
    path = write_dicom(
        tmp_path / "1.bin",
        PatientID="183808",
        SeriesDescription="XRay Images Whole Body Lateral Orientation",
        AcquisitionDateTime="20240531120000+0000",
    )
    moment = datetime(2024, 5, 31, 12, tzinfo=UTC)
    assert one(path) == PushImage(LocalFile(path), "183808", "JAX", "IMPC_XRY_048_001", acquired_at=moment)


def test_body_part_and_view_position_give_the_view(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "1.dcm", PatientID="7", BodyPartExamined="SKULL", ViewPosition="DV")
    assert one(path) == PushImage(LocalFile(path), "7", "JAX", "IMPC_XRY_051_001")


def test_the_command_line_takes_precedence(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "x_LAT.dcm", PatientID="7", SeriesDescription="LAT")
    assert one(path, PushDefaults("TCP", "8", "IMPC_XRY_034_001")) == PushImage(
        LocalFile(path), "8", "TCP", "IMPC_XRY_034_001"
    )


@pytest.mark.parametrize(
    ("name", "tags", "reason"),
    [
        ("dv.dcm", {"PatientID": " "}, "specimen_unknown"),
        ("dv.dcm", {"PatientID": "7", "SeriesDescription": "whole body LAT"}, "parameter_unknown"),
        ("1.dcm", {"PatientID": "7", "SeriesDescription": "DV", "ProtocolName": "LAT"}, "parameter_unknown"),
        ("dv.dcm", {"PatientID": "7", "SeriesDescription": "DV", "ProtocolName": "LAT"}, "parameter_unknown"),
        ("1.dcm", {"PatientID": "7"}, "parameter_unknown"),
    ],
)
def test_a_contradiction_or_a_missing_value_is_skipped_with_a_reason(
    tmp_path: Path, name: str, tags: dict[str, str], reason: str
) -> None:
    planned = one(write_dicom(tmp_path / name, **tags))
    assert isinstance(planned, SkippedFile)
    assert (planned.reason, planned.failed) == (reason, True)


def test_a_png_needs_a_specimen_and_its_name_may_give_the_view(tmp_path: Path) -> None:
    path = write_picture(tmp_path / "m7_skull_DV.jpg")
    without = one(path)
    assert isinstance(without, SkippedFile)
    assert without.reason == "specimen_unknown"
    assert one(path, PushDefaults("JAX", "7")) == PushImage(LocalFile(path), "7", "JAX", "IMPC_XRY_051_001")


def test_an_observation_is_not_an_image_parameter(tmp_path: Path) -> None:
    planned = one(write_picture(tmp_path / "a.png"), PushDefaults("JAX", "7", "IMPC_XRY_008_001"))
    assert isinstance(planned, SkippedFile)
    assert planned.reason == "parameter_unknown"


def test_folders_are_searched_in_order_and_other_files_are_not_failures(tmp_path: Path) -> None:
    first = write_picture(tmp_path / "a" / "DV.png")
    second = write_picture(tmp_path / "b" / "LAT.bmp")
    write_picture(tmp_path / ".hidden" / "DV.png")
    (tmp_path / "notes.txt").write_text("hello")
    planned = list(from_files([tmp_path], PushDefaults("JAX", "7")))
    assert [str(one.source) for one in planned] == [str(first), str(second), str(tmp_path / "notes.txt")]
    assert isinstance(planned[2], SkippedFile)
    assert (planned[2].reason, planned[2].failed) == ("not_an_image", False)
    missing = one(tmp_path / "none.png")
    assert isinstance(missing, SkippedFile)
    assert missing.reason == "file_missing"


def test_a_manifest_decides_and_unlisted_files_are_named(tmp_path: Path) -> None:
    listed, other = write_picture(tmp_path / "1.png"), write_picture(tmp_path / "2.png")
    rows = [
        ManifestRow(listed, "7", "IMPC_XRY_034_001", "1"),
        ManifestRow(tmp_path / "gone.png", "8", "IMPC_XRY_034_001"),
    ]
    planned = list(from_manifest(rows, [tmp_path], JAX))
    assert planned[0] == PushImage(LocalFile(listed), "7", "JAX", "IMPC_XRY_034_001", "1")
    assert [(str(one.source), one.reason) for one in planned[1:] if isinstance(one, SkippedFile)] == [
        (str(tmp_path / "gone.png"), "file_missing"),
        (str(other), "not_in_manifest"),
    ]
    assert list(from_manifest(rows, [tmp_path / "elsewhere"], JAX)) == [
        skipped_file(tmp_path / "elsewhere", "file_missing", "there is no such file")
    ]


def test_with_control_every_animal_is_one_except_where_the_manifest_states_another_group(tmp_path: Path) -> None:
    listed, other = write_picture(tmp_path / "7_DV.png"), write_picture(tmp_path / "8_DV.png")
    rows = [
        ManifestRow(listed, "7", "IMPC_XRY_034_001", animal=Animal(sample_group="experimental")),
        ManifestRow(other, "8", "IMPC_XRY_034_001", animal=Animal(sex="male")),
    ]
    given = PushDefaults("JAX", control=True)
    planned = [*from_manifest(rows, [], given), *from_files([listed], PushDefaults("JAX", "9", control=True))]
    assert [one.animal for one in planned if isinstance(one, PushImage)] == [
        Animal(sample_group="experimental"),
        Animal(sample_group="control", sex="male"),
        Animal(sample_group="control"),
    ]


def test_a_header_that_contradicts_itself_is_refused_unless_the_command_line_decides(tmp_path: Path) -> None:
    tags = {"PatientID": "7", "SeriesDescription": "DV", "ProtocolName": "skull LAT", "StudyDescription": "mice"}
    path = write_dicom(tmp_path / "mouse7_DV.dcm", **tags)
    planned = one(path)
    assert isinstance(planned, SkippedFile)
    assert planned.reason == "parameter_unknown"
    assert planned.message == (
        "the DICOM header contradicts itself (SeriesDescription: IMPC_XRY_034_001, ProtocolName: IMPC_XRY_050_001); "
        "give --parameter or a --manifest"
    )
    decided = one(path, PushDefaults("JAX", parameter_stable_id="IMPC_XRY_050_001"))
    assert decided == PushImage(LocalFile(path), "7", "JAX", "IMPC_XRY_050_001")


def test_header_and_file_name_that_disagree_are_both_named(tmp_path: Path) -> None:
    planned = one(write_dicom(tmp_path / "dv.dcm", PatientID="7", SeriesDescription="LAT"))
    assert isinstance(planned, SkippedFile)
    assert "the DICOM header states IMPC_XRY_048_001, the file name IMPC_XRY_034_001" in planned.message


def test_a_pattern_finds_the_specimen_in_the_file_name(tmp_path: Path) -> None:
    given = PushDefaults("JAX", specimen_pattern=re.compile(r"(?P<specimen>\d+)_"))
    picture = write_picture(tmp_path / "183808_skull_lateral.jpg")
    assert one(picture, given) == PushImage(LocalFile(picture), "183808", "JAX", "IMPC_XRY_050_001")
    header = {"PatientID": "7", "SeriesDescription": "DV"}
    named, unnamed = write_dicom(tmp_path / "8_1.dcm", **header), write_dicom(tmp_path / "x.dcm", **header)
    assert [found.biological_sample_id for found in (one(named, given), one(unnamed, given))] == ["8", "7"]  # type: ignore[union-attr]
    without = one(write_picture(tmp_path / "DV.png"), given)
    assert isinstance(without, SkippedFile)
    assert without.reason == "specimen_unknown"
    assert "the file name does not match --specimen-from" in without.message


def test_an_optional_or_empty_group_gives_no_specimen(tmp_path: Path) -> None:
    for pattern in (r"DV(?P<specimen>\d+)?", r"DV(?P<specimen>\d*)"):
        planned = one(write_picture(tmp_path / "DV.png"), PushDefaults("JAX", specimen_pattern=re.compile(pattern)))
        assert isinstance(planned, SkippedFile)
        assert planned.reason == "specimen_unknown"


def test_links_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    folder = tmp_path / "scans"
    picture = write_picture(folder / "DV.png")
    (folder / "broken_LAT.png").symlink_to("gone.png")
    (folder / "circle").symlink_to(folder)
    (folder / "good_LAT.png").symlink_to(picture)
    planned = list(from_files([folder], PushDefaults("JAX", "7")))
    assert [str(found.source) for found in planned] == [
        str(folder / name) for name in ("DV.png", "broken_LAT.png", "circle", "good_LAT.png")
    ]
    skipped = [(found.reason, found.message, found.failed) for found in planned if isinstance(found, SkippedFile)]
    assert skipped == [
        ("file_missing", "broken link to gone.png", True),
        ("folder_link", "links to folders are not followed; name the folder itself", True),
    ]
    (row,) = from_manifest([ManifestRow(folder / "broken_LAT.png", "7", "IMPC_XRY_048_001")], [], JAX)
    assert row == skipped_file(folder / "broken_LAT.png", "file_missing", "broken link to gone.png")
