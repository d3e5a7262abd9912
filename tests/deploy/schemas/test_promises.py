"""Committed schemas are binding: the files, and their versions in as much of git's history as the clone contains."""

import copy
import json
import subprocess
from pathlib import Path

import pytest

from deploy.schemas.contract import broken_promises, schemas
from deploy.schemas.json_schema import Schema

CALL = "phenotype_call.v1.json"
IMAGE = "image_event.v1.json"
MADE = schemas()


def git(folder: Path, *arguments: str) -> None:
    options = ("-c", "user.name=test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *options, *arguments], cwd=folder, check=True, capture_output=True)


def write(folder: Path, **files: Schema) -> None:
    folder.mkdir(exist_ok=True)
    for stem, schema in files.items():
        (folder / f"{stem}.v1.json").write_text(json.dumps(schema))


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """The folder of the schemas in a repository in which all of them are committed."""
    folder = tmp_path / "repository" / "json"
    folder.mkdir(parents=True)
    for name, schema in MADE.items():
        (folder / name).write_text(json.dumps(schema))
    git(folder, "init", "--quiet", "..")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "first")
    return folder


def without(name: str, field: str) -> dict[str, Schema]:
    made = copy.deepcopy(MADE)
    made[name]["properties"].pop(field)
    return made


def test_unchanged_schemas_break_nothing(clone: Path) -> None:
    assert broken_promises(MADE, clone) == []


def test_a_removed_field_is_found_from_the_file_alone(tmp_path: Path) -> None:
    write(tmp_path, phenotype_call=MADE[CALL])
    (problem,) = broken_promises(without(CALL, "uncertain"), tmp_path)
    assert problem == f"{CALL} breaks the file: uncertain: removed (removed, or renamed)"


def test_a_rewritten_file_does_not_hide_a_removed_field(clone: Path) -> None:
    broken = without(CALL, "uncertain")
    (clone / CALL).write_text(json.dumps(broken[CALL]))
    problems = broken_promises(broken, clone)
    assert len(problems) == 1
    assert "breaks commit" in problems[0]
    git(clone, "commit", "--quiet", "-a", "-m", "second")
    assert len(broken_promises(broken, clone)) == 1


def test_a_shallow_clone_checks_the_history_that_it_contains(clone: Path, tmp_path: Path) -> None:
    git(clone, "commit", "--quiet", "--allow-empty", "-m", "second")
    git(tmp_path, "clone", "--quiet", "--depth", "1", f"file://{clone.parent}", "shallow")
    shallow = tmp_path / "shallow" / "json"
    assert broken_promises(MADE, shallow) == []
    assert len(broken_promises(without(CALL, "uncertain"), shallow)) == 2


def test_a_deleted_version_is_reported(clone: Path) -> None:
    (clone / CALL).unlink()
    rest = {name: schema for name, schema in MADE.items() if name != CALL}
    assert any(problem.startswith(f"{CALL} is missing") for problem in broken_promises(rest, clone))
    git(clone, "commit", "--quiet", "-a", "-m", "second")
    assert any(problem.startswith(f"{CALL} is missing") for problem in broken_promises(rest, clone))


def test_a_new_version_may_change_anything_if_the_old_file_stays(clone: Path) -> None:
    made = without(CALL, "uncertain")
    made["phenotype_call.v2.json"] = made.pop(CALL)
    assert broken_promises(made, clone) == []


def test_only_a_topic_that_others_write_may_widen(clone: Path) -> None:
    made = copy.deepcopy(MADE)
    made[IMAGE]["properties"]["image_uri"]["maxLength"] = 4096
    assert broken_promises(made, clone) == []
    made[CALL]["properties"]["centre"]["maxLength"] = 128
    assert any("centre: widened" in problem for problem in broken_promises(made, clone))
