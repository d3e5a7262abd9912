"""From submissions to images and receipts."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from services.common.errors import Rejected
from services.ingest.dcc.content import DccSubmission, SubmittedAnimal
from services.ingest.dcc.plan import MediaLookup, read_submission, skip_shared
from services.ingest.dcc.receipts import SpecimenReceipt, SubmissionReceipts
from services.ingest.push.image import LocalFile, PushImage, SkippedFile
from services.ingest.submissions import specimen_id
from tests.ingest.dcc.test_media import never
from tests.ingest.submissions.submissions import experiment, medium, observed, submission

NOT_TAKEN = "<parameterStatus>IMPC_PARAMSC_001</parameterStatus>"


def planned(folder: Path, text: str, name: str = "s.xml") -> DccSubmission:
    (folder / name).write_text(text, encoding="utf-8")
    return read_submission(folder / name, MediaLookup(None, never))


def only(found: DccSubmission) -> SubmittedAnimal:
    (animal,) = found.animals.values()
    return animal


def pictures(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).write_bytes(name.encode())


def receipts(*submissions: DccSubmission) -> list[SpecimenReceipt]:
    """The receipts after every planned image has been received."""
    kept = SubmissionReceipts(submissions)
    for one in submissions:
        for animal in one.animals.values():
            for image in animal.images:
                if isinstance(image.planned, PushImage):
                    kept.record(image.planned)
    return kept.receipts()


def test_an_image_is_planned_with_all_its_metadata(tmp_path: Path) -> None:
    pictures(tmp_path, "dv.dcm")
    dorsal = medium("IMPC_XRY_034_001", "dv.dcm", associations=("IMPC_XRY_011_001",))
    found = planned(tmp_path, submission(experiment("A-1", dorsal)))
    (one,) = only(found).images
    assert isinstance(one.planned, PushImage)
    assert one.planned == PushImage(
        LocalFile(tmp_path / "dv.dcm"),
        specimen_id(None, None, "JAX", "A-1") or "",
        "JAX",
        "IMPC_XRY_034_001",
        increment="1",
        acquired_at=datetime(2024, 5, 2, tzinfo=UTC),
        metadata={
            "specimen": "A-1",
            "experiment": "e-A-1",
            "uri": "dv.dcm",
            "file_type": "image/dicom",
            "parameter_associations": "IMPC_XRY_011_001",
            "submission": found.key,
        },
    )


def test_received_is_compared_with_expected(tmp_path: Path) -> None:
    pictures(tmp_path, "dv.dcm", "lat.dcm", "skull.dcm", "dv3.dcm")
    whole = experiment(
        "whole",
        observed("IMPC_XRY_056_001", "no"),
        medium("IMPC_XRY_034_001", "dv.dcm"),
        medium("IMPC_XRY_048_001", "lat.dcm", "gone.dcm"),
        medium("IMPC_XRY_050_001", "skull.dcm"),
    )
    half = experiment("half", medium("IMPC_XRY_034_001", "dv3.dcm"))
    excused = experiment("excused", medium("IMPC_XRY_048_001").replace("></", f">{NOT_TAKEN}</"))
    undone = (
        '<experiment experimentID="e" dateOfExperiment="2024-05-02"><specimenID>undone</specimenID>'
        "<statusCode>IMPC_PSC_001</statusCode></experiment>"
    )
    found = receipts(planned(tmp_path, submission(whole, half, excused, undone)))
    assert [(one.specimen, one.expected, one.received, one.remarks) for one in found] == [
        ("whole", {"DV": 1, "LAT": 2, "other": 1}, {"DV": 1, "LAT": 1, "other": 1}, []),
        ("half", {"DV": 1, "LAT": 1, "other": 0}, {"DV": 1, "LAT": 0, "other": 0}, ["no LAT named"]),
        (
            "excused",
            {"DV": 1, "LAT": 1, "other": 0},
            {"DV": 0, "LAT": 0, "other": 0},
            ["LAT: IMPC_PARAMSC_001: equipment failed", "no DV named"],
        ),
        (
            "undone",
            {"DV": 0, "LAT": 0, "other": 0},
            {"DV": 0, "LAT": 0, "other": 0},
            ["not done: IMPC_PSC_001"],
        ),
    ]


def test_a_file_named_twice_under_one_parameter_is_one_image(tmp_path: Path) -> None:
    pictures(tmp_path, "dv.dcm")
    first = medium("IMPC_XRY_034_001", "dv.dcm", associations=("IMPC_XRY_011_001", "IMPC_XRY_018_001"))
    second = medium("IMPC_XRY_034_001", "dv.dcm", associations=("IMPC_XRY_018_001", "IMPC_XRY_020_001"))
    (one,) = only(planned(tmp_path, submission(experiment("A-1", first, second)))).images
    assert isinstance(one.planned, PushImage)
    ties = "IMPC_XRY_011_001,IMPC_XRY_018_001,IMPC_XRY_020_001"
    assert one.planned.metadata["parameter_associations"] == ties


def test_a_file_named_for_two_specimens_is_skipped(tmp_path: Path) -> None:
    pictures(tmp_path, "dv.dcm", "own.dcm")
    both = [
        experiment("A-1", medium("IMPC_XRY_034_001", "dv.dcm"), medium("IMPC_XRY_048_001", "own.dcm")),
        experiment("A-2", medium("IMPC_XRY_034_001", "./dv.dcm")),
    ]
    found = [planned(tmp_path, submission(one), f"{number}.xml") for number, one in enumerate(both)]
    skip_shared(found)
    plans = [one.planned for each in found for animal in each.animals.values() for one in animal.images]
    assert [one.reason if isinstance(one, SkippedFile) else None for one in plans] == [
        "media_shared",
        None,
        "media_shared",
    ]


def test_images_of_several_animals_together_and_other_procedures_are_skipped(tmp_path: Path) -> None:
    pictures(tmp_path, "dv.dcm")
    pair = experiment("A-1", medium("IMPC_XRY_034_001", "dv.dcm")).replace(
        "</specimenID>", "</specimenID><specimenID>A-2</specimenID>"
    )
    blood = experiment("A-3", medium("IMPC_HEM_001_001", "slide.jpg"), procedure="IMPC_HEM_001")
    nobody = experiment(" ", medium("IMPC_XRY_034_001", "dv.dcm"))
    found = planned(tmp_path, submission(pair, blood, nobody))
    assert [(line, reason) for line, reason, _ in found.unclear] == [(4, "several_specimens"), (16, "no_specimen")]
    assert (found.animals, found.other_procedures) == ({}, 1)


def test_a_parameter_that_is_not_an_image_parameter_is_skipped(tmp_path: Path) -> None:
    pictures(tmp_path, "dv.dcm")
    (one,) = only(planned(tmp_path, submission(experiment("A-1", medium("HAS_XRY_034_001", "dv.dcm"))))).images
    assert isinstance(one.planned, SkippedFile)
    assert one.planned.reason == "parameter_unknown"


def test_a_truncated_file_is_refused_as_a_whole_with_its_line(tmp_path: Path) -> None:
    pictures(tmp_path, "dv.dcm")
    text = submission(experiment("A-1", medium("IMPC_XRY_034_001", "dv.dcm")), experiment("A-2"))
    with pytest.raises(Rejected, match=r"s\.xml:\d+: not well-formed"):
        planned(tmp_path, text[:-60])
    with pytest.raises(Rejected) as refusal:
        read_submission(tmp_path / "none.xml", MediaLookup(None, never))
    assert refusal.value.reason == "unreadable_source"


def test_a_control_character_in_a_value_does_not_make_the_event_invalid(tmp_path: Path) -> None:
    pictures(tmp_path, "dv.dcm")
    text = submission(experiment("A-1", medium("IMPC_XRY_034_001", "dv.dcm")))
    (one,) = only(planned(tmp_path, text.replace('"e-A-1"', '"e&#10;1"'))).images
    assert isinstance(one.planned, PushImage)
    assert one.planned.metadata["experiment"] == "e 1"


def test_a_submission_with_an_unknown_centre_code_is_refused_with_its_line(tmp_path: Path) -> None:
    pictures(tmp_path, "dv.dcm")
    text = submission(experiment("A-1", medium("IMPC_XRY_034_001", "dv.dcm")), centre="JX")
    with pytest.raises(Rejected, match=r"s\.xml:4: 'JX' is not a known centreID; known are Bcm, .* Wtsi") as refusal:
        planned(tmp_path, text)
    assert refusal.value.reason == "centre_unknown"
