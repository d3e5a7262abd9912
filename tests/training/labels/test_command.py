"""The command as a user runs it."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
HEADER = "biological_sample_id,phenotyping_center,parameter_stable_id,value\n"
COMMAND = (sys.executable, "-W", "error", "-m", "services.cli.train.labels")


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "NO_COLOR": "1", "COLUMNS": "200"}
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=environment,
        timeout=60,
        check=False,
    )


def written(path: Path, content: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
    return path


def test_all_kinds_of_sources_in_any_order_make_one_set(tmp_path: Path) -> None:
    folder = tmp_path / "sources"
    table = written(folder / "a.csv", HEADER + "1,JAX,IMPC_XRY_056_001,yes\n2,JAX,IMPC_XRY_056_001,no\n")
    document = {"biological_sample_id": 3, "parameter_stable_id": "IMPC_XRY_056_001", "category": "no"}
    written(folder / "more" / "b.jsonl", json.dumps(document) + "\n")
    written(
        folder / "c.xml",
        '<centreProcedureSet><centre centreID="J"><experiment><specimenID>x</specimenID><procedure>'
        '<simpleParameter parameterID="IMPC_XRY_027_001"><value>abnormal</value></simpleParameter>'
        "</procedure></experiment></centre></centreProcedureSet>",
    )
    done = run(folder, "--out", tmp_path / "labels")
    assert done.returncode == 0, done.stderr
    assert "4 specimens: 2 normal, 2 abnormal, 0 left out" in done.stderr
    again = run(folder / "c.xml", table, folder / "more", table, "--out", tmp_path / "again")
    assert again.returncode == 0, again.stderr
    for name in ("labels.csv", "report.json", "report.md"):
        assert (tmp_path / "labels" / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


def test_an_error_names_file_line_and_remedy_and_writes_nothing(tmp_path: Path) -> None:
    source = written(tmp_path / "broken.jsonl", '{"parameter_stable_id": "a"}\n{"cut')
    done = run(source, "--out", tmp_path / "labels")
    assert done.returncode == 1
    assert f"{source}:2: not JSON" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "labels").exists()


@pytest.mark.parametrize("missing", ["file", "out", "empty folder"])
def test_wrong_arguments_are_explained(tmp_path: Path, missing: str) -> None:
    source = written(tmp_path / "a.csv", HEADER)
    (tmp_path / "empty").mkdir()
    arguments = {
        "file": (tmp_path / "nowhere.csv", "--out", tmp_path / "labels"),
        "out": (source,),
        "empty folder": (tmp_path / "empty", "--out", tmp_path / "labels"),
    }[missing]
    done = run(*arguments)
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    assert {"file": "does not exist", "out": "--out", "empty folder": "no files in"}[missing] in done.stderr


def test_an_output_folder_that_is_a_file_is_reported(tmp_path: Path) -> None:
    source = written(tmp_path / "a.csv", HEADER + "1,JAX,IMPC_XRY_056_001,yes\n")
    done = run(source, "--out", source)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert str(source) in done.stderr


def test_help_teaches() -> None:
    done = run("--help")
    assert done.returncode == 0
    for word in ("Solr", "XML", "CSV", "labels.csv", "Example"):
        assert word in done.stdout


def test_control_c_leaves_the_earlier_set_as_it_was(tmp_path: Path) -> None:
    small = written(tmp_path / "a.csv", HEADER + "1,JAX,IMPC_XRY_056_001,yes\n")
    out = tmp_path / "labels"
    assert run(small, "--out", out).returncode == 0
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    pipe = tmp_path / "endless.csv"
    os.mkfifo(pipe)
    process = subprocess.Popen([*COMMAND, pipe, "--out", out], cwd=ROOT, stderr=subprocess.PIPE, text=True)
    try:
        with pipe.open("w", encoding="utf-8"):
            time.sleep(0.2)
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=20)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
