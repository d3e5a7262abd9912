"""Serving versions are lost while a classifier runs under load: it reloads or falls back, and no call is lost."""

from collections.abc import Iterator
from typing import Any

import pytest

from services.common.events import PhenotypeCall, Rejection
from services.common.kafka.clients import publisher
from services.common.topics import ACTIVE_MODELS, REJECTED
from services.operations.processes import Processes
from services.registry.promote import promote, roll_back
from services.registry.register import current
from services.registry.repository import ModelRepository
from tests.integration.test_cli import Cli
from tests.registry.under_load import (
    Load,
    brought,
    calls,
    exported,
    lit,
    read,
    stack_of_its_own,
    tensor_keys,
    wait_for,
    wait_until,
)
from tests.registry.variants import MODEL, failing_on_light, not_numbers_on_light, shifted, write_variant

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]
SOUND, POISONED, FAILING = 2, 3, 4


@pytest.fixture(scope="module")
def cli(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    folder = tmp_path_factory.mktemp("lost")
    with stack_of_its_own(folder) as command:
        repository = ModelRepository(command.settings.model_repository)
        write_variant(folder / "variants", SOUND, shifted(0.2))
        write_variant(folder / "variants", POISONED, not_numbers_on_light)
        write_variant(folder / "variants", FAILING, failing_on_light)
        for version in (SOUND, POISONED, FAILING):
            brought(repository, folder / "variants", version)
        yield command


@pytest.fixture(scope="module")
def services(cli: Cli, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    with Processes(("classifier",), cli.environment, tmp_path_factory.mktemp("logs")) as processes:
        processes.wait_ready(180)
        yield processes


@pytest.fixture(scope="module")
def load(cli: Cli, services: Processes) -> Iterator[Load]:
    """One continuous load through all tests of this file."""
    with Load(cli.settings, tensor_keys(cli.settings, lit(3))) as running:
        yield running


def last(cli: Cli) -> PhenotypeCall:
    return calls(cli.settings)[-1]


def fallen_back(services: Processes) -> bool:
    return exported(services, "classifier", "xray_model_fallback") == 1


def called_by(cli: Cli, activation: int) -> bool:
    """Return whether the newest call was made by an activation."""
    return last(cli).activation == activation


def test_a_forged_record_changes_nothing(
    cli: Cli, services: Processes, client: Any, repository: ModelRepository, load: Load
) -> None:
    promoted = promote(cli.settings, client, repository, {MODEL: SOUND}, why="a test", who="tests")
    wait_until(lambda: called_by(cli, promoted.activation), 60, "calls by the promoted version")
    ahead = promoted.model_copy(update={"activation": 10**18, "versions": {MODEL: 99}, "earlier": ()})
    with publisher(cli.settings) as producer:
        for value in (ahead.encode(), b"\xff", b"{}", None):
            producer.send(ACTIVE_MODELS.name, key=promoted.key.encode(), value=value).get(30)
    made = len(calls(cli.settings))
    wait_until(lambda: exported(services, "classifier", "xray_activations_ignored") == 4, 60, "the records ignored")
    wait_until(lambda: len(calls(cli.settings)) > made, 60, "further calls")
    assert last(cli).activation == promoted.activation
    assert current(cli.settings) == promoted, "a process that starts now reads the same"
    back = roll_back(cli.settings, client, why="a test", who="tests")
    wait_until(lambda: called_by(cli, back.activation), 60, "calls by the set before")


def test_a_deleted_version_is_replaced_and_restored(
    cli: Cli, services: Processes, client: Any, repository: ModelRepository, load: Load
) -> None:
    promoted = promote(cli.settings, client, repository, {MODEL: SOUND}, why="a test", who="tests")
    wait_until(lambda: called_by(cli, promoted.activation), 60, "calls by the promoted version")
    folder = repository.folder(MODEL, SOUND)
    aside = folder.with_name(f".aside-{SOUND}")
    folder.rename(aside)
    client.load_model(MODEL)
    wait_until(lambda: fallen_back(services), 60, "xray_model_fallback")
    wait_until(lambda: called_by(cli, promoted.activation - 1), 60, "calls by the version before")
    aside.rename(folder)
    wait_until(lambda: not fallen_back(services), 90, "the promoted version tried again")
    wait_until(lambda: called_by(cli, promoted.activation), 60, "calls by the promoted version again")


def test_a_triton_without_any_model_is_given_them_back(cli: Cli, services: Processes, client: Any, load: Load) -> None:
    """As after a restart: in this control mode Triton then loads nothing."""
    newest = current(cli.settings)
    assert newest is not None
    reloads = exported(services, "classifier", "xray_model_reloads_total")
    for model in newest.versions:
        client.unload_model(model)
    seen = len(load.sent)
    wait_until(lambda: exported(services, "classifier", "xray_model_reloads_total") > reloads, 60, "a reload")
    wait_until(lambda: int(last(cli).biological_sample_id[1:]) > seen, 60, "calls after it")
    assert called_by(cli, newest.activation)
    assert not fallen_back(services)


def test_a_graph_that_is_damaged_while_triton_restarts_falls_back(
    cli: Cli, services: Processes, repository: ModelRepository, load: Load
) -> None:
    """The previous version is loaded from the same configuration; the damaged one must not prevent that."""
    newest = current(cli.settings)
    assert newest is not None
    graph = repository.folder(MODEL, newest.versions[MODEL]) / "model.onnx"
    whole = graph.read_bytes()
    cli.stack.kill("triton")
    graph.write_bytes(whole[:-100])
    cli.stack.start("triton")
    wait_until(lambda: fallen_back(services), 90, "xray_model_fallback")
    seen = len(load.sent)
    wait_until(lambda: int(last(cli).biological_sample_id[1:]) > seen, 60, "calls in spite of it")
    assert called_by(cli, newest.earlier[0].activation)
    graph.write_bytes(whole)
    wait_until(lambda: not fallen_back(services), 90, "the promoted version tried again")


@pytest.mark.parametrize("harmed", [POISONED, FAILING], ids=["nan", "error"])
def test_one_that_fails_on_real_specimens_only_falls_back(
    cli: Cli, services: Processes, client: Any, load: Load, harmed: int
) -> None:
    """Neither its golden inputs nor a probe reveal the damage, so it is admitted and promoted like any other."""
    before = current(cli.settings)
    assert before is not None
    repository = ModelRepository(cli.settings.model_repository)
    promoted = promote(cli.settings, client, repository, {MODEL: harmed}, why="a test", who="tests")
    seen = len(load.sent)
    wait_until(lambda: fallen_back(services), 60, "xray_model_fallback")
    wait_until(lambda: int(last(cli).biological_sample_id[1:]) > seen + 5, 90, "calls in spite of it")
    assert called_by(cli, before.activation)
    assert fallen_back(services)
    back = roll_back(cli.settings, client, why="a test", who="tests")
    assert back.activation == promoted.activation + 1
    wait_until(lambda: called_by(cli, back.activation), 60, "calls by the rollback")
    assert not fallen_back(services)


def test_none_of_the_load_was_lost_or_refused_or_called_by_a_version_that_fails(cli: Cli, load: Load) -> None:
    sent = set(load.sent)
    made = wait_for(cli.settings, sent, seconds=120)
    assert read(cli.settings, REJECTED.name, Rejection) == []
    for call in made.values():
        assert {output.model: output.version for output in call.models}[MODEL] not in {POISONED, FAILING}
