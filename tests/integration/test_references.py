"""A stranger's specimens on real servers: not called, called once its controls are a reference, and not after rollback.

The committed models get the optional outputs here: features and shift of the scores grow with the brightness of the
picture, so a centre whose pictures are bright is a stranger.
"""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from kafka import KafkaProducer
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from services.common.events import AnimalFacts, SpecimenView, TensorReady
from services.common.events.base import now
from services.common.preprocessing import GENERATION, VERSION
from services.common.store import ObjectStore
from services.common.topics import TENSORS
from services.fuser.service import npy
from services.operations.processes import Processes
from services.registry.admit import add_version
from services.registry.repository import ModelRepository
from tests.integration.test_cli import Cli
from tests.registry.references.controls import MODELS, set_card
from tests.registry.under_load import stack_of_its_own, wait_until
from tests.registry.variants import committed_golden
from training.export.graph import make_golden, sha256
from training.export.repository import read_cards, write_version
from training.export.targets import REPOSITORY

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

STRANGE = "UC Davis"
BRIGHT = 60
"""Grey levels that the stranger's pictures are brighter; 10 standard deviations of training's features."""
CONTROLS, EXPERIMENTAL = 30, 4


def measured(graph: onnx.ModelProto) -> None:
    """Make `scores`, `features` [n, 64] and `unfamiliar` [n, 1] functions of the first row's grey level.

    The features are four numbers, sixteen times: the configuration of a model gives its outputs one width.
    """
    optional = {"scores", "features", "unfamiliar"}
    for node in graph.graph.node:
        for names in (node.input, node.output):
            names[:] = [f"own.{name}" if name in optional else name for name in names]
    kept = [output for output in graph.graph.output if output.name not in optional]
    del graph.graph.output[:]
    graph.graph.output.extend(kept)
    constants: dict[str, NDArray[Any]] = {
        "extra.starts": np.array([0, 0], np.int64), "extra.ends": np.array([1, 4], np.int64),
        "extra.axes": np.array([1, 2], np.int64), "extra.six": np.array(6, np.float32),
        "extra.scale": np.array(0.7, np.float32), "extra.normal": np.array(-2, np.float32),
        "extra.ones": np.ones((1, 14), np.float32), "extra.shape": np.array([-1, 4], np.int64),
        "extra.channel_start": np.array([0], np.int64), "extra.channel_end": np.array([1], np.int64),
        "extra.channel_axis": np.array([3], np.int64), "extra.one": np.array(1, np.float32),
        "extra.second": np.array([1], np.int64), "extra.times": np.array([1, 16], np.int64),
    }  # fmt: skip
    graph.graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in constants.items())
    nodes = [
        helper.make_node("Cast", ["image"], ["extra.pixels"], to=onnx.TensorProto.FLOAT),
        helper.make_node("Slice", ["extra.pixels", "extra.starts", "extra.ends", "extra.axes"], ["extra.corner"]),
        helper.make_node(
            "Slice", ["extra.corner", "extra.channel_start", "extra.channel_end", "extra.channel_axis"], ["extra.four"]
        ),
        helper.make_node("Reshape", ["extra.four", "extra.shape"], ["extra.row"]),
        helper.make_node("Div", ["extra.row", "extra.six"], ["extra.features"]),
        helper.make_node("Tile", ["extra.features", "extra.times"], ["features"]),
        helper.make_node("ReduceMean", ["features", "extra.second"], ["extra.mean"], keepdims=1),
        helper.make_node("Mul", ["extra.mean", "extra.scale"], ["extra.more"]),
        helper.make_node("Add", ["extra.more", "extra.normal"], ["extra.score"]),
        helper.make_node("Mul", ["extra.score", "extra.ones"], ["scores"]),
        helper.make_node("Min", ["extra.mean", "extra.one"], ["unfamiliar"]),
    ]
    graph.graph.node.extend(nodes)
    for name, width in (("scores", 14), ("features", 64), ("unfamiliar", 1)):
        shape: list[str | int | None] = ["batch", width]
        graph.graph.output.append(helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape))


def write_measured(folder: Path, model: str) -> None:
    """Write version 2 of a model: the committed graph with the optional outputs."""
    graph = onnx.load(str(REPOSITORY / model / "1" / "model.onnx"))
    measured(graph)
    file = bytes(graph.SerializeToString(deterministic=True))
    golden = make_golden(file, committed_golden().images)
    changes = {
        "version": 2,
        "onnx_sha256": sha256(file),
        "golden_sha256": golden.digest(),
        "weights_sha256": "",
        "validation_sha256": "",
        "outputs": {"scores": 14, "features": 64, "unfamiliar": 1},
    }
    card = read_cards(REPOSITORY / model / "config.pbtxt")[1].model_copy(update=changes)
    write_version(card, file, golden, repository=folder)


def picture(number: int, grey: int) -> NDArray[np.uint8]:
    """A tensor whose first row tells its features: around `grey`, different for each number."""
    tensor = np.array(committed_golden().images[0], dtype=np.uint8)
    row = grey + np.random.default_rng(number).normal(0, 3, 4)
    tensor[0, :4, 0] = np.clip(row, 0, 255)
    return tensor


@pytest.fixture(scope="module")
def cli(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    """Servers and a classifier and sink that call with version 2 and its set card."""
    folder = tmp_path_factory.mktemp("references")
    with stack_of_its_own(folder) as command:
        for model in MODELS:
            write_measured(folder / "new", model)
            add_version(ModelRepository(folder / "new"), ModelRepository(command.settings.model_repository), model, 2)
        (folder / "set.json").write_text(set_card(features=64).model_dump_json())
        command("models", "promote", "convnext=2", "cae=2", "--set-card", folder / "set.json", "--why", "a test")
        with Processes(("classifier", "sink"), command.environment, folder / "logs") as processes:
            processes.wait_ready()
            yield command


def announce(cli: Cli, specimens: Mapping[str, tuple[int, str | None]], centre: str) -> None:
    """Announce a tensor of this grey level for each specimen, with its sample group."""
    store = ObjectStore(cli.settings)
    with closing(KafkaProducer(bootstrap_servers=cli.settings.kafka_bootstrap)) as producer:
        for number, (specimen, (grey, group)) in enumerate(specimens.items()):
            data = npy(picture(number, grey))
            digest = hashlib.sha256(data).hexdigest()
            store.put(f"tensors/{digest}.npy", data)
            view = SpecimenView(view="DV", image_sha256=digest, view_key="v")
            event = TensorReady(
                biological_sample_id=specimen, centre=centre, revision=2, views=(view, view),
                animal=None if group is None else AnimalFacts.model_validate({"sample_group": group}),
                tensor_key=f"tensors/{digest}.npy", tensor_sha256=digest, tensor_side=224,
                preprocessing_version=VERSION, preprocessing_generation=GENERATION,
                announced_at=now(), produced_at=now(),
            )  # fmt: skip
            producer.send(TENSORS.name, key=specimen.encode(), value=event.encode())
        producer.flush()


def outcomes(cli: Cli) -> dict[str, tuple[str, int, str]]:
    """The current outcome of every specimen: normal, abnormal or the reasons; activation; call id."""
    calls = cli.json("calls", "--limit", "100")
    abstentions = cli.json("calls", "--abstained", "--limit", "100")
    found: dict[str, tuple[str, int, str]] = {
        one["biological_sample_id"]: (("normal", "abnormal")[one["abnormal"]], one["activation"], one["call_id"])
        for one in calls
    }
    return found | {
        one["biological_sample_id"]: (",".join(one["reasons"]), one["activation"], one["call_id"])
        for one in abstentions
    }


def of(found: dict[str, tuple[str, int, str]], prefix: str) -> set[tuple[str, int]]:
    return {one[:2] for name, one in found.items() if name.startswith(prefix)}


def reprocess(cli: Cli) -> dict[str, Any]:
    (document,) = cli.json("reprocess", "--rate", "100")
    return dict(document)


def test_a_stranger_is_called_once_its_controls_are_a_reference_and_rollback_restores(cli: Cli) -> None:
    own = {f"own-{number}": (0, None) for number in range(3)}
    announce(cli, own, "JAX")
    announce(
        cli,
        {f"control-{number}": (BRIGHT, "control") for number in range(CONTROLS)}
        | {f"mouse-{number}": (BRIGHT, "experimental") for number in range(EXPERIMENTAL)},
        STRANGE,
    )
    total = len(own) + CONTROLS + EXPERIMENTAL
    wait_until(lambda: len(outcomes(cli)) == total, 60, "an outcome for every specimen")
    first = outcomes(cli)
    assert of(first, "own") == {("normal", 2)}
    assert of(first, "mouse") == of(first, "control") == {("no_reference", 2)}
    (centre,) = [one for one in cli.json("references", "centres") if one["centre"] == STRANGE]
    assert (centre["controls"], centre["missing"], centre["of these not called"]) == (CONTROLS, 0, total - len(own))

    (built,) = cli.json("references", "build")
    assert cli.json("references", "build") == [built]
    assert [(one["centre"], one["controls"], one["sufficient"]) for one in built["groups"]] == [
        (STRANGE, CONTROLS, True)
    ]
    assert reprocess(cli)["records"] == 0  # what is built changes nothing
    cli("references", "activate", built["sha256"][:10], "--why", "controls of the stranger")
    assert reprocess(cli)["records"] == total
    second = outcomes(cli)
    assert of(second, "mouse") == of(second, "own") == {("normal", 3)}
    assert not {one[2] for one in first.values()} & {one[2] for one in second.values()}
    (shown,) = cli.json("calls", "mouse-0")
    newest = next(one for one in shown["calls"] if one["current"])
    assert (newest["reference"]["sha256"], newest["reference"]["group"]) == (built["sha256"], STRANGE)
    assert newest["animal"]["sample_group"] == "experimental"
    assert reprocess(cli)["records"] == 0

    cli("references", "rollback", "--why", "a test")
    reprocess(cli)
    third = outcomes(cli)
    assert {name: one[0] for name, one in third.items()} == {name: one[0] for name, one in first.items()}
    assert {one[1] for one in third.values()} == {4}
