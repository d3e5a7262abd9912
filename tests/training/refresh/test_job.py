"""The job's own logic: which steps run once, again or never. Small recorders replace the servers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from services.common.errors import Rejected
from services.common.events import ModelActivation
from services.common.events.base import now
from services.common.labels import LABEL_ORDER
from services.common.model_card import ModelCard
from services.registry.decision import PromotionDecision, decision_key, read_decision
from tests.training.refresh.predictions import flipped, prediction_of
from tests.training.refresh.recorders import Lease, Objects, Servers
from tests.training.refresh.tiny import SIZE, allow_tiny, specimens, write_dataset
from training.datasets.collect.dataset import Dataset
from training.datasets.store import Subset
from training.models.registry import BACKBONES, build_backbone
from training.models.spec import BackbonePlan
from training.refresh import job, label_check, run
from training.refresh.gate import ModelPrediction, candidate_prediction
from training.refresh.job import RefreshOutcome, RefreshRequest, refresh
from training.refresh.journal import GateRules, Record, RefreshJournal
from training.refresh.run import RefreshContext
from training.refresh.start import StartingPoint, TrainingInputs
from training.train.hardware import Hardware

STEPS = ("labels", "convnext", "cae", "judge", "number", "export", "admit", "decide", "promote", "end")
LOOSE = GateRules(auc_margin=0.5, sensitivity_margin=0.5, least_specimens=20, least_abnormal=10, trust_labels=True)
CARD = ModelCard(
    model="cae", version=1, architecture="", preprocessing_version="p2", tensor_side=224, labels=LABEL_ORDER,
    thresholds=(0.5,) * 14, uncertain_half_width=0, calibration_digest="", training_digest="", onnx_sha256="",
    description="",
)  # fmt: skip


class Killed(BaseException):
    """The process ends here."""


@dataclass
class World:
    """The state of the servers, and the actions on them."""

    folder: Path
    dataset: Dataset
    objects: Objects = field(default_factory=Objects)
    activations: list[ModelActivation] = field(default_factory=list)
    done: list[str] = field(default_factory=list)
    harm: Callable[[], None] = lambda: None
    strength: float = 0.2
    rules: GateRules = LOOSE

    def refresh(self, *, promote: bool = True) -> RefreshOutcome:
        anything: Any = self.objects
        lease: Any = Lease()
        settings: Any = Servers()
        nothing: Any = None
        context = RefreshContext(settings, anything, nothing, lease, Hardware("cpu"), 1)
        return refresh(context, RefreshRequest(self.folder, self.rules, promote, lambda: self.dataset))

    def newest(self) -> ModelActivation:
        return self.activations[-1]

    def activate(self, versions: Mapping[str, int], key: str | None = None) -> ModelActivation:
        self.activations.append(
            ModelActivation(
                activation=len(self.activations) + 1,
                versions=dict(versions),
                cards={name: str(version) * 64 for name, version in versions.items()},
                why="a test",
                evaluation_key=key,
                produced_at=now(),
            )
        )
        return self.newest()


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    images, labels = specimens(48, seed=5)
    parts = ("train",) * 12 + ("validation",) * 12 + ("test",) * 24
    return write_dataset(tmp_path_factory.mktemp("dataset") / "all", images, labels, parts)


@pytest.fixture
def world(tmp_path: Path, dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> World:
    made = World(tmp_path / "runs", dataset)
    allow_tiny()
    made.activate(dict.fromkeys(BACKBONES, 1))

    def start_from(_repository: object, activation: int, versions: Any, pins: Any) -> StartingPoint:
        return StartingPoint(activation, versions, pins, dict.fromkeys(BACKBONES, CARD), {}, SIZE)

    def active(_start: StartingPoint, subset: Subset, _threads: int) -> ModelPrediction:
        return prediction_of(dataset.labels[subset.rows], made.strength)  # from the truth, whatever the labels are

    def train_further(_start: StartingPoint, name: str, _plan: BackbonePlan, _inputs: TrainingInputs) -> nn.Module:
        made.done.append(f"train {name}")
        torch.manual_seed(0)
        return build_backbone(name, SIZE)

    def admit(*_arguments: object) -> None:
        made.done.append("admit")
        made.harm()

    def promote(
        _settings: object, _client: object, _repository: object, chosen: Any, **options: Any
    ) -> ModelActivation:
        if options["following"] != made.newest().activation:
            raise Rejected("activation_overtaken", "another one serves")
        made.done.append("promote")
        return made.activate(chosen, options["evaluation_key"])

    for module, name, stand_in in (
        (job, "active_activation", lambda _settings: made.newest()),
        (job, "start_from", start_from),
        (job, "promote", promote),
        (job, "withdraw_versions", lambda *_arguments: made.done.append("withdraw")),
        (run, "active_prediction", active),
        (label_check, "active_prediction", active),
        (run, "train_further", train_further),
        (run, "candidate_prediction", lambda _judged: prediction_of(made.dataset.evaluation().labels, 0.4)),
        (run, "next_version", lambda *_arguments: 2),
        (run, "export_candidate", lambda *_arguments, **_options: made.done.append("export")),
        (run, "install_versions", lambda *_arguments: made.done.append("add")),
        (run, "admit_all", admit),
    ):
        monkeypatch.setattr(module, name, stand_in)
    return made


def kill_at(monkeypatch: pytest.MonkeyPatch, step: str, *, before: bool) -> None:
    usual = RefreshJournal.write

    def write(self: RefreshJournal, name: str, record: Mapping[str, Any], files: tuple[Path, ...] = ()) -> Record:
        if name == step and before:
            raise Killed
        written = usual(self, name, record, files)
        if name == step:
            raise Killed
        return written

    monkeypatch.setattr(RefreshJournal, "write", write)


def test_killed_around_every_record_the_next_run_continues_and_promotes_once(world: World) -> None:
    for step in STEPS:
        for before in (True, False):
            with pytest.MonkeyPatch.context() as patch:
                kill_at(patch, step, before=before)
                with pytest.raises(Killed):
                    world.refresh()
            served = world.newest().versions
            assert served == dict.fromkeys(BACKBONES, 2 if world.done.count("promote") else 1)
            assert world.done.count("promote") <= (STEPS.index(step) >= STEPS.index("end"))
    outcome = world.refresh()
    assert (outcome.ending, outcome.new) == ("promoted", False)
    assert world.done.count("promote") == 1
    # A step whose record was written is not repeated.
    assert {name: world.done.count(name) for name in ("train cae", "admit")} == {"train cae": 2, "admit": 2}
    decision = read_decision(world.objects, decision_key(outcome.decision.run))  # type: ignore[arg-type]
    assert decision == outcome.decision
    assert world.newest().evaluation_key == decision_key(decision.run)


def test_the_same_inputs_are_decided_once_also_after_a_rollback(world: World) -> None:
    assert world.refresh().ending == "promoted"
    world.activate(dict.fromkeys(BACKBONES, 1))
    again = world.refresh()
    assert (again.ending, again.new) == ("promoted", False)
    assert world.newest().versions == dict.fromkeys(BACKBONES, 1)


def test_a_candidate_held_back_is_proven_but_not_promoted(world: World) -> None:
    outcome = world.refresh(promote=False)
    assert (outcome.ending, outcome.activation, outcome.decision.outcome) == ("held", None, "promote")
    assert world.done[-1] == "admit"
    assert outcome.decision.candidate == dict.fromkeys(BACKBONES, 2)


def test_a_worse_candidate_is_refused_with_figures_and_nothing_is_exported(world: World) -> None:
    world.strength, world.rules = 0.9, LOOSE.model_copy(update={"auc_margin": 0.01})
    outcome = world.refresh()
    assert outcome.ending == "refused"
    assert {one.reason for one in outcome.decision.reasons} >= {"level_worse"}
    assert len(outcome.decision.comparisons) == 4
    assert "export" not in world.done
    assert len(world.activations) == 1


def test_a_version_that_triton_refuses_is_withdrawn_and_the_reason_kept(world: World) -> None:
    def harm() -> None:
        raise Rejected("golden_differs", "its answers differ")

    world.harm = harm
    outcome = world.refresh()
    assert (outcome.ending, [one.reason for one in outcome.decision.reasons]) == ("refused", ["golden_differs"])
    assert world.done[-1] == "withdraw"
    assert len(world.activations) == 1


def test_flipped_labels_are_refused_before_anything_is_trained(world: World, tmp_path: Path) -> None:
    world.rules = LOOSE.model_copy(update={"trust_labels": False})
    learnt = np.array(world.dataset.parts) != "test"
    labels = np.where(learnt[:, None], flipped(world.dataset.labels), world.dataset.labels)
    world.dataset = write_dataset(tmp_path / "flipped", world.dataset.images, labels, world.dataset.parts)
    outcome = world.refresh()
    assert {one.reason for one in outcome.decision.reasons} == {"labels_contradict_model"}
    assert world.done == []


def test_a_candidate_whose_weights_are_not_numbers_is_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def train_further(_start: StartingPoint, name: str, _plan: BackbonePlan, _inputs: TrainingInputs) -> nn.Module:
        backbone = build_backbone(name, SIZE)
        for parameter in backbone.parameters():
            parameter.data.fill_(float("nan"))
        return backbone

    monkeypatch.setattr(run, "train_further", train_further)
    monkeypatch.setattr(run, "candidate_prediction", candidate_prediction)
    outcome = world.refresh()
    assert [one.reason for one in outcome.decision.reasons] == ["not_probabilities"]
    assert world.done == []


def test_a_new_activation_ends_a_run_that_was_stopped(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.MonkeyPatch.context() as patch:
        kill_at(patch, "judge", before=True)
        with pytest.raises(Killed):
            world.refresh()
    world.activate(dict.fromkeys(BACKBONES, 7))
    outcome = world.refresh()
    assert outcome.decision.active == dict.fromkeys(BACKBONES, 7)
    assert outcome.ending == "promoted"


def test_a_candidate_retired_during_its_run_ends_the_run_and_blocks_no_other(world: World) -> None:
    def missing(*_arguments: object, **_options: object) -> ModelActivation:
        raise Rejected("version_missing", "somebody has retired it")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(job, "promote", missing)
        assert world.refresh().ending == "refused"
    assert world.done.count("withdraw") == 1
    assert world.newest().versions == dict.fromkeys(BACKBONES, 1)
    world.activate(dict.fromkeys(BACKBONES, 7))
    assert world.refresh().ending == "promoted"


def test_versions_rolled_back_after_a_kill_are_not_promoted_again(world: World) -> None:
    with pytest.MonkeyPatch.context() as patch:
        kill_at(patch, "end", before=True)
        with pytest.raises(Killed):
            world.refresh()
    assert world.newest().versions == dict.fromkeys(BACKBONES, 2)
    world.activate(dict.fromkeys(BACKBONES, 1))
    assert world.refresh().ending == "overtaken"
    assert world.newest().versions == dict.fromkeys(BACKBONES, 1)
    assert isinstance(world.refresh().decision, PromotionDecision)
    assert world.done.count("promote") == 1
