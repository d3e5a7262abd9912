"""One run of the refresh, from a dataset to a decision; a step that is done is never repeated.

labels      checks whether the labels contradict the models that serve
NAME        trains each backbone, such as convnext, further from the version that serves
judge       compares candidate and active versions on the fixed evaluation set and applies the gate
number      chooses the number of the new version
export      exports the version and installs it in the repository that Triton serves from
admit       has Triton load it, and checks its golden inputs
decide      writes the decision to object storage
"""

from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from torch import nn

from services.common.errors import Rejected
from services.common.events.base import now
from services.common.settings import Settings
from services.common.store import ObjectStore
from services.registry.admit import admit_all
from services.registry.decision import Comparison, PromotionDecision, Reason, decision_key
from services.registry.repository import ModelRepository
from services.registry.triton_client import connect
from training.datasets.collect.dataset import Dataset
from training.evaluation.evaluate import EvaluatedBackbone, judge
from training.models.registry import BACKBONES, find_backbone
from training.refresh.gate import GateResult, active_prediction, candidate_prediction, judge_candidate
from training.refresh.install import export_candidate, install_versions, next_version, origin_of
from training.refresh.journal import Inputs, RefreshJournal
from training.refresh.label_check import check_labels
from training.refresh.schedule import Lease
from training.refresh.start import StartingPoint, TrainingInputs, read_weights, train_further, write_weights
from training.train.configuration import REFRESHES
from training.train.hardware import Hardware
from training.train.loop import SILENT, ProgressReporter


@dataclass(frozen=True)
class RefreshContext:
    """Servers, hardware and the progress reporter of a run; `threads` are those of ONNX Runtime."""

    settings: Settings
    store: ObjectStore
    repository: ModelRepository
    lease: Lease
    hardware: Hardware
    threads: int
    report: ProgressReporter = SILENT


@dataclass
class RefreshRun:
    """A run: its inputs, its journal and its context. `decide` does everything that is left to do."""

    inputs: Inputs
    dataset: Dataset
    start: StartingPoint
    journal: RefreshJournal
    context: RefreshContext

    def decide(self) -> PromotionDecision:
        """Return the decision; anything wrong with the candidate becomes a refusal with a reason, not an error."""
        done = self.journal.read("decide")
        if done is not None:
            return PromotionDecision.model_validate(done)
        try:
            reasons = self._candidate()
        except Rejected as rejected:
            reasons = [Reason(reason=rejected.reason, words=rejected.message)]
        decision = self._decision(reasons)
        self.context.store.put(
            decision_key(self.inputs.run), decision.model_dump_json(indent=2).encode(), "application/json"
        )
        self.journal.write("decide", decision.model_dump(mode="json"))
        return decision

    def versions(self) -> dict[str, int]:
        """Return the candidate's versions by model; empty before they are exported."""
        done = self.journal.read("export")
        return dict(done["versions"]) if done else {}

    def _candidate(self) -> list[Reason]:
        """Train, evaluate and install the candidate; returns the reasons for refusing it, if any."""
        reasons = self._check_labels()
        if not reasons:
            self._train()
            reasons = self._judge()
        if not reasons:
            self._export()
            self._admit()
        return reasons

    def _check_labels(self) -> list[Reason]:
        done = self.journal.read("labels")
        if done is None:
            record = check_labels(self.dataset, self.start, self.inputs.seed, self.context.threads)
            done = self.journal.write("labels", record)
        reasons = [Reason.model_validate(one) for one in done["contradictions"]]
        for one in reasons:
            self.context.report.message(f"labels: {one.words}")
        return [] if self.inputs.rules.trust_labels else reasons

    def _train(self) -> None:
        inputs = TrainingInputs(
            self.dataset.subset("train"),
            self.dataset.subset("validation"),
            self.inputs.seed,
            self.journal.folder,
            self.context.hardware,
            self.context.report,
        )
        for name in BACKBONES:
            if self.journal.read(name) is None:
                self.context.report.message(f"{name}: training further from version {self.start.versions[name]}")
                plan = find_backbone(name).plan(REFRESHES[self.start.size].name)
                path = self._weights_path(name)
                write_weights(path, train_further(self.start, name, plan, inputs))
                self.journal.write(name, {}, (path,))

    def _weights_path(self, name: str) -> Path:
        return self.journal.folder / f"{name}.safetensors"

    @cached_property
    def _backbones(self) -> dict[str, nn.Module]:
        return {name: read_weights(self._weights_path(name), name, self.start.size) for name in BACKBONES}

    @cached_property
    def _judged(self) -> dict[str, EvaluatedBackbone]:
        validation, evaluation = self.dataset.subset("validation"), self.dataset.evaluation()
        return {name: judge(backbone, validation, evaluation) for name, backbone in self._backbones.items()}

    def _judge(self) -> list[Reason]:
        done = self.journal.read("judge")
        if done is None:
            result = self._apply_gate()
            done = self.journal.write(
                "judge",
                {
                    "specimens": result.specimens,
                    "abnormal": result.abnormal,
                    "comparisons": [one.model_dump() for one in result.comparisons],
                    "reasons": [one.model_dump() for one in result.reasons],
                },
            )
        return [Reason.model_validate(one) for one in done["reasons"]]

    def _apply_gate(self) -> GateResult:
        evaluation = self.dataset.evaluation()
        active = active_prediction(self.start, evaluation, self.context.threads)
        return judge_candidate(evaluation.labels, active, candidate_prediction(self._judged), self.inputs.rules)

    def _export(self) -> None:
        if self.journal.read("export") is not None:
            return
        try:
            self._export_as(self.journal.read("number") or self._choose_number())
        except Rejected as rejected:
            if rejected.reason != "version_exists":
                raise
            self._export_as(self._choose_number())  # another version took the number in the meantime

    def _choose_number(self) -> dict[str, int]:
        return self.journal.write("number", {"version": next_version(self.context.repository, BACKBONES)})

    def _export_as(self, number: dict[str, int]) -> None:
        versions = dict.fromkeys(BACKBONES, number["version"])
        specimens = len(self.dataset.subset("train"))
        folder = self.journal.folder / "repository"
        export_candidate(
            self._judged,
            self._backbones,
            self.dataset.evaluation(),
            version=number["version"],
            size=self.start.size,
            origins={
                name: origin_of(self.start, name, self.inputs, specimens, self._judged[name].figures)
                for name in BACKBONES
            },
            folder=folder,
        )
        self.context.lease.confirm()
        install_versions(folder, self.context.repository, versions)
        self.journal.write("export", {"versions": versions})

    def _admit(self) -> None:
        if self.journal.read("admit") is not None:
            return
        self.context.lease.confirm()
        with closing(connect(self.context.settings)) as client:
            admit_all(self.context.settings, client, self.context.repository, self.versions())
        self.journal.write("admit", {})

    def _decision(self, reasons: list[Reason]) -> PromotionDecision:
        judged = self.journal.read("judge") or {}
        return PromotionDecision(
            run=self.inputs.run,
            outcome="refuse" if reasons else "promote",
            reasons=tuple(reasons),
            comparisons=tuple(Comparison.model_validate(one) for one in judged.get("comparisons", ())),
            specimens=judged.get("specimens", 0),
            abnormal=judged.get("abnormal", 0),
            candidate=self.versions(),
            activation=self.inputs.activation,
            active=self.inputs.versions,
            cards=self.inputs.cards,
            dataset_digest=self.inputs.dataset_digest,
            evaluation_digest=self.inputs.evaluation_digest,
            decided_at=now(),
        )
