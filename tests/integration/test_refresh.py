"""The refresh on real servers: killed at every step, run twice at once, poisoned, damaged, and promoted once."""

from collections.abc import Iterator
from contextlib import closing
from multiprocessing.context import ForkServerContext
from pathlib import Path

import pytest

from deploy.local.stack import Stack
from services.common.errors import Rejected
from services.common.events import ModelActivation
from services.common.store import ObjectStore
from services.common.topics import ACTIVE_MODELS
from services.operations.provisioning import prepare
from services.registry.admit import add_version
from services.registry.decision import read_decision
from services.registry.promote import promote
from services.registry.register import current
from services.registry.repository import ModelRepository
from services.registry.triton_client import connect
from tests.integration.test_cli import Cli
from tests.registry.under_load import read
from tests.training.refresh.process import context, refresh
from tests.training.refresh.tiny import allow_tiny, make_dataset, poisoned, write_first_version
from training.datasets.collect.dataset import Dataset
from training.models.registry import BACKBONES
from training.refresh.schedule import leased

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]

STEPS = ("labels", "convnext", "cae", "judge", "number", "export", "admit", "decide", "promote", "end")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return make_dataset(tmp_path_factory.mktemp("dataset") / "all")


@pytest.fixture(scope="module")
def server() -> ForkServerContext:
    return context()


@pytest.fixture(scope="module")
def cli(tmp_path_factory: pytest.TempPathFactory, dataset: Dataset) -> Iterator[Cli]:
    """A separate stack on which tiny models, trained on few specimens, serve as version 2."""
    stack = Stack(tmp_path_factory.mktemp("refresh"), tied=True)
    try:
        stack.up()
        command = Cli(stack, tmp_path_factory.mktemp("state"))
        list(prepare(command.settings))
        allow_tiny()
        exported = tmp_path_factory.mktemp("exported")
        repository = ModelRepository(command.settings.model_repository)
        for name in BACKBONES:
            write_first_version(exported, name, 2, dataset)
            add_version(ModelRepository(exported), repository, name, 2)
        with closing(connect(command.settings)) as client:
            promote(command.settings, client, repository, dict.fromkeys(BACKBONES, 2), why="a test", who="tests")
        yield command
    finally:
        stack.down()


def active(cli: Cli) -> ModelActivation:
    newest = current(cli.settings)
    assert newest is not None
    return newest


def arguments(dataset: Path, folder: Path, *more: str) -> list[str]:
    return ["--dataset", str(dataset), "--folder", str(folder), "--accelerator", "cpu", "--threads", "1", *more]


def test_of_two_at_once_one_exits_with_the_reason(
    cli: Cli, server: ForkServerContext, dataset: Dataset, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    with leased(cli.settings):
        assert refresh(server, cli.environment, arguments(dataset.folder, tmp_path), log) == 1
        with pytest.raises(Rejected, match="xray refresh"), leased(cli.settings):
            pass
    assert "refresh_running" in log.read_text()
    with leased(cli.settings):
        pass


def test_flipped_labels_are_refused_by_the_model_that_serves_and_if_trusted_by_the_gate(
    cli: Cli, server: ForkServerContext, dataset: Dataset, tmp_path: Path
) -> None:
    before, log = active(cli), tmp_path / "log"
    wrong = poisoned(dataset, tmp_path / "poisoned").folder
    assert refresh(server, cli.environment, arguments(wrong, tmp_path / "a"), log) == 1
    assert "labels_contradict_model" in log.read_text()
    assert refresh(server, cli.environment, arguments(wrong, tmp_path / "b", "--trust-labels"), log) == 1
    assert "level_worse, AUC level 1" in log.read_text()
    assert active(cli) == before


def test_a_harmed_version_is_refused_with_triton_s_or_the_card_s_reason_and_withdrawn(
    cli: Cli, server: ForkServerContext, dataset: Dataset, tmp_path: Path
) -> None:
    before, log = active(cli), tmp_path / "log"
    given = arguments(dataset.folder, tmp_path, "--sensitivity-margin", "0.2")
    assert refresh(server, cli.environment, given, log, harm="model.onnx") == 1
    assert "graph_digest_wrong" in log.read_text()
    repository = ModelRepository(cli.settings.model_repository)
    assert {name: repository.served(name) for name in BACKBONES} == {name: [1, 2] for name in BACKBONES}
    assert {name: repository.versions(name) for name in BACKBONES} == {name: [1, 2] for name in BACKBONES}
    assert active(cli) == before


def test_killed_at_every_step_current_models_keep_serving_and_the_last_run_promotes_once(
    cli: Cli, server: ForkServerContext, dataset: Dataset, tmp_path: Path
) -> None:
    before, log = active(cli), tmp_path / "log"
    given = arguments(dataset.folder, tmp_path, "--sensitivity-margin", "0.1")
    for step in STEPS:
        code = refresh(server, cli.environment, given, log, kill_at=step)
        assert code == -9, f"{step}: {log.read_text()}"
        if step != "end":
            assert active(cli) == before
    assert refresh(server, cli.environment, given, log) == 0, log.read_text()
    after = active(cli)
    assert after.activation == before.activation + 1
    assert after.evaluation_key is not None
    assert after.evaluation_key.startswith("refresh/")
    records = read(cli.settings, ACTIVE_MODELS.name, ModelActivation)
    assert [one.evaluation_key for one in records].count(after.evaluation_key) == 1
    assert refresh(server, cli.environment, given, log) == 0
    assert "nothing new" in log.read_text()
    assert active(cli) == after


def test_the_promoted_improvement_is_measurable(cli: Cli) -> None:
    newest = active(cli)
    assert newest.evaluation_key is not None
    decision = read_decision(ObjectStore(cli.settings), newest.evaluation_key)
    assert decision.outcome == "promote"
    assert all(one.difference >= 0 for one in decision.comparisons[:3])
    assert decision.comparisons[2].lowest > 0  # level 3, which the first version hardly learned
    (shown,) = cli.json("models", "show", "cae", newest.versions["cae"])
    assert (shown["decision"], shown["evaluation"]) == ("promote", newest.evaluation_key)
    assert shown["judged on"] == "120 specimens, 60 abnormal"
    assert shown["gate, AUC level 1"].startswith(f"{decision.comparisons[0].candidate:.3f} against ")
