"""Versions are admitted, refused, promoted and rolled back on the real Triton and Kafka while calls are made."""

import shutil
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from services.classifier.serving import ActiveModelSet
from services.common.errors import Rejected, Retriable
from services.common.events import ModelActivation, Rejection
from services.common.store import ObjectStore
from services.common.topics import ACTIVE_MODELS, REJECTED
from services.operations.processes import Processes
from services.registry.active_models import ActiveModels
from services.registry.admit import admit
from services.registry.promote import promote, roll_back
from services.registry.register import current
from services.registry.repository import ModelRepository
from services.registry.triton_client import connect
from tests.integration.test_cli import Cli
from tests.registry.under_load import Load, brought, calls, lit, read, stack_of_its_own, tensor_keys, wait_for
from tests.registry.variants import MODEL, committed_golden, not_numbers, reordered, shifted, write_variant

LOST = Retriable("lost", server="triton", kind="NOT_FOUND")
pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def cli(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    with stack_of_its_own(tmp_path_factory.mktemp("models")) as command:
        yield command


def test_a_version_that_answers_wrongly_is_refused_and_nothing_changes(
    cli: Cli, client: Any, repository: ModelRepository, tmp_path: Path
) -> None:
    before = current(cli.settings)
    write_variant(tmp_path, 90, not_numbers, committed_golden())
    write_variant(tmp_path, 91, reordered, committed_golden())
    write_variant(tmp_path, 92, lambda graph: graph.graph.node[0].CopyFrom(graph.graph.node[-1]), committed_golden())
    for version, reason in ((90, "not_probabilities"), (91, "golden_differs"), (92, "not_loaded")):
        brought(repository, tmp_path, version)
        with pytest.raises(Rejected) as caught:
            admit(repository, client, MODEL, version)
        assert caught.value.reason == reason
        assert repository.served(MODEL) == [1]
        repository.remove(MODEL, version)
    shutil.copytree(
        repository.folder(MODEL, 1), repository.folder(MODEL, 93)
    )  # an incomplete upload: the card is missing
    with pytest.raises(Rejected, match="card_missing"):
        admit(repository, client, MODEL, 93)
    repository.remove(MODEL, 93)
    assert current(cli.settings) == before


def test_under_load_promotions_and_rollbacks_lose_no_call(
    cli: Cli, client: Any, repository: ModelRepository, tmp_path: Path
) -> None:
    for version in (2, 3):
        write_variant(tmp_path, version, shifted(version / 10))
        brought(repository, tmp_path, version)
    tensors = tensor_keys(cli.settings, lit(1))
    with Processes(("classifier",), cli.environment, tmp_path / "logs") as services:
        services.wait_ready()
        with Load(cli.settings, tensors) as load:
            for number in range(20):
                serves = current(cli.settings)
                assert serves is not None
                chosen = {MODEL: 3 if serves.versions[MODEL] == 2 else 2}
                promote(cli.settings, client, repository, chosen, why="a test", who="tests")
                if number % 4 == 3:
                    roll_back(cli.settings, client, why="a test", who="tests")
            last = current(cli.settings)
            assert last is not None
            started = time.monotonic()
            while calls(cli.settings)[-1].activation != last.activation:
                assert time.monotonic() - started < 5
        wait_for(cli.settings, set(load.sent))
    made = calls(cli.settings)
    records = {one.activation: one for one in read(cli.settings, ACTIVE_MODELS.name, ModelActivation)}
    assert len(records) == 26
    for call in made:
        versions = {output.model: output.version for output in call.models}
        assert versions == records[call.activation].versions
    order = [call.activation for call in made]
    assert order == sorted(order)
    assert len(set(order)) > 3
    assert read(cli.settings, REJECTED.name, Rejection) == []


def test_a_deleted_version_is_replaced_and_restored(cli: Cli, client: Any, repository: ModelRepository) -> None:
    newest = current(cli.settings)
    assert newest is not None
    version = newest.versions[MODEL]
    store = ObjectStore(cli.settings)
    with closing(ActiveModelSet(ActiveModels(cli.settings), connect(cli.settings), store)) as serving:
        assert serving.current().activation == newest.activation
        client.unload_model(MODEL)
        serving.failed(LOST)
        assert serving.current().activation == newest.activation  # loaded again
        folder = repository.folder(MODEL, version)
        aside = folder.with_name(f".aside-{version}")
        folder.rename(aside)
        client.load_model(MODEL)
        serving.failed(LOST)
        taken = serving.current()
        assert taken.activation < newest.activation == taken.newest
        assert version not in {backbone.version for backbone in taken.backbones if backbone.model == MODEL}
        aside.rename(folder)
        serving.failed(LOST)
        assert serving.current().activation == newest.activation


def test_an_operator_brings_promotes_and_takes_back_a_version(cli: Cli, tmp_path: Path) -> None:
    write_variant(tmp_path, 5, shifted(0.5))
    assert [one["added"] for one in cli.json("models", "add", tmp_path, f"{MODEL}=5")] == [True]
    assert roles(cli)[5] == "waiting"
    (record,) = cli.json("models", "promote", f"{MODEL}=5", "--why", "a test", "--who", "the tests")
    assert record["versions"][MODEL] == 5
    assert roles(cli)[5] == "active"
    (shown,) = cli.json("models", "show", MODEL, 5)
    assert (shown["by"], shown["why"], shown["files"]) == ("the tests", "a test", "match its card")
    (back,) = cli.json("models", "rollback", "--why", "another test")
    assert (back["activation"], back["versions"][MODEL] != 5) == (record["activation"] + 1, True)
    assert roles(cli)[5] == "served"


def roles(cli: Cli) -> dict[int, str]:
    return {one["version"]: one["role"] for one in cli.json("models", "list") if one["model"] == MODEL}
