from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from services.ingest.push.image import LocalFile, PushImage, SkippedFile, file_left_out
from services.ingest.push.plan import ManifestRow, PushDefaults, from_files, from_manifest
from tests.ingest.push.files import write_dicom, write_picture

JAX = PushDefaults("JAX")


def one(path: Path, given: PushDefaults = JAX) -> PushImage | SkippedFile:
    (planned,) = from_files([path], given)
    return planned


def test_a_dicom_header_says_specimen_view_and_time(tmp_path: Path) -> None:
    path = write_dicom(
        tmp_path / "1.bin",
        PatientID="183808",
        SeriesDescription="XRay Images Whole Body Lateral Orientation",
        AcquisitionDateTime="20240531120000+0000",
    )
    moment = datetime(2024, 5, 31, 12, tzinfo=UTC)
    assert one(path) == PushImage(LocalFile(path), "183808", "JAX", "IMPC_XRY_048_001", acquired_at=moment)


def test_body_part_and_view_position_say_the_view(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "1.dcm", PatientID="7", BodyPartExamined="SKULL", ViewPosition="DV")
    assert one(path) == PushImage(LocalFile(path), "7", "JAX", "IMPC_XRY_051_001")


def test_what_the_command_line_says_comes_first(tmp_path: Path) -> None:
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
        ("1.dcm", {"PatientID": "7"}, "parameter_unknown"),
    ],
)
def test_contradiction_or_silence_is_left_out_with_a_reason(
    tmp_path: Path, name: str, tags: dict[str, str], reason: str
) -> None:
    planned = one(write_dicom(tmp_path / name, **tags))
    assert isinstance(planned, SkippedFile)
    assert (planned.reason, planned.failed) == (reason, True)


def test_a_picture_needs_a_specimen_and_its_name_may_say_the_view(tmp_path: Path) -> None:
    path = write_picture(tmp_path / "m7_skull_DV.jpg")
    without = one(path)
    assert isinstance(without, SkippedFile)
    assert without.reason == "specimen_unknown"
    assert one(path, PushDefaults("JAX", "7")) == PushImage(LocalFile(path), "7", "JAX", "IMPC_XRY_051_001")


def test_an_observation_is_no_image_parameter(tmp_path: Path) -> None:
    planned = one(write_picture(tmp_path / "a.png"), PushDefaults("JAX", "7", "IMPC_XRY_008_001"))
    assert isinstance(planned, SkippedFile)
    assert planned.reason == "parameter_unknown"


def test_folders_are_searched_in_order_and_other_files_are_no_failure(tmp_path: Path) -> None:
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


def test_a_manifest_decides_and_names_what_it_does_not_list(tmp_path: Path) -> None:
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
        file_left_out(tmp_path / "elsewhere", "file_missing", "there is no such file")
    ]
