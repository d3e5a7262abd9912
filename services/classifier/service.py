"""The classifier reads tensors, sends them to both backbones in Triton and publishes calls."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

from services.classifier.decide import decide, model_output
from services.classifier.metrics import count_call
from services.classifier.serving import ActiveModelSet, ServingSet, read_tensor
from services.classifier.shadow.shadowing import Shadowing
from services.common import metrics, topology
from services.common.errors import Rejected, Retriable
from services.common.events import CallWithdrawal, PhenotypeCall, Probabilities, TensorReady
from services.common.events.base import digest, now
from services.common.kafka.clients import open_producer
from services.common.loop import Done, Message, Outcome, Record, ServiceTopics
from services.common.preprocessing import TENSOR_SIDE, VERSION
from services.common.revisions import newest_revisions
from services.common.settings import ServiceSettings
from services.common.store import ObjectStore, ServiceStore
from services.common.topics import CALLS
from services.registry.active_models import ActiveModels
from services.registry.triton_client import REQUEST_TENSORS, Request, Tensors, connect


def build(settings: ServiceSettings) -> Classifier:
    """Return the classifier that these settings describe; it connects at its start."""

    def triton() -> Any:
        return connect(settings)

    store = ObjectStore(settings, connections=settings.workers + 1)
    return Classifier(
        store,
        ActiveModelSet(ActiveModels(settings), triton()),
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
        shadowing: Shadowing,
        *,
        workers: int,
        now: Callable[[], datetime] = now,
    ) -> None:
        """Read tensors from `store` with `workers` threads and call them with `models`.

        `shadowing` gets every published call; `now` is the clock of the published events.
        """
        self._store, self._models, self._shadowing, self._now = store, models, shadowing, now
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="read")

    def start(self) -> None:
        """Check the bucket and the contract of every active model version."""
        self._store.check_bucket()
        self._models.current()
        self._shadowing.start()

    def handle(self, records: Sequence[Record[TensorReady | CallWithdrawal]]) -> list[Outcome]:
        """Call the newest revision of each specimen in the batch, or publish that it has no call."""
        serving = self._models.current()
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

    def close(self) -> None:
        """Stop the threads and close the connections."""
        self._pool.shutdown()
        self._models.close()
        self._shadowing.close()

    def _outcomes(self, events: Sequence[TensorReady], serving: ServingSet) -> Iterator[Outcome]:
        """Read and call each tensor, and return the outcomes in the same order."""
        with metrics.step(self.stage, "read"):
            tensors = list(self._pool.map(self._read, events))
        with metrics.step(self.stage, "infer"):
            answers = iter(self._infer(serving, [tensor for tensor in tensors if not isinstance(tensor, Rejected)]))
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

    def _infer(self, serving: ServingSet, tensors: Sequence[Tensors]) -> list[list[Probabilities] | Rejected]:
        """Send every tensor to every backbone, all requests at once; return each tensor's outputs by backbone."""
        starts = range(0, len(tensors), REQUEST_TENSORS)
        chunks = [tensors[start : start + REQUEST_TENSORS] for start in starts]
        answers: list[list[Probabilities] | Rejected] = []
        try:
            requests = [[backbone.request(chunk) for backbone in serving.backbones] for chunk in chunks]
            for chunk, sent in zip(chunks, requests, strict=True):
                answers.extend(_answers(sent, len(chunk)))
        except Retriable as error:
            self._models.failed(error)
            raise
        self._models.answered()
        return answers

    def _call(self, event: TensorReady, outputs: Sequence[Probabilities], serving: ServingSet) -> Done:
        cards = [backbone.card for backbone in serving.backbones]
        decision = decide(outputs, cards)
        call = PhenotypeCall(
            call_id=call_id(event, serving.activation, [card.model_dump_json() for card in cards]),
            biological_sample_id=event.biological_sample_id,
            centre=event.centre,
            revision=event.revision,
            preprocessing_version=event.preprocessing_version,
            preprocessing_generation=event.preprocessing_generation,
            activation=serving.activation,
            vector=decision.vector,
            abnormal=decision.abnormal,
            abnormal_elsewhere=decision.abnormal_elsewhere,
            consensus=decision.consensus,
            models=tuple(model_output(*one) for one in zip(serving.backbones, outputs, strict=True)),
            uncertain=decision.uncertain,
            disagreement=decision.disagreement,
            tensor_key=event.tensor_key,
            tensor_sha256=event.tensor_sha256,
            views=event.views,
            announced_at=event.announced_at,
            produced_at=self._now(),
        )
        return Done((Message(CALLS, call),))


def call_id(event: TensorReady, activation: int, cards: Sequence[str]) -> str:
    """Return the identity of a call: this specimen's tensor at this revision, these models, this activation.

    It contains the specimen, because two animals may be sent with the same pictures. It contains the revision, because
    the same tensor returns when a picture is added and withdrawn again, and that call must supersede the one between.
    It contains the whole cards, because thresholds and calibration determine the call as much as weights do. It
    contains the activation, because activations rank calls: after a rollback the earlier versions call again, and that
    call must supersede the one that the rollback withdraws.
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


def _answers(requests: Sequence[Request], count: int) -> list[list[Probabilities] | Rejected]:
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
