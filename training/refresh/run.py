"""One run of the refresh: from a dataset to a decision, step by step; each step that is done is never done again.

labels      do they contradict the models that serve?
convnext    trained on from the version that serves
cae         likewise
judge       candidate and active on the fixed evaluation set, and the gate
number      of the new version
export      as a version of that number, brought into the repository that Triton serves from
admit       loaded, and asked for its golden inputs, by the real Triton
decide      the decision, into object storage
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from rich.console import Console
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
from training.models.build import BACKBONES
from training.refresh.bring import add, export, next_version, origin_of
from training.refresh.contradiction import contradictions, expected_of
from training.refresh.gate import LEVEL_NAMES, GateResult, judge_candidate
from training.refresh.inputs import Inputs
from training.refresh.journal import RefreshJournal
from training.refresh.lease import Lease
from training.refresh.opinions import active_opinion, candidate_opinion, drawn
from training.refresh.start import StartingPoint
from training.refresh.train import TrainingSchedule, read_weights, train_on, write_weights
from training.train.hardware import Hardware
from training.train.plan import REFRESHES, Configuration

LOOKED_AT: Final = 1000
"""Training specimens on which labels are compared with what serves, drawn by the seed."""


@dataclass(frozen=True)
class RefreshContext:
    """Servers, and what a run computes on."""

    settings: Settings
    store: ObjectStore
    repository: ModelRepository
    lease: Lease
    hardware: Hardware
    threads: int
    console: Console


@dataclass
class RefreshRun:
    """What a run is made from and where it lies; `decide` does all that is left to do of it."""

    inputs: Inputs
    dataset: Dataset
    start: StartingPoint
    journal: RefreshJournal
    place: RefreshContext

    @property
    def configuration(self) -> Configuration:
        """The schedule for networks of the start's size."""
        return REFRESHES[self.start.size]

    def decide(self) -> PromotionDecision:
        """Return the decision; whatever is wrong with the candidate is a refusal with a reason, not an error."""
        done = self.journal.read("decide")
        if done is not None:
            return PromotionDecision.model_validate(done)
        try:
            reasons = self._candidate()
        except Rejected as rejected:
            reasons = [Reason(reason=rejected.reason, words=rejected.message)]
        decision = self._decision(reasons)
        self.place.store.put(
            decision_key(self.inputs.run), decision.model_dump_json(indent=2).encode(), "application/json"
        )
        self.journal.write("decide", decision.model_dump(mode="json"))
        return decision

    def versions(self) -> dict[str, int]:
        """Return the candidate's versions, once they are exported."""
        done = self.journal.read("export")
        return dict(done["versions"]) if done else {}

    def _candidate(self) -> list[Reason]:
        """Make and prove the candidate; returns why it is refused, if it is."""
        reasons = self._contradictions()
        if not reasons:
            self._train()
            reasons = self._judge()
        if not reasons:
            self._export()
            self._admit()
        return reasons

    def _contradictions(self) -> list[Reason]:
        done = self.journal.read("labels") or self.journal.write("labels", self._looked_at_labels())
        reasons = [Reason.model_validate(one) for one in done["contradictions"]]
        for one in reasons:
            self.place.console.print(f"labels: {one.words}", soft_wrap=True, markup=False)
        return [] if self.inputs.rules.trust_labels else reasons

    def _looked_at_labels(self) -> dict[str, object]:
        learnt = drawn(self.dataset.subset("train"), LOOKED_AT, self.inputs.seed)
        judged = self.dataset.evaluation()
        served = [active_opinion(self.start, one, self.place.threads).served for one in (learnt, judged)]
        on_cards = [card.metrics for card in self.start.cards.values()]
        known = {
            name: min(one[name] for one in on_cards)
            for name in LEVEL_NAMES.values()
            if all(name in one for one in on_cards)
        }
        found = expected_of(judged.labels, served[1])
        reasons = contradictions("evaluation", judged.labels, served[1], known)
        reasons += contradictions("training", learnt.labels, served[0], found)
        return {
            "active": {"training": expected_of(learnt.labels, served[0]), "evaluation": found, "card": known},
            "contradictions": [one.model_dump() for one in reasons],
        }

    def _train(self) -> None:
        schooling = TrainingSchedule(
            self.dataset.subset("train"),
            self.dataset.subset("validation"),
            self.configuration,
            self.journal.folder,
            self.place.hardware,
            self.place.console,
        )
        for name in BACKBONES:
            if self.journal.read(name) is None:
                self.place.console.print(f"{name}: trained on from version {self.start.versions[name]}")
                path = self.journal.folder / f"{name}.safetensors"
                write_weights(path, train_on(self.start, name, schooling))
                self.journal.write(name, {}, (path,))

    @cached_property
    def _backbones(self) -> dict[str, nn.Module]:
        paths = {name: self.journal.folder / f"{name}.safetensors" for name in BACKBONES}
        return {name: read_weights(path, name, self.start.size) for name, path in paths.items()}

    @cached_property
    def _judged(self) -> dict[str, EvaluatedBackbone]:
        validation, evaluation = self.dataset.subset("validation"), self.dataset.evaluation()
        return {name: judge(backbone, validation, evaluation) for name, backbone in self._backbones.items()}

    def _judge(self) -> list[Reason]:
        done = self.journal.read("judge")
        if done is None:
            verdict = self._verdict()
            done = self.journal.write(
                "judge",
                {
                    "specimens": verdict.specimens,
                    "abnormal": verdict.abnormal,
                    "comparisons": [one.model_dump() for one in verdict.comparisons],
                    "reasons": [one.model_dump() for one in verdict.reasons],
                },
            )
        return [Reason.model_validate(one) for one in done["reasons"]]

    def _verdict(self) -> GateResult:
        evaluation = self.dataset.evaluation()
        active = active_opinion(self.start, evaluation, self.place.threads)
        return judge_candidate(evaluation.labels, active, candidate_opinion(self._judged), self.inputs.rules)

    def _export(self) -> None:
        if self.journal.read("export") is not None:
            return
        try:
            self._export_as(self.journal.read("number") or self._number())
        except Rejected as rejected:
            if rejected.reason != "version_exists":
                raise
            self._export_as(self._number())  # somebody took it meanwhile

    def _number(self) -> dict[str, int]:
        return self.journal.write("number", {"version": next_version(self.place.repository, BACKBONES)})

    def _export_as(self, number: dict[str, int]) -> None:
        versions = dict.fromkeys(BACKBONES, number["version"])
        learnt = len(self.dataset.subset("train"))
        folder = self.journal.folder / "repository"
        export(
            self._judged,
            self._backbones,
            self.dataset.evaluation(),
            version=number["version"],
            configuration=self.configuration,
            origins={
                name: origin_of(self.start, name, self.inputs, learnt, self._judged[name].figures) for name in BACKBONES
            },
            folder=folder,
        )
        self.place.lease.confirm()
        add(folder, self.place.repository, versions)
        self.journal.write("export", {"versions": versions})

    def _admit(self) -> None:
        if self.journal.read("admit") is not None:
            return
        self.place.lease.confirm()
        with closing(connect(self.place.settings.triton_grpc)) as client:
            admit_all(self.place.settings, client, self.place.repository, self.versions())
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
