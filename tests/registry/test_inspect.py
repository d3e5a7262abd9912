"""Versions that are refused because of their files, before any request to Triton."""

import gzip
import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from services.common.errors import Rejected
from services.registry import golden
from services.registry.admit import add_version
from services.registry.inspect import inspect
from services.registry.repository import ModelRepository, read_configuration, write_configuration
from tests.registry.variants import MODEL, shifted, write_variant


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("repository")
    write_variant(root, 2, shifted(0.1))
    return root


@pytest.fixture
def folder(written: Path, tmp_path: Path) -> Path:
    shutil.copytree(written, tmp_path / "source", symlinks=True)
    return tmp_path / "source" / MODEL / "2"


def test_a_complete_version_is_accepted(folder: Path) -> None:
    assert inspect(ModelRepository(folder.parents[1]), MODEL, 2).card.version == 2


def cut_short(folder: Path) -> None:
    (folder / "model.onnx").write_bytes((folder / "model.onnx").read_bytes()[:-100])


def other_golden(folder: Path) -> None:
    text = (folder / "golden.json").read_text()
    (folder / "golden.json").write_text(text.replace("0.", "0.0", 1))


def linked(folder: Path) -> None:
    outside = folder.parents[1].with_suffix(".onnx")
    (folder / "model.onnx").rename(outside)
    (folder / "model.onnx").symlink_to(outside)


def change_card(folder: Path, **changes: object) -> None:
    path = folder.parent / "config.pbtxt"
    configuration = read_configuration(path)
    parameter = configuration.parameters["card.2"]
    parameter.string_value = json.dumps(json.loads(parameter.string_value) | changes)
    write_configuration(path, configuration)


def unknown_escape(folder: Path) -> None:
    """Python's decoder of escapes only warns of this one, which the fuzzer found."""
    path = folder.parent / "config.pbtxt"
    path.write_text(path.read_text().replace('name: "', 'name: "\\:', 1))


def change_golden(folder: Path, **changes: object) -> None:
    """Change the golden outputs, and pin them: whoever brings the files brings the card too."""
    path = folder / "golden.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    change_card(folder, golden_sha256=hashlib.sha256(path.read_bytes()).hexdigest())


def nested_plan(folder: Path) -> None:
    (folder / "model.plan").write_bytes(b"x")
    (folder / "plan.json").write_text("[" * 100_000)


def other_labels(folder: Path) -> None:
    path = folder.parent / "config.pbtxt"
    labels = json.loads(read_configuration(path).parameters["card.2"].string_value)["labels"]
    change_card(folder, labels=labels[:1] + labels[:0:-1])


def other_weights(folder: Path) -> None:
    change_card(folder, weights_sha256="0" * 64)
    (folder / "weights.safetensors").write_bytes(b"other weights")


def with_plan(folder: Path, **changes: str) -> None:
    graph = hashlib.sha256((folder / "model.onnx").read_bytes()).hexdigest()
    record = {"onnx_sha256": graph, "plan_sha256": hashlib.sha256(b"a plan").hexdigest()} | changes
    (folder / "model.plan").write_bytes(b"a plan")
    (folder / "plan.json").write_text(json.dumps(record))


def test_a_plan_that_matches_its_record_is_accepted(folder: Path) -> None:
    with_plan(folder)
    inspect(ModelRepository(folder.parents[1]), MODEL, 2)


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        (cut_short, "graph_digest_wrong"),
        (lambda folder: change_card(folder, onnx_sha256="0" * 64), "graph_digest_wrong"),
        (lambda folder: (folder / "model.onnx").unlink(), "file_missing"),
        (lambda folder: (folder / "golden.json").unlink(), "file_missing"),
        (lambda folder: (folder / "golden.bin.gz").write_bytes(b"half"), "golden_damaged"),
        (other_golden, "golden_digest_wrong"),
        (unknown_escape, "configuration_unreadable"),
        (lambda folder: change_golden(folder, shape=[7]), "golden_damaged"),
        (lambda folder: change_golden(folder, shape=[-1]), "golden_damaged"),
        (lambda folder: change_golden(folder, outputs={"level1": [[]]}), "golden_damaged"),
        (lambda folder: change_golden(folder, outputs={"level1": [[10**400]]}), "golden_damaged"),
        (lambda folder: (folder.parent / "config.pbtxt").write_bytes(b"\xff"), "configuration_unreadable"),
        (nested_plan, "plan_differs"),
        (other_weights, "weights_digest_wrong"),
        (lambda folder: (folder / "weights.pkl").write_bytes(b"\x80\x04."), "file_unexpected"),
        (lambda folder: (folder / "model.plan").write_bytes(b"of nobody"), "plan_differs"),
        (lambda folder: with_plan(folder, plan_sha256="0" * 64), "plan_differs"),
        (lambda folder: with_plan(folder, onnx_sha256="0" * 64), "plan_differs"),
        (linked, "path_escapes"),
        (other_labels, "card_invalid"),
        (lambda folder: change_card(folder, version=3), "card_invalid"),
    ],
)
def test_damage_is_refused_with_its_reason(folder: Path, harm: Callable[[Path], None], reason: str) -> None:
    harm(folder)
    with pytest.raises(Rejected) as caught:
        inspect(ModelRepository(folder.parents[1]), MODEL, 2)
    assert caught.value.reason == reason


def test_a_record_of_a_plan_that_is_not_text_can_be_shown(folder: Path) -> None:
    """The fuzzer found a digest of half characters, which no terminal and no log can encode."""
    (folder / "model.plan").write_bytes(b"x")
    card = json.loads(read_configuration(folder.parent / "config.pbtxt").parameters["card.2"].string_value)
    (folder / "plan.json").write_text(json.dumps({"onnx_sha256": card["onnx_sha256"], "plan_sha256": "\udfff\ud800"}))
    with pytest.raises(Rejected) as caught:
        inspect(ModelRepository(folder.parents[1]), MODEL, 2)
    assert caught.value.reason == "plan_differs"
    assert caught.value.message.encode().endswith(rb"its card has '\udfff\ud800'")


def test_golden_images_are_inflated_up_to_a_limit(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    size = len(gzip.decompress((folder / golden.IMAGES_FILE).read_bytes()))
    monkeypatch.setattr(golden, "MOST_BYTES", size)
    assert golden.read_golden(folder).images.nbytes == size
    monkeypatch.setattr(golden, "MOST_BYTES", size - 1)
    with pytest.raises(Rejected, match="inflates to more than"):
        golden.read_golden(folder)


@pytest.mark.parametrize("name", ["../cae", "/etc", "..", "CAE", "c/e"])
def test_a_name_cannot_leave_the_repository(folder: Path, name: str) -> None:
    with pytest.raises(Rejected, match="path_escapes"):
        ModelRepository(folder.parents[1]).folder(name, 2)


def test_an_added_version_waits_runs_the_old_program_and_never_changes(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "served"
    write_variant(target, 1, shifted(0.0))
    own = target / MODEL / "1" / "model.py"
    program = own.read_bytes()
    source, served = ModelRepository(folder.parents[1]), ModelRepository(target)
    (folder.parents[1] / "model.py").write_text("import os")
    (served.root / MODEL / ".incoming-2").mkdir()  # left by an attempt that was killed
    assert add_version(source, served, MODEL, 2)
    assert served.served(MODEL) == [1]
    assert (target / MODEL / "2" / "model.py").read_bytes() == program
    assert not add_version(source, served, MODEL, 2)
    change_card(folder, description="another")
    with pytest.raises(Rejected, match="version_exists"):
        add_version(source, served, MODEL, 2)


def test_adding_pushes_no_version_out_that_serves(tmp_path: Path) -> None:
    """Under the policy of a fresh export, the newest two, a killed attempt leaves the third unnamed."""
    target = tmp_path / "served"
    for version in (1, 2):
        write_variant(target, version, shifted(0.0))
    write_variant(tmp_path / "new", 3, shifted(0.1))
    new, served = ModelRepository(tmp_path / "new"), ModelRepository(target)
    assert served.served(MODEL) == [1, 2]

    def killed(*_arguments: object) -> None:
        raise SystemExit

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ModelRepository, "put_card", killed)
        with pytest.raises(SystemExit):
            add_version(new, served, MODEL, 3)
    assert served.versions(MODEL) == [1, 2, 3]
    assert served.served(MODEL) == [1, 2]
    assert add_version(new, served, MODEL, 3)
    assert served.served(MODEL) == [1, 2]
