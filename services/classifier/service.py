"""The classifier reads tensors, sends them to both backbones in Triton and publishes calls."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, Final

from services.classifier.decide import model_output
from services.classifier.metrics import count_abstention, count_call
from services.classifier.referencing import ActiveReferenceSet, ServingReference
from services.classifier.serving import ActiveModelSet, ServingSet, read_tensor
from services.classifier.shadow.shadowing import Shadowing
from services.common import metrics, topology
from services.common.errors import Rejected, Retriable
from services.common.events import CallAbstention, CallWithdrawal, PhenotypeCall, TensorReady
from services.common.events.base import digest, now
from services.common.events.specimen import ABSTAINING_FLAGS
from services.common.kafka.clients import open_producer
from services.common.loop import Done, Message, Outcome, Record, ServiceTopics
from services.common.model_card import ModelCard
from services.common.preprocessing import TENSOR_SIDE, VERSION
from services.common.revisions import newest_revisions
from services.common.settings import ServiceSettings
from services.common.store import ObjectStore, ServiceStore
from services.common.topics import CALLS
from services.registry.active_models import ActiveModels
from services.registry.references.active import ActiveReferences
from services.registry.references.snapshot import ControlGroup
from services.registry.triton_client import REQUEST_TENSORS, Prediction, Request, Tensors, connect


@dataclass(frozen=True)
class _Serving:
    """What makes the calls of one batch."""

    models: ServingSet
    reference: ServingReference

    @property
    def activation(self) -> int:
        """The rank of its calls: each later record about models or references raises it."""
        return self.models.activation + self.reference.activation

    @cached_property
    def identity(self) -> list[str]:
        """What decides about a tensor, the same for the whole batch."""
        return decided_by(self.models.rule.cards, self.models.set_card_sha256, self.reference)


def build(settings: ServiceSettings) -> Classifier:
    """Return the classifier that these settings describe; it connects at its start."""

    def triton() -> Any:
        return connect(settings)

    store = ObjectStore(settings, connections=settings.workers + 1)
    return Classifier(
        store,
        ActiveModelSet(ActiveModels(settings), triton(), store),
        ActiveReferenceSet(ActiveReferences(settings), store),
        Shadowing(store, triton, lambda: open_producer(settings)),
        workers=settings.workers,
    )


class Classifier:
    """Handler of `xray.tensors`. One activation makes all calls of a batch; versions never mix."""

    topics: ServiceTopics[TensorReady | CallWithdrawal] = topology.CLASSIFIER
    stage: str = topology.CLASSIFIER.name

    def __init__(
        self,
        store: ServiceStore,
        models: ActiveModelSet,
        references: ActiveReferenceSet,
        shadowing: Shadowing,
        *,
        workers: int,
        now: Callable[[], datetime] = now,
    ) -> None:
        """Read tensors from `store` with `workers` threads and call them with `models`, compared with `references`.

        `shadowing` gets every published call; `now` is the clock of the published events.
        """
        self._store, self._models, self._references, self._now = store, models, references, now
        self._shadowing = shadowing
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="read")

    def start(self) -> None:
        """Check the bucket and the contract of every active model version."""
        self._store.check_bucket()
        self._models.current()
        self._references.current()
        self._shadowing.start()

    def handle(self, records: Sequence[Record[TensorReady | CallWithdrawal]]) -> list[Outcome]:
        """Call the newest revision of each specimen in the batch, or publish that it has no call."""
        serving = _Serving(self._models.current(), self._references.current())
        self._shadowing.follow(self._models.shadow)
        outcomes: list[Outcome] = [Done(skipped="superseded")] * len(records)
        announced: dict[int, TensorReady] = {}
        for index in sorted(newest_revisions(records)):
            event = records[index].event
            if isinstance(event, CallWithdrawal):
                outcomes[index] = Done((Message(CALLS, event),))
            else:
                announced[index] = event
        for index, outcome in zip(announced, self._outcomes(list(announced.values()), serving), strict=True):
            outcomes[index] = outcome
        return outcomes

    def acknowledged(self, outcomes: Sequence[Outcome]) -> None:
        """Count the calls and offer them to the candidate in shadow. Keeps nothing between batches."""
        for outcome in outcomes:
            for message in outcome.messages if isinstance(outcome, Done) else ():
                if isinstance(message.event, PhenotypeCall):
                    count_call(message.event)
                    self._shadowing.offer(message.event)
                elif isinstance(message.event, CallAbstention):
                    count_abstention(message.event)

    def close(self) -> None:
        """Stop the threads and close the connections."""
        self._pool.shutdown()
        self._models.close()
        self._references.close()
        self._shadowing.close()

    def _outcomes(self, events: Sequence[TensorReady], serving: _Serving) -> Iterator[Outcome]:
        """Read and call each tensor, and return the outcomes in the same order."""
        with metrics.step(self.stage, "read"):
            tensors = list(self._pool.map(self._read, events))
        with metrics.step(self.stage, "infer"):
            sound = [tensor for tensor in tensors if not isinstance(tensor, Rejected)]
            answers = iter(self._infer(serving.models, sound))
        for event, tensor in zip(events, tensors, strict=True):
            answer = tensor if isinstance(tensor, Rejected) else next(answers)
            yield answer if isinstance(answer, Rejected) else self._call(event, answer, serving)

    def _read(self, event: TensorReady) -> Tensors | Rejected:
        try:
            data = self._store.get(event.tensor_key)
            metrics.read_bytes(self.stage, "objects", len(data))
            return _tensor(event, data)
        except Rejected as rejected:
            return rejected

    def _infer(self, serving: ServingSet, tensors: Sequence[Tensors]) -> list[list[Prediction] | Rejected]:
        """Send every tensor to every backbone, all requests at once; return each tensor's outputs by backbone."""
        starts = range(0, len(tensors), REQUEST_TENSORS)
        chunks = [tensors[start : start + REQUEST_TENSORS] for start in starts]
        answers: list[list[Prediction] | Rejected] = []
        try:
            requests = [[backbone.request(chunk) for backbone in serving.backbones] for chunk in chunks]
            for chunk, sent in zip(chunks, requests, strict=True):
                answers.extend(_answers(sent, len(chunk)))
        except Retriable as error:
            self._models.failed(error)
            raise
        self._models.answered()
        return answers

    def _call(self, event: TensorReady, outputs: Sequence[Prediction], serving: _Serving) -> Done:
        models, reference = serving.models, serving.reference
        group = _controls(event, serving)
        decision = models.rule.decide(outputs, group)
        common = {
            "call_id": call_id(event, serving.activation, serving.identity),
            **{name: getattr(event, name) for name in _PASSED_ON},
            "activation": serving.activation,
            "consensus": decision.consensus,
            "models": tuple(model_output(*one) for one in zip(models.backbones, outputs, strict=True)),
            "set_card": models.set_card_sha256,
            "reference": reference.of_call(group),
            "unfamiliarity": decision.unfamiliarity,
            "produced_at": self._now(),
        }
        reasons = (*decision.reasons, *abstaining_flags(event))
        if reasons:
            return Done((Message(CALLS, CallAbstention(reasons=reasons, **common)),))
        call = PhenotypeCall(
            vector=decision.vector,
            abnormal=decision.abnormal,
            abnormal_elsewhere=decision.abnormal_elsewhere,
            uncertain=decision.uncertain,
            disagreement=decision.disagreement,
            **common,
        )
        return Done((Message(CALLS, call),))


_PASSED_ON: Final = (
    "biological_sample_id",
    "centre",
    "revision",
    "preprocessing_version",
    "preprocessing_generation",
    "tensor_key",
    "tensor_sha256",
    "views",
    "animal",
    "announced_at",
)
"""Fields of a tensor's announcement that its call repeats."""


def abstaining_flags(event: TensorReady) -> tuple[str, ...]:
    """Return the flags of its views with which a specimen is not called, each once, by name."""
    return tuple(sorted({flag for view in event.views for flag in ABSTAINING_FLAGS.intersection(view.flags)}))


def _controls(event: TensorReady, serving: _Serving) -> ControlGroup | None:
    """Return the controls of the specimen's centre; None if the reference was built with other versions."""
    snapshot = serving.reference.snapshot
    if snapshot is None or serving.models.rule.set_card is None or not snapshot.is_for(serving.models.cards):
        return None
    return snapshot.group_of(event.centre, event.animal)


def decided_by(cards: Iterable[ModelCard], set_card: str | None, reference: ServingReference) -> list[str]:
    """Return what decides about a tensor: the whole cards, the set card and the reference if there are any."""
    stated = [f"set card {set_card}"] if set_card else []
    if reference.activation:
        stated.append(f"reference {reference.sha256}")
    return [*(card.model_dump_json() for card in cards), *stated]


def call_id(event: TensorReady, activation: int, cards: Sequence[str]) -> str:
    """Return the identity of a call: this specimen's tensor at this revision, these models, this activation.

    It contains the specimen, because two animals may be sent with the same pictures. It contains the revision, because
    the same tensor returns when a picture is added and withdrawn again, and that call must supersede the one between.
    The revision also covers flags of views and facts about the animal. It contains the whole cards, because thresholds
    and calibration determine the call as much as weights do, and the digests of set card and reference. It contains the
    activation, because activations rank calls: after a rollback the earlier versions call again, and that call must
    supersede the one that the rollback withdraws.
    """
    return digest(
        "call",
        event.biological_sample_id,
        event.revision,
        event.tensor_key,
        event.tensor_sha256,
        activation,
        list(cards),
    )


def _answers(requests: Sequence[Request], count: int) -> list[list[Prediction] | Rejected]:
    try:
        by_backbone = [request.result() for request in requests]
    except Rejected as rejected:
        return [rejected] * count
    return [list(outputs) for outputs in zip(*by_backbone, strict=True)]


def _tensor(event: TensorReady, data: bytes) -> Tensors:
    """Check the file against its announcement."""
    if (event.preprocessing_version, event.tensor_side) != (VERSION, TENSOR_SIDE):
        raise Rejected(
            "preprocessing_version_unknown",
            f"the tensor has preprocessing version {event.preprocessing_version} and side {event.tensor_side}, "
            f"the models take {VERSION} with side {TENSOR_SIDE}",
        )
    return read_tensor(data, event.tensor_key, event.tensor_sha256)
