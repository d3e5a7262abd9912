import numpy as np
import onnx
import pytest
import torch

from training.export.graph import OUTPUTS, PARITY, ParityError, check_parity, export_onnx, run_onnx, sha256
from training.models.output import Calibration, ServedBackbone
from training.models.registry import BACKBONES, build_backbone

IMAGES = np.random.default_rng(0).integers(0, 256, size=(5, 224, 224, 3), dtype=np.uint8)


def _model(name: str) -> ServedBackbone:
    torch.manual_seed(0)
    return ServedBackbone(build_backbone(name, "small"), Calibration()).eval()


@pytest.fixture(scope="module", params=BACKBONES)
def exported(request: pytest.FixtureRequest) -> tuple[ServedBackbone, bytes]:
    model = _model(request.param)
    return model, export_onnx(model)


def test_onnx_runtime_computes_what_torch_computes(exported: tuple[ServedBackbone, bytes]) -> None:
    model, file = exported
    assert check_parity(file, model, IMAGES) <= PARITY
    with torch.no_grad():
        model.calibration.shift += 1.0
    with pytest.raises(ParityError, match="differs from the network"):
        check_parity(file, model, IMAGES)


def test_only_a_cast_reads_the_uint8_image(exported: tuple[ServedBackbone, bytes]) -> None:
    graph = onnx.load_from_string(exported[1]).graph
    assert [node.op_type for node in graph.node if "image" in node.input] == ["Cast"]
    assert graph.node[0].op_type == "Cast"


def test_contract_of_inputs_and_outputs(exported: tuple[ServedBackbone, bytes]) -> None:
    model = onnx.load_from_string(exported[1])
    assert all(entry.version >= 17 for entry in model.opset_import if not entry.domain)
    (image,) = model.graph.input
    assert image.name == "image"
    assert image.type.tensor_type.elem_type == onnx.TensorProto.UINT8
    dimensions = image.type.tensor_type.shape.dim
    assert dimensions[0].dim_param
    assert [dimension.dim_value for dimension in dimensions[1:]] == [224, 224, 3]
    assert tuple(output.name for output in model.graph.output) == OUTPUTS
    assert not any(tensor.external_data for tensor in model.graph.initializer)


@pytest.mark.parametrize("batch", [1, 5])
def test_every_batch_gives_probabilities(exported: tuple[ServedBackbone, bytes], batch: int) -> None:
    outputs = run_onnx(exported[1], IMAGES[:batch])
    assert [output.shape for output in outputs] == [(batch, 1), (batch, 3), (batch, 10)]
    assert all(((output >= 0) & (output <= 1)).all() for output in outputs)
    assert all(output.dtype == np.float32 for output in outputs)


def test_a_specimen_does_not_depend_on_its_batch(exported: tuple[ServedBackbone, bytes]) -> None:
    together = run_onnx(exported[1], IMAGES)
    alone = run_onnx(exported[1], IMAGES[2:3])
    for whole, single in zip(together, alone, strict=True):
        np.testing.assert_allclose(whole[2:3], single, atol=1e-6)


def test_tensors_of_another_resolution_are_exported() -> None:
    model = _model("convnext")
    file = export_onnx(model, 448)
    dimensions = onnx.load_from_string(file).graph.input[0].type.tensor_type.shape.dim
    assert [dimension.dim_value for dimension in dimensions[1:]] == [448, 448, 3]
    larger = np.random.default_rng(1).integers(0, 256, size=(2, 448, 448, 3), dtype=np.uint8)
    assert check_parity(file, model, larger) <= PARITY


def test_same_network_gives_the_same_file() -> None:
    assert sha256(export_onnx(_model("cae"))) == sha256(export_onnx(_model("cae")))
