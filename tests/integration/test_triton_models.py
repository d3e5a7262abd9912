"""Both models on the real Triton give the same output as ONNX Runtime."""

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tritonclient import grpc
from tritonclient.utils import InferenceServerException

from deploy.local.stack import Stack
from training.export.graph import OUTPUTS, run_onnx
from training.export.targets import REPOSITORY
from training.models.registry import BACKBONES

pytestmark = pytest.mark.integration

Images = NDArray[np.uint8]
IMAGES: Images = np.random.default_rng(0).integers(0, 256, size=(6, 224, 224, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def client(stack: Stack) -> Iterator[Any]:
    connection = grpc.InferenceServerClient(stack.environment()["XRAY_TRITON_GRPC"])
    yield connection
    connection.close()


def _infer(
    client: Any, name: str, images: NDArray[Any], datatype: str = "UINT8", version: str = ""
) -> list[NDArray[np.float32]]:
    tensor = grpc.InferInput("image", list(images.shape), datatype)
    tensor.set_data_from_numpy(images)
    answer = client.infer(name, [tensor], model_version=version, client_timeout=60)
    return [answer.as_numpy(output) for output in OUTPUTS]


def _newest(name: str) -> bytes:
    newest = max((REPOSITORY / name).glob("*/model.onnx"), key=lambda path: int(path.parent.name))
    return newest.read_bytes()


@pytest.mark.parametrize("name", BACKBONES)
def test_answers_what_onnx_runtime_computes(client: Any, name: str) -> None:
    for ours, theirs in zip(run_onnx(_newest(name), IMAGES), _infer(client, name, IMAGES), strict=True):
        np.testing.assert_allclose(theirs, ours, atol=1e-5)


@pytest.mark.parametrize("name", BACKBONES)
def test_requests_that_share_a_batch_keep_their_own_answers(client: Any, name: str) -> None:
    alone = [_infer(client, name, IMAGES[index : index + 1]) for index in range(len(IMAGES))]
    with ThreadPoolExecutor(len(IMAGES)) as pool:
        together = list(pool.map(lambda index: _infer(client, name, IMAGES[index : index + 1]), range(len(IMAGES))))
    for single, shared in zip(alone, together, strict=True):
        for one, other in zip(single, shared, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-5)


@pytest.mark.parametrize("name", BACKBONES)
@pytest.mark.parametrize(
    ("images", "datatype"),
    [
        (np.zeros((1, 448, 448, 3), dtype=np.uint8), "UINT8"),
        (np.zeros((1, 224, 224), dtype=np.uint8), "UINT8"),
        (np.zeros((33, 224, 224, 3), dtype=np.uint8), "UINT8"),
        (np.zeros((1, 224, 224, 3), dtype=np.float32), "FP32"),
    ],
    ids=["side", "rank", "batch", "type"],
)
def test_wrong_tensor_is_an_invalid_argument(client: Any, name: str, images: NDArray[Any], datatype: str) -> None:
    with pytest.raises(InferenceServerException) as refusal:
        _infer(client, name, images, datatype)
    assert refusal.value.status() == "StatusCode.INVALID_ARGUMENT"
    _infer(client, name, IMAGES[:1])


def test_a_graph_that_does_not_match_its_card_returns_an_error_and_the_others_keep_serving(
    stack: Stack, client: Any
) -> None:
    served = Path(str(stack.servers["triton"].repository)) / "cae"  # type: ignore[attr-defined]
    torn = served / "2"
    shutil.copytree(served / "1", torn)
    (torn / "model.onnx").write_bytes(_newest("cae")[:-100])
    try:
        client.load_model("cae")
        with pytest.raises(InferenceServerException, match="card") as refusal:
            _infer(client, "cae", IMAGES[:1], version="2")
        assert refusal.value.status() == "StatusCode.NOT_FOUND"
        _infer(client, "cae", IMAGES[:1], version="1")
    finally:
        shutil.rmtree(torn)
        client.load_model("cae")
