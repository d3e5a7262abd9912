"""One contract on three targets; TensorRT itself needs a GPU and is not run here."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper
from tritonclient.grpc import model_config_pb2

from services.common.errors import Rejected
from services.common.labels import LABEL_ORDER
from services.common.model_card import ModelCard
from services.registry.golden import Golden, read_golden
from services.registry.repository import read_configuration
from training.export.graph import GOLDEN_SPECIMENS, export_onnx, make_golden, run_onnx, sha256
from training.export.repository import read_cards, write_version
from training.export.retarget import PrecisionError, assert_precision, retarget, with_precision
from training.export.tensorrt_rules import TensorRTRuleError, check_tensorrt_rules
from training.models.output import Calibration, ServedBackbone
from training.models.registry import build_backbone


@pytest.fixture(scope="module")
def graph() -> bytes:
    torch.manual_seed(0)
    return export_onnx(ServedBackbone(build_backbone("cae", "small"), Calibration()).eval())


@pytest.fixture(scope="module")
def golden(graph: bytes) -> Golden:
    images = np.random.default_rng(1).integers(0, 256, size=(GOLDEN_SPECIMENS, 224, 224, 3), dtype=np.uint8)
    return make_golden(graph, images)


@pytest.fixture(scope="module")
def repository(graph: bytes, golden: Golden, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("repository")
    card = ModelCard(
        model="cae", version=3, architecture="test", preprocessing_version="p1", tensor_side=224,
        labels=LABEL_ORDER, thresholds=(0.5,) * 14, uncertain_half_width=0.05, calibration_digest="0" * 64,
        training_digest="1" * 64, onnx_sha256=sha256(graph), description="text", golden_sha256=golden.digest(),
        limits=("not for people",), metrics={"AUC level 1": 0.9}, code_commit="abc",
    )  # fmt: skip
    write_version(card, graph, golden, repository=folder)
    return folder


def test_golden_inputs_come_back_with_their_outputs(repository: Path, golden: Golden, graph: bytes) -> None:
    found = read_golden(repository / "cae" / "3")
    assert np.array_equal(found.images, golden.images)
    served = dict(zip(golden.outputs, run_onnx(graph, found.images), strict=True))
    assert found.largest_difference(served) < 1e-6
    served["level2"] = served["level2"] + np.float32(0.25)
    assert found.largest_difference(served) == pytest.approx(0.25, abs=1e-5)


def test_damaged_golden_inputs_are_refused(tmp_path: Path, golden: Golden) -> None:
    for name, data in golden.files().items():
        (tmp_path / name).write_bytes(data)
    other = Golden(golden.images + np.uint8(1), golden.outputs)
    (tmp_path / "golden.bin.gz").write_bytes(other.files()["golden.bin.gz"])
    with pytest.raises(Rejected, match="golden_damaged"):
        read_golden(tmp_path)


def test_a_card_is_readable(repository: Path) -> None:
    text = (repository / "cae" / "3" / "card.md").read_text()
    assert "# cae, version 3" in text
    assert "- not for people" in text
    assert "| AUC level 1 | 0.9 |" in text
    assert "commit `abc`" in text


def test_triton_onnxruntime_backend_gets_the_same_contract(repository: Path, tmp_path: Path) -> None:
    weights = repository / "cae" / "3" / "weights.safetensors"
    weights.write_bytes(b"what the card pins")
    retarget(repository, "onnxruntime", tmp_path)
    weights.unlink()
    assert (tmp_path / "cae" / "3" / weights.name).read_bytes() == b"what the card pins"
    local = read_configuration(repository / "cae" / "config.pbtxt")
    configuration = read_configuration(tmp_path / "cae" / "config.pbtxt")
    assert configuration.backend == "onnxruntime"
    assert configuration.parameters["intra_op_thread_count"].string_value == "1"
    assert configuration.instance_group[0].kind == model_config_pb2.ModelInstanceGroup.KIND_CPU
    assert (configuration.input, configuration.output) == (local.input, local.output)
    assert configuration.max_batch_size == local.max_batch_size
    assert read_cards(tmp_path / "cae" / "config.pbtxt") == read_cards(repository / "cae" / "config.pbtxt")
    files = sorted(path.name for path in (tmp_path / "cae" / "3").iterdir())
    assert files == ["card.md", "golden.bin.gz", "golden.json", "model.onnx", "weights.safetensors"]


def test_tensorrt_repository_has_a_request_and_no_plan(repository: Path, tmp_path: Path) -> None:
    (written,) = retarget(repository, "tensorrt", tmp_path, "fp16")
    configuration = read_configuration(tmp_path / "cae" / "config.pbtxt")
    assert configuration.platform == "tensorrt_plan"
    assert configuration.default_model_filename == "model.plan"
    assert list(configuration.dynamic_batching.preferred_batch_size) == [8, 32]
    assert configuration.instance_group[0].kind == model_config_pb2.ModelInstanceGroup.KIND_GPU
    version = tmp_path / "cae" / "3"
    request = json.loads((version / "plan_request.json").read_text())
    assert request["onnx_sha256"] == sha256((version / "model.onnx").read_bytes())
    assert request["onnx_sha256"] == read_cards(tmp_path / "cae" / "config.pbtxt")[3].onnx_sha256
    assert request["shape"] == [224, 224, 3]
    assert not (version / "model.plan").exists()
    assert 0 < written.difference < request["largest_difference"]


def test_another_request_removes_the_old_plan_and_the_same_one_keeps_it(repository: Path, tmp_path: Path) -> None:
    retarget(repository, "tensorrt", tmp_path)
    plan = tmp_path / "cae" / "3" / "model.plan"
    plan.write_bytes(b"built before")
    retarget(repository, "tensorrt", tmp_path)
    assert plan.exists()
    retarget(repository, "tensorrt", tmp_path, "fp16")
    assert not plan.exists()


def test_killed_while_it_writes_no_old_plan_serves_under_a_new_card(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    retarget(repository, "tensorrt", tmp_path)
    version = tmp_path / "cae" / "3"
    for name in ("model.plan", "plan.json"):
        (version / name).write_bytes(b"built before")

    def killed(_path: Path, _data: bytes) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("training.export.repository.replace", killed)
    with pytest.raises(KeyboardInterrupt):
        retarget(repository, "tensorrt", tmp_path, "fp16")
    assert not {"model.plan", "plan.json"} & {path.name for path in version.iterdir()}


def test_repository_is_not_written_over_itself_nor_without_golden_inputs(repository: Path, tmp_path: Path) -> None:
    with pytest.raises(Rejected, match="same_repository"):
        retarget(repository, "tensorrt", repository)
    with pytest.raises(Rejected, match="no_models"):
        retarget(tmp_path, "tensorrt", tmp_path / "out")


def test_half_precision_is_in_the_graph_and_asserted(graph: bytes) -> None:
    half = with_precision(graph, "fp16")
    assert_precision(half, "fp16")
    assert_precision(graph, "fp32")
    with pytest.raises(PrecisionError, match="fp16 was requested"):
        assert_precision(graph, "fp16")
    with pytest.raises(PrecisionError, match="fp32 was requested"):
        assert_precision(half, "fp32")
    assert_precision(with_precision(graph, "fp16", 2), "fp16", 2)
    with pytest.raises(PrecisionError, match="'FLOAT': 2"):
        assert_precision(with_precision(graph, "fp16", 2), "fp16", 1)
    assert len(half) < 0.6 * len(graph)
    values = onnx.load_from_string(half).graph
    assert values.input[0].type.tensor_type.elem_type == TensorProto.UINT8
    assert {value.type.tensor_type.elem_type for value in values.output} == {TensorProto.FLOAT}


def test_exported_graph_keeps_tensorrt_rules_also_in_half_precision(graph: bytes) -> None:
    check_tensorrt_rules(graph)
    check_tensorrt_rules(with_precision(graph, "fp16"))


@pytest.mark.parametrize(
    ("operator", "kind", "opset", "text"),
    [
        ("Transpose", TensorProto.UINT8, 18, "cast first"),
        ("Transpose", TensorProto.UINT8, 18, "between operators is uint8"),
        ("Det", TensorProto.FLOAT, 18, "operator Det is not supported"),
        ("Relu", TensorProto.FLOAT, 13, "opset 13 is older"),
        ("Conv", TensorProto.FLOAT, 18, "reads weight, which must be a constant"),
    ],
)
def test_operators_that_tensorrt_rejects_are_found_without_it(operator: str, kind: int, opset: int, text: str) -> None:
    read = ["image", "weight"] if operator == "Conv" else ["image"]
    nodes = [helper.make_node(operator, read, ["middle"]), helper.make_node("Identity", ["middle"], ["level1"])]
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info(name, kind, ["batch", 4, 4]) for name in read],
        [helper.make_tensor_value_info("level1", kind, None)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)
    with pytest.raises(TensorRTRuleError, match=text):
        check_tensorrt_rules(model.SerializeToString())


def test_free_side_is_refused() -> None:
    graph = helper.make_graph(
        [helper.make_node("Relu", ["image"], ["level1"])],
        "test",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", "side"])],
        [helper.make_tensor_value_info("level1", TensorProto.FLOAT, ["batch", "side"])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    with pytest.raises(TensorRTRuleError, match="free dimension"):
        check_tensorrt_rules(model.SerializeToString())
