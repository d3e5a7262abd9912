"""`xray push` without servers: usage errors, dry runs, manifests."""

import json
from pathlib import Path
from typing import NoReturn

import pytest
from typer.testing import CliRunner, Result

from services.cli.main import app
from services.common.errors import Retriable
from tests.ingest.push.files import write_picture
from tests.ingest.submissions.submissions import experiment, medium, submission


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["scans"], "--centre"),
        (["--centre", "JAX"], "PATHS"),
        (["--dcc"], "PATHS"),
        (["--dcc", "a.xml", "--centre", "JAX"], "--dcc"),
        (["--dcc", "a.xml", "--manifest", "m.csv"], "--dcc"),
        (["--dcc", "a.xml", "--new-centre"], "--dcc"),
        (["scans", "--centre", "JAX", "--wait", "--dry-run"], "--wait"),
        (["scans", "--write-manifest", "new.csv", "--wait"], "--wait"),
        (["--dcc", "a.xml", "--media", "nowhere"], "--media"),
        (["--dcc", "a.xml", "--specimen-from", "(?P<specimen>.)"], "--dcc"),
        (["--dcc", "a.xml", "--write-manifest", "new.csv"], "--dcc"),
        (["--write-manifest", "new.csv"], "PATHS"),
        (["scans", "--manifest", "m.csv", "--write-manifest", "new.csv"], "--write-manifest"),
        (["scans", "--centre", "JAX", "--specimen-from", "(?P<specimen>"], "is not a regular expression"),
        (["scans", "--centre", "JAX", "--specimen-from", "([0-9]+)_"], "has no group named specimen"),
        (["scans", "--centre", "JAX", "--specimen", "7", "--specimen-from", "(?P<specimen>.)"], "--specimen-from"),
        (["--manifest", "m.csv", "--centre", "JAX", "--specimen-from", "(?P<specimen>.)"], "--manifest"),
    ],
)
def test_wrong_usage(arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m.csv").write_text("file,biological_sample_id,parameter_stable_id\n", encoding="utf-8")
    answer = CliRunner().invoke(app, ["push", *arguments])
    assert answer.exit_code == 2
    assert message in " ".join(answer.stderr.replace("│", " ").split())


def test_a_missing_submission_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    answer = CliRunner().invoke(app, ["push", "--dcc", "--dry-run", "none.xml"])
    assert answer.exit_code == 1
    assert "failed none.xml: No such file or directory (unreadable_source)" in answer.stderr


@pytest.mark.parametrize("command", [["push", "scans"], ["backfill", "--dry-run"]])
@pytest.mark.parametrize(
    ("centre", "suggestion"),
    [("Harwell", "did you mean MRC Harwell?"), ("jax", "did you mean JAX?"), ("Zentrum", "known are BCM, ")],
)
def test_an_unknown_centre_is_refused_with_the_closest_names(
    command: list[str], centre: str, suggestion: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XRAY_POSTGRES_DSN", "postgresql://xray@127.0.0.1:1/xray")
    answer = CliRunner().invoke(app, [*command, "--centre", centre])
    assert answer.exit_code == 2
    shown = " ".join(answer.stderr.split())
    assert f"centre {centre!r} is unknown; {suggestion}" in shown
    assert "(--new-centre confirms a new one)" in shown


@pytest.mark.parametrize("confirmed", [["Harwell", "--new-centre"], ["MRC Harwell"], ["MARC"], ["Demo JAX"]])
def test_a_confirmed_centre_of_impc_or_of_the_demo_is_accepted(confirmed: list[str], tmp_path: Path) -> None:
    write_picture(tmp_path / "7_DV.png")
    answer = push(tmp_path, "--specimen", "7", "--dry-run", "--centre", *confirmed)
    assert (answer.exit_code, answer.stderr) == (0, "1 to push\n")


def test_a_centre_that_the_ledger_knows_is_accepted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.cli.options._centres_of_the_ledger", lambda: {"Lab 7"})
    write_picture(tmp_path / "7_DV.png")
    assert push(tmp_path, "--specimen", "7", "--dry-run", "--centre", "Lab 7").exit_code == 0
    assert "did you mean Lab 7" in " ".join(push(tmp_path, "--centre", "Lab7").stderr.split())


def push(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["push", *map(str, arguments)])


def no_server(*_: object, **__: object) -> NoReturn:
    raise Retriable("no object storage at http://127.0.0.1:1")


@pytest.fixture
def without_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.cli.push.actions.connect", no_server)


@pytest.mark.usefixtures("without_servers")
def test_an_unreachable_server_is_the_only_message(tmp_path: Path) -> None:
    write_picture(tmp_path / "7_DV.png")
    (tmp_path / "day.xml").write_text(submission(experiment("A-1", medium("IMPC_XRY_034_001", "7_DV.png"))))
    (tmp_path / "m.csv").write_text("file,biological_sample_id,parameter_stable_id\n7_DV.png,7,IMPC_XRY_034_001\n")
    for arguments in (
        (tmp_path / "7_DV.png", "--centre", "JAX", "--specimen", "7"),
        ("--manifest", tmp_path / "m.csv", "--centre", "JAX"),
        ("--dcc", tmp_path / "day.xml"),
    ):
        answer = push(*arguments)
        assert isinstance(answer.exception, Retriable)
        assert (answer.stdout, answer.stderr) == ("", "")


@pytest.mark.usefixtures("without_servers")
def test_without_images_no_server_is_needed_and_the_inputs_are_the_message(tmp_path: Path) -> None:
    answer = push(tmp_path, "--centre", "JAX")
    assert (answer.exit_code, answer.stderr) == (0, "no image files found\n")
    for number in range(3):
        (tmp_path / f"{number}.txt").write_text("hello")
    answer = push(tmp_path, "--centre", "JAX")
    assert answer.exit_code == 0
    assert answer.stderr.endswith("\n3 not images\n")
    (tmp_path / "gone.png").symlink_to("nowhere.png")
    answer = push(tmp_path, "--centre", "JAX")
    assert answer.exit_code == 1
    assert f"failed {tmp_path / 'gone.png'}: broken link to nowhere.png (file_missing)" in answer.stderr
    assert answer.stderr.endswith("\n3 not images, 1 not pushed\n")


def test_the_specimen_comes_from_the_file_name(tmp_path: Path) -> None:
    write_picture(tmp_path / "183808_skull_lateral.jpg")
    answer = push(tmp_path, "--centre", "JAX", "--specimen-from", r"(?P<specimen>\d+)_", "--dry-run", "--json")
    assert answer.exit_code == 0
    assert json.loads(answer.stdout) == {
        "file": str(tmp_path / "183808_skull_lateral.jpg"),
        "outcome": "planned",
        "specimen": "183808",
        "parameter": "IMPC_XRY_050_001",
    }


def test_a_written_manifest_has_certain_values_and_empty_cells(tmp_path: Path) -> None:
    write_picture(tmp_path / "scans" / "183808_DV.png")
    write_picture(tmp_path / "scans" / "deep" / "unclear.png")
    (tmp_path / "scans" / "notes.txt").write_text("hello")
    manifest = tmp_path / "scans" / "m.csv"
    answer = push(tmp_path / "scans", "--write-manifest", manifest)
    assert answer.exit_code == 0
    assert f"{manifest}: 2 images; fill in the empty cells" in answer.stderr
    assert manifest.read_text().splitlines() == [
        "file,biological_sample_id,parameter_stable_id,increment,acquired_at,sha256,sample_group,sex,strain_accession_id",
        "183808_DV.png,,IMPC_XRY_034_001,,,,,,",
        "deep/unclear.png,,,,,,,,",
    ]
    again = push(tmp_path / "scans", "--write-manifest", manifest)
    assert "already exists" in str(again.exception)
    shown = push("--manifest", manifest, "--centre", "JAX", "--dry-run")
    assert str(shown.exception).splitlines()[1:] == [
        "  line 2: biological_sample_id is empty",
        "  line 3: biological_sample_id, parameter_stable_id is empty",
    ]


def test_unused_columns_of_a_manifest_are_named_once(tmp_path: Path) -> None:
    write_picture(tmp_path / "a.png")
    write_picture(tmp_path / "b.png")
    rows = "".join(f"{name}.png;7;IMPC_XRY_034_001;Akt2;tm1\n" for name in "ab")
    (tmp_path / "m.csv").write_text(f"file;biological_sample_id;parameter_stable_id;gene;allele\n{rows}")
    answer = push("--manifest", tmp_path / "m.csv", "--centre", "JAX", "--dry-run")
    assert answer.exit_code == 0
    assert answer.stderr.splitlines()[0] == f"warning: {tmp_path / 'm.csv'}: these columns are not used: gene, allele"
    assert answer.stderr.count("gene") == 1
    assert len(answer.stdout.splitlines()) == 2


def test_a_dry_run_names_an_unknown_centre_code(tmp_path: Path) -> None:
    write_picture(tmp_path / "dv.png")
    xml = tmp_path / "day.xml"
    xml.write_text(submission(experiment("A-1", medium("IMPC_XRY_034_001", "dv.png")), centre="JX"))
    answer = push("--dcc", xml, "--dry-run")
    assert answer.exit_code == 1
    assert f"failed {xml}: line 4: 'JX' is not a known centreID" in answer.stderr
    assert "(centre_unknown)" in answer.stderr


@pytest.mark.parametrize("command", ["push", "backfill"])
@pytest.mark.parametrize("columns", ["80", "120"])
def test_the_help_shows_each_example_on_its_own_line(command: str, columns: str) -> None:
    shown = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": columns}).stdout
    lines = [line.strip() for line in shown.splitlines()]
    examples = [line for line in lines if line.startswith("xray ")]
    assert len(examples) >= 4
    assert all(line.count("xray ") == 1 for line in examples)
    assert [line for line in lines if line.startswith(f"xray {command} ") and "--dry-run" in line]


def test_a_broken_link_to_a_submission_is_named(tmp_path: Path) -> None:
    (tmp_path / "day.xml").symlink_to("gone.xml")
    answer = push("--dcc", tmp_path, "--dry-run")
    assert answer.exit_code == 1
    assert f"failed {tmp_path / 'day.xml'}: No such file or directory (unreadable_source)" in answer.stderr
