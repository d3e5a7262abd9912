"""The media entries of a submission."""

import time
from io import BytesIO
from pathlib import Path

import pytest

from services.common.errors import Rejected
from services.ingest.submissions import Experiment, Medium, read_experiments
from tests.ingest.submissions.submissions import experiment, medium, observed, submission


def read(text: str) -> list[Experiment]:
    return list(read_experiments(BytesIO(text.encode()), Path("s.xml")))


def test_an_image_has_its_parameter_increment_type_associations_and_line() -> None:
    dorsal = medium("IMPC_XRY_034_001", "a b.dcm", "c.dcm", associations=("IMPC_XRY_011_001", "IMPC_XRY_018_001"))
    (one,) = read(submission(experiment("A-1", observed("IMPC_XRY_056_001", "no"), dorsal)))
    assert (one.centre, one.experiment_id, one.date, one.procedure) == ("JAX", "e-A-1", "2024-05-02", "IMPC_XRY_001")
    assert (one.specimens, len(one.values)) == (("A-1",), 1)
    ties = ("IMPC_XRY_011_001", "IMPC_XRY_018_001")
    assert one.media == (
        Medium("IMPC_XRY_034_001", 8, "a b.dcm", "1", "image/dicom", ties),
        Medium("IMPC_XRY_034_001", 8, "c.dcm", "2", "image/dicom", ties),
    )


def test_all_three_kinds_of_media_parameters_name_files() -> None:
    single = '<mediaParameter parameterID="IMPC_XRY_034_001" URI="one.dcm" fileType="x"/>'
    sample = (
        '<mediaSampleParameter parameterID="IMPC_XRY_048_001"><mediaSample localId="1"><mediaSection localId="2">'
        '<mediaFile localId="3" URI="two.dcm" fileType="x"/></mediaSection></mediaSample></mediaSampleParameter>'
    )
    (one,) = read(submission(experiment("A-1", single, sample, medium("IMPC_XRY_050_001", "three.dcm"))))
    assert [(found.parameter[9:12], found.uri) for found in one.media] == [
        ("034", "one.dcm"),
        ("048", "two.dcm"),
        ("050", "three.dcm"),
    ]


def test_a_view_that_was_not_taken_has_its_status_and_metadata_is_not_an_image() -> None:
    text = (
        '<seriesMediaParameter parameterID="IMPC_XRY_048_001"><parameterStatus>IMPC_PARAMSC_001</parameterStatus>'
        '<procedureMetadata parameterID="IMPC_XRY_041_001"><value>Maria</value></procedureMetadata>'
        "</seriesMediaParameter>"
    )
    (one,) = read(submission(experiment("A-1", text)))
    assert one.media == (Medium("IMPC_XRY_048_001", 7, status="IMPC_PARAMSC_001"),)
    assert one.values == ()


@pytest.mark.parametrize("many", ["values", "associations"])
def test_too_many_media_are_refused_quickly(many: str) -> None:
    ties = tuple(["IMPC_XRY_011_001"] * 60_000) if many == "associations" else ()
    uris = ["a.dcm"] * (60_000 if many == "values" else 1)
    text = submission(experiment("A-1", medium("IMPC_XRY_034_001", *uris, associations=ties)))
    started = time.process_time()
    with pytest.raises(Rejected, match="more than 10000 values"):
        read(text)
    assert time.process_time() - started < 5


def test_the_dcc_s_own_examples(real_pictures: Path) -> None:
    for name, centre, parameters in (
        ("dcc_submission_IMPC_XRY_001.xml", "MRC Harwell", ["048", "034", "034"]),
        ("dcc_submission_pipeline_example.xml", "JAX", ["034", "050"]),
    ):
        path = real_pictures / "examples" / name
        with path.open("rb") as file:
            (one,) = read_experiments(file, path)
        assert (one.centre, [found.parameter[9:12] for found in one.media]) == (centre, parameters)
        assert all(found.associations for found in one.media)
