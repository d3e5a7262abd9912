"""A run with real networks and a real model repository; the servers are in tests/integration/test_refresh.py."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from services.common.model_card import card_pin
from services.registry.decision import PromotionDecision, decision_key
from services.registry.inspect import inspect
from services.registry.repository import ModelRepository
from tests.training.refresh.recorders import Lease, Objects, Servers
from tests.training.refresh.tiny import SIZE, allow_tiny, make_dataset, poisoned, write_first_version
from training.datasets.collect.dataset import Dataset
from training.models.registry import BACKBONES
from training.refresh import run as module
from training.refresh.journal import GateRules, Inputs, RefreshJournal
from training.refresh.run import RefreshContext, RefreshRun
from training.refresh.start import start_from
from training.train.hardware import Hardware

pytestmark = pytest.mark.timeout(900)  # it trains four small networks and exports four graphs

VERSIONS = dict.fromkeys(BACKBONES, 1)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return make_dataset(tmp_path_factory.mktemp("dataset") / "all")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, dataset: Dataset) -> Path:
    allow_tiny()
    root = tmp_path_factory.mktemp("models")
    for name in BACKBONES:
        write_first_version(root, name, 1, dataset)
    return root


def run_on(dataset: Dataset, root: Path, folder: Path, rules: GateRules) -> RefreshRun:
    repository, objects = ModelRepository(root), Objects()
    pins = {name: card_pin(repository.card_text(name, 1) or "") for name in BACKBONES}
    inputs = Inputs(
        dataset_digest=dataset.digest, evaluation_digest=dataset.description.evaluation.digest, activation=1,
        versions=VERSIONS, cards=pins, size=SIZE, plan="", rules=rules, seed=1,
    )  # fmt: skip
    settings: Any = Servers()
    store: Any = objects
    lease: Any = Lease()
    context = RefreshContext(settings, store, repository, lease, Hardware("cpu"), 1)
    return RefreshRun(
        inputs, dataset, start_from(repository, 1, VERSIONS, pins), RefreshJournal(folder, store, inputs.run), context
    )


def test_a_run_trains_passes_the_gate_and_installs_complete_versions(
    dataset: Dataset, served: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(served, tmp_path / "models")
    admitted: list[int] = []

    def admit_all(_settings: object, _client: object, repository: ModelRepository, versions: dict[str, int]) -> None:
        for name, version in versions.items():
            card = inspect(repository, name, version).card
            assert (card.training_digest, card.evaluation_key) == (dataset.digest, decision_key(run.inputs.run))
            assert card.weights_sha256
            admitted.append(version)

    monkeypatch.setattr(module, "admit_all", admit_all)
    run = run_on(dataset, tmp_path / "models", tmp_path / "run", GateRules())
    decision = run.decide()
    assert (decision.outcome, decision.reasons) == ("promote", ())
    assert decision.candidate == dict.fromkeys(BACKBONES, 2)
    assert admitted == [2, 2]
    assert {name: ModelRepository(tmp_path / "models").served(name) for name in BACKBONES} == {
        name: [1] for name in BACKBONES
    }
    _, level2, level3, _ = decision.comparisons
    assert level2.lowest > 0
    assert level3.lowest > 0


def test_flipped_labels_are_refused_by_the_label_check_and_if_trusted_by_the_gate(
    dataset: Dataset, served: Path, tmp_path: Path
) -> None:
    wrong = poisoned(dataset, tmp_path / "poisoned")
    assert reasons_of(run_on(wrong, served, tmp_path / "a", GateRules()).decide()) == {"labels_contradict_model"}
    accepting = run_on(wrong, served, tmp_path / "b", GateRules(trust_labels=True)).decide()
    assert reasons_of(accepting) >= {"level_worse"}
    assert accepting.comparisons[0].difference < -0.5
    assert ModelRepository(served).versions("cae") == [1]


def reasons_of(decision: PromotionDecision) -> set[str]:
    return {one.reason for one in decision.reasons}
