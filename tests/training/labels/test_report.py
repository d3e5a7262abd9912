"""The report and the table of a label set."""

import csv
import hashlib
import io
import json
from pathlib import Path

from services.common.labels import CALL_LABELS
from tests.training.labels.making import curate, record, wild_types
from training.labels.curation import LabelSet
from training.labels.report import LabelReport, write
from training.labels.report.model import ReportSource
from training.labels.report.write import digest, labels_csv
from training.labels.sources import Skipped, SourceLocation

SOURCE = ReportSource(file="experiment.jsonl", sha256="0" * 64, entries=14)


def example() -> LabelSet:
    """One specimen of each kind, at two centres."""
    return curate(
        [
            record("056", "yes", "abnormal"),
            record("018", "normal", "abnormal"),
            record("056", "no", "normal", centre="ICS"),
            record("027", "imageOnly", "normal", centre="ICS"),
            record("024", "abnormal", "limb"),
            record("035", "yes", "alive"),
            record("011", "fused", "torn", centre="ICS"),
            record("011", "not fused", "torn", centre="ICS"),
            record("001", "Mild | (1)", "odd"),
            record("HAS_XRY_056_001", "Severe (3)", "legacy"),
            record("IMPC_BWT_008_001", "21.4", "weighed"),
            Skipped("no_specimen", "give an id", SourceLocation("b.csv", 9)),
            Skipped("no_specimen", "give an id", SourceLocation("b.csv", 7)),
            *wild_types("008", *["13"] * 119, "14", strain="C57BL/6NCrl"),
        ]
    )


def report_of(tmp_path: Path) -> LabelReport:
    return write(tmp_path, example(), [SOURCE])


def test_the_table_has_a_row_for_each_specimen() -> None:
    rows = {row["biological_sample_id"]: row for row in csv.DictReader(io.StringIO(labels_csv(example())))}
    assert len(rows) == 126
    abnormal = rows["abnormal"]
    assert (abnormal["level1"], abnormal["excluded"], abnormal["abnormal_parameters"]) == ("1", "", "IMPC_XRY_056_001")
    assert {name: abnormal[name] for name in CALL_LABELS if abnormal[name]} == {"Spine": "1", "Shape": "1"}
    normal = rows["normal"]
    assert (normal["level1"], normal["centre"], normal["Spine"], normal["Joints"]) == ("0", "ICS", "0", "")
    assert (rows["limb"]["level1"], rows["limb"]["excluded"]) == ("1", "abnormal_elsewhere")
    assert {rows[name]["level1"] for name in ("alive", "torn", "odd")} == {""}


def test_counts(tmp_path: Path) -> None:
    report = report_of(tmp_path)
    assert (report.records, report.specimens, report.normal, report.abnormal) == (131, 126, 120, 2)
    assert report.excluded == {
        "abnormal_elsewhere": 1,
        "conflicting_records": 1,
        "nothing_scored": 1,
        "unreadable_value": 1,
    }
    jax, ics = report.centres["JAX"], report.centres["ICS"]
    assert (jax.specimens, jax.wild_types, jax.normal, jax.abnormal) == (124, 120, 119, 2)
    assert (ics.specimens, ics.normal, ics.abnormal, ics.excluded) == (2, 1, 0, {"conflicting_records": 1})
    assert report.labels["Spine"].model_dump() == {"abnormal": 1, "scored": 2}
    assert report.labels["Ribs"].model_dump() == {"abnormal": 1, "scored": 120}


def test_missingness_of_a_parameter(tmp_path: Path) -> None:
    parameters = report_of(tmp_path).parameters
    assert len(parameters) == 53
    assert parameters["IMPC_XRY_056_001"].model_dump(exclude={"name"}) == {
        "normal": 1,
        "abnormal": 1,
        "missing": 0,
        "unreadable": 0,
        "conflict": 0,
        "not_sent": 124,
    }
    assert (parameters["IMPC_XRY_027_001"].missing, parameters["IMPC_XRY_011_001"].conflict) == (1, 1)
    assert parameters["IMPC_XRY_001_001"].unreadable == 1


def test_reasons(tmp_path: Path) -> None:
    report = report_of(tmp_path)
    assert {reason: one.records for reason, one in report.ignored.items()} == {
        "another_procedure": 1,
        "legacy_parameter_set": 1,
        "not_an_observation": 1,
    }
    assert report.missing_reasons == {"imageOnly": 1}
    (skipped,) = report.skipped
    assert (skipped.reason, skipped.entries, skipped.first) == ("no_specimen", 2, "b.csv:7")
    (unreadable,) = report.unreadable_values
    assert (unreadable.centre, unreadable.value, unreadable.specimens) == ("JAX", "Mild | (1)", 1)
    (found,) = report.ranges
    assert (found.strain, found.low, found.high, found.wild_types) == ("C57BL/6NCrl", 13, 13, 120)
    (conflict,) = report.conflicts
    assert (conflict.specimen_id, conflict.sent) == ("torn", ("fused", "not fused"))


def test_the_version_is_the_digest_of_the_table(tmp_path: Path) -> None:
    report = report_of(tmp_path)
    assert hashlib.sha256((tmp_path / "labels.csv").read_bytes()).hexdigest() == report.digest
    assert json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))["digest"] == report.digest
    assert f"`{report.digest}`" in (tmp_path / "report.md").read_text(encoding="utf-8")


def test_another_label_is_another_version() -> None:
    first = curate([record("056", "no"), record("057", "no")])
    second = curate([record("056", "no"), record("057", "yes")])
    assert digest(labels_csv(first)) != digest(labels_csv(second))


def test_writing_twice_gives_the_same_bytes_and_leaves_no_other_files(tmp_path: Path) -> None:
    report_of(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    report_of(tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert set(before) == {"labels.csv", "report.json", "report.md"}


def test_text_from_centres_does_not_break_the_page(tmp_path: Path) -> None:
    report_of(tmp_path)
    page = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "| JAX | IMPC_XRY_001_001 | Mild \\| (1) | 1 |" in page
    assert "| C57BL/6NCrl | IMPC_XRY_008_001 | 13 to 13 | 120 |" in page


def test_an_empty_label_set_has_a_report(tmp_path: Path) -> None:
    report = write(tmp_path, curate([]), [])
    assert (report.specimens, report.normal, report.abnormal) == (0, 0, 0)
    assert (tmp_path / "labels.csv").read_text(encoding="utf-8").startswith("biological_sample_id,centre,")
