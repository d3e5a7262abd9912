"""The job's own decisions and the order of its steps. Without a GPU, that TensorRT builds is not tested here."""

import gzip
import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.training.export import trtexec as stand_in
from training.export.job import build_plan
from training.export.job.build_plan import (
    PlanError,
    assert_precision,
    build,
    build_command,
    largest_difference,
    run_command,
    tensorrt_version,
)

REQUEST = {
    "input": "image",
    "shape": [224, 224, 3],
    "golden": 8,
    "profile": [1, 8, 32],
    "precision": "fp16",
    "kept_in_32_bits": 0,
    "onnx_sha256": "0" * 64,
    "largest_difference": 0.02,
}
GOLDEN = {"outputs": {"level1": [[0.1], [0.9]], "level2": [[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]]}}


def _layer(kind: str, *types: str) -> dict[str, Any]:
    return {"Name": f"a {kind}", "LayerType": kind, "Inputs": [{"Format/Datatype": each} for each in types]}


def _answer(**changed: list[float]) -> list[dict[str, Any]]:
    answers = {"level1": [0.1, 0.9], "level2": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6], **changed}
    return [{"name": name, "dimensions": "2xn", "values": values} for name, values in answers.items()]


def test_engine_is_asked_for_with_types_of_the_graph_and_a_profile() -> None:
    command = build_command("trtexec", Path("/models/cae/1"), Path("plan"), Path("layers"), REQUEST)
    assert command[:3] == ["trtexec", "--onnx=/models/cae/1/model.onnx", "--saveEngine=plan"]
    assert command[3:6] == [
        "--minShapes=image:1x224x224x3",
        "--optShapes=image:8x224x224x3",
        "--maxShapes=image:32x224x224x3",
    ]
    assert {"--stronglyTyped", "--noTF32", "--profilingVerbosity=detailed"} <= set(command)
    assert "--fp16" not in command


def test_engine_is_run_on_the_golden_inputs() -> None:
    command = run_command("trtexec", Path("plan"), Path("images"), Path("outputs"), REQUEST)
    assert {"--shapes=image:8x224x224x3", "--loadInputs=image:images", "--exportOutput=outputs"} <= set(command)


def test_precision_of_the_built_layers_is_asserted() -> None:
    half = [
        _layer("CaskConvolution", "Half"),
        _layer("gemm", "Row major linear FP16 format"),
        _layer("Reformat", "Float"),
    ]
    assert_precision({"Layers": half}, "fp16", 0)
    assert_precision({"Layers": [_layer("CaskConvolution", "Float")]}, "fp32", 0)
    with pytest.raises(PlanError, match="1 of 2 heavy layers do not compute in fp16"):
        assert_precision({"Layers": [_layer("CaskConvolution", "Half"), _layer("gemm", "Float")]}, "fp16", 0)
    assert_precision({"Layers": [_layer("CaskConvolution", "Half"), _layer("gemm", "Float")]}, "fp16", 1)
    with pytest.raises(PlanError, match="1 of 1 heavy layers"):
        assert_precision({"Layers": [_layer("gemm", "Float")]}, "fp16", 1)
    # Without --profilingVerbosity=detailed the list contains only names.
    with pytest.raises(PlanError, match="precision is unknown"):
        assert_precision({"Layers": ["conv + relu"]}, "fp16", 0)


def test_answers_are_compared_value_by_value() -> None:
    assert largest_difference(_answer(), GOLDEN) == 0
    assert largest_difference(_answer(level1=[0.1, 0.93]), GOLDEN) == pytest.approx(0.03)
    with pytest.raises(PlanError, match="returned NaN in level1"):
        largest_difference(_answer(level1=[0.1, float("nan")]), GOLDEN)
    with pytest.raises(PlanError, match="1 values of level1 instead of 2"):
        largest_difference(_answer(level1=[0.1]), GOLDEN)
    with pytest.raises(PlanError, match="0 values of level2 instead of 6"):
        largest_difference(_answer()[:1], GOLDEN)


@pytest.mark.parametrize(
    ("log", "version"),
    [
        ("[I] TensorRT version: 10.5.0\n", "10.5.0"),
        ("&&&& RUNNING TensorRT.trtexec [TensorRT v100500] # trtexec --onnx=model.onnx", "100500"),
    ],
)
def test_version_is_read_from_the_log(log: str, version: str) -> None:
    assert tensorrt_version(log) == version


def test_log_without_a_version_is_refused() -> None:
    with pytest.raises(PlanError, match="does not state"):
        tensorrt_version("nothing")


def test_a_graph_that_was_not_requested_is_refused_before_building(tmp_path: Path) -> None:
    (tmp_path / "plan_request.json").write_text(json.dumps(REQUEST))
    (tmp_path / "golden.json").write_text(json.dumps(GOLDEN))
    (tmp_path / "model.onnx").write_bytes(b"half an upload")
    with pytest.raises(PlanError, match="was requested"):
        build(tmp_path, "trtexec")


def test_a_build_that_fails_leaves_no_plan_and_gives_the_reason(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"graph")
    digest = hashlib.sha256(b"graph").hexdigest()
    (tmp_path / "plan_request.json").write_text(json.dumps({**REQUEST, "onnx_sha256": digest}))
    (tmp_path / "golden.json").write_text(json.dumps(GOLDEN))
    with pytest.raises(PlanError, match="exited with 1"):
        build(tmp_path, "false")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["golden.json", "model.onnx", "plan_request.json"]


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with one version to build, and programs on the PATH that stand in for trtexec and nvidia-smi."""
    version = tmp_path / "repository" / "cae" / "1"
    version.mkdir(parents=True)
    (version / "model.onnx").write_bytes(b"graph")
    request = {**REQUEST, "onnx_sha256": hashlib.sha256(b"graph").hexdigest()}
    (version / "plan_request.json").write_text(json.dumps(request))
    (version / "golden.json").write_text(json.dumps(GOLDEN))
    (version / "golden.bin.gz").write_bytes(gzip.compress(b"images"))
    for name in ("trtexec", "nvidia-smi"):
        program = tmp_path / name
        program.write_text(f'#!/bin/sh\nexec {sys.executable} {stand_in.__file__} "$@"\n')
        program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setenv("GPU", "H100")
    monkeypatch.setenv("GOLDEN", str(version / "golden.json"))
    monkeypatch.setenv("WRONG_BY", "0.001")
    return tmp_path / "repository"


def test_a_plan_that_is_proved_is_recorded_and_stays(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert build_plan.main([str(repository)]) == 0
    version = repository / "cae" / "1"
    record = json.loads((version / "plan.json").read_text())
    assert (record["tensorrt"], record["gpu"], record["precision"]) == ("10.5.0", "H100, 9.0, 570.0", "fp16")
    assert record["largest_difference"] == pytest.approx(0.001)
    assert record["plan_sha256"] == hashlib.sha256((version / "model.plan").read_bytes()).hexdigest()
    assert "built, differs by 1.0e-03" in capsys.readouterr().out
    assert build_plan.main([str(repository)]) == 0
    assert "the existing plan serves here" in capsys.readouterr().out
    assert not list(version.glob(".*")), "scratch folders are left"


def test_a_plan_of_another_gpu_is_built_again(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert build_plan.main([str(repository)]) == 0
    monkeypatch.setenv("GPU", "L40S")
    assert build_plan.main([str(repository)]) == 0
    assert "built for another device" in capsys.readouterr().err
    assert json.loads((repository / "cae" / "1" / "plan.json").read_text())["gpu"] == "L40S, 9.0, 570.0"


def test_a_plan_that_no_longer_agrees_is_removed(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert build_plan.main([str(repository)]) == 0
    monkeypatch.setenv("WRONG_BY", "0.3")
    assert build_plan.main([str(repository)]) == 1
    assert not (repository / "cae" / "1" / "model.plan").exists()


def test_job_runs_with_nothing_but_python_and_names_what_is_missing(tmp_path: Path) -> None:
    version = tmp_path / "cae" / "1"
    version.mkdir(parents=True)
    (version / "plan_request.json").write_text(json.dumps(REQUEST))
    done = subprocess.run(
        [sys.executable, "-I", "-S", build_plan.__file__, tmp_path],
        env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "no trtexec on PATH" in done.stderr
