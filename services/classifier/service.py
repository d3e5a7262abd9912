"""The classifier: reads tensors, asks both backbones, publishes calls."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait

from services.classifier.decide import decide, model_output
from services.classifier.metrics import count_call
from services.classifier.serving import ActiveModelSet, ModelSetChange, read_tensor
from services.classifier.shadow.shadowing import Shadowing
from services.common import metrics, topology
from services.common.errors import Rejected, Retriable
from services.common.events import PhenotypeCall, Probabilities, TensorReady
from services.common.events.base import digest, now
from services.common.loop import Done, Message, Outcome, Record, ServiceTopics
from services.common.preprocessing import TENSOR_SIDE, VERSION
from services.common.revisions import newest_revisions
from services.common.settings import ServiceSettings
from services.common.store import ObjectStore
from services.common.topics import CALLS
from services.registry.triton_client import REQUEST_TENSORS, Request, Tensors


class Classifier:
    """Handler of `xray.tensors`. A batch is called by one activation as a whole; versions never mix."""

    topics: ServiceTopics[TensorReady] = topology.CLASSIFIER
    stage: str = topology.CLASSIFIER.name

    def __init__(self, settings: ServiceSettings) -> None:
        """Prepare; connects at the first use."""
        self._store = ObjectStore(settings, connections=settings.workers)
        self._pool = ThreadPoolExecutor(settings.workers, thread_name_prefix="read")
        self._serving = ActiveModelSet(settings)
        self._shadowing = Shadowing(settings)

    def start(self) -> None:
        """Check the bucket, and the contract of every active model version against this classifier."""
        self._store.check_bucket()
        self._serving.take()
        self._shadowing.start()

    def handle(self, records: Sequence[Record[TensorReady]]) -> list[Outcome]:
        """Call the newest revision of each specimen in the batch."""
        taken = self._serving.take()
        self._shadowing.follow(self._serving.shadow)
        outcomes: list[Outcome] = [Done(skipped="superseded")] * len(records)
        chosen = sorted(newest_revisions(records))
        tensors = [self._pool.submit(self._read, records[index].event) for index in chosen]
        with metrics.step(self.stage, "read"):
            wait(tensors)
        readable: list[tuple[int, Tensors]] = []
        for index, future in zip(chosen, tensors, strict=True):
            tensor = future.result()
            if isinstance(tensor, Rejected):
                outcomes[index] = tensor
            else:
                readable.append((index, tensor))
        with metrics.step(self.stage, "infer"):
            answers = self._infer(taken, [tensor for _, tensor in readable])
        for (index, _), answer in zip(readable, answers, strict=True):
            event = records[index].event
            outcomes[index] = answer if isinstance(answer, Rejected) else _call(event, answer, taken)
        return outcomes

    def acknowledged(self, outcomes: Sequence[Outcome]) -> None:
        """Count the calls and offer them to the candidate in shadow; nothing is remembered between batches."""
        for outcome in outcomes:
            for message in outcome.messages if isinstance(outcome, Done) else ():
                if isinstance(message.event, PhenotypeCall):
                    count_call(message.event)
                    self._shadowing.offer(message.event)

    def close(self) -> None:
        """End threads and connections."""
        self._pool.shutdown()
        self._serving.close()
        self._shadowing.close()

    def _read(self, event: TensorReady) -> Tensors | Rejected:
        try:
            data = self._store.get(event.tensor_key)
            metrics.read_bytes(self.stage, "objects", len(data))
            return _tensor(event, data)
        except Rejected as rejected:
            return rejected

    def _infer(self, taken: ModelSetChange, tensors: Sequence[Tensors]) -> list[list[Probabilities] | Rejected]:
        """Ask every backbone about every tensor, all requests in flight at once; outputs a tensor, by backbone."""
        starts = range(0, len(tensors), REQUEST_TENSORS)
        chunks = [tensors[start : start + REQUEST_TENSORS] for start in starts]
        answers: list[list[Probabilities] | Rejected] = []
        try:
            requests = [[backbone.request(chunk) for backbone in taken.backbones] for chunk in chunks]
            for chunk, asked in zip(chunks, requests, strict=True):
                answers.extend(_answers(asked, len(chunk)))
        except Retriable as error:
            self._serving.doubt(error)
            raise
        self._serving.trust()
        return answers


def _call(event: TensorReady, outputs: Sequence[Probabilities], taken: ModelSetChange) -> Done:
    cards = [backbone.card for backbone in taken.backbones]
    decision = decide(outputs, cards)
    call = PhenotypeCall(
        call_id=call_id(event, taken.activation, [card.model_dump_json() for card in cards]),
        biological_sample_id=event.biological_sample_id,
        centre=event.centre,
        revision=event.revision,
        preprocessing_version=event.preprocessing_version,
        preprocessing_generation=event.preprocessing_generation,
        activation=taken.activation,
        vector=decision.vector,
        abnormal=decision.abnormal,
        abnormal_elsewhere=decision.abnormal_elsewhere,
        consensus=decision.consensus,
        models=tuple(model_output(*one) for one in zip(taken.backbones, outputs, strict=True)),
        uncertain=decision.uncertain,
        disagreement=decision.disagreement,
        tensor_key=event.tensor_key,
        tensor_sha256=event.tensor_sha256,
        views=event.views,
        announced_at=event.announced_at,
        produced_at=now(),
    )
    return Done((Message(CALLS, call),))


def call_id(event: TensorReady, activation: int, cards: Sequence[str]) -> str:
    """Return the identity of a call: this specimen's tensor, seen by exactly these models under this activation.

    The specimen is part of it, since two animals may be sent the very same pictures. The whole card is part of it,
    since thresholds and calibration make the call as much as weights do. So is the activation, since it ranks calls:
    after a rollback the versions of before call again, and that call must supersede the one that was taken back.
    """
    return digest("call", event.biological_sample_id, event.tensor_key, event.tensor_sha256, activation, list(cards))


def _answers(asked: Sequence[Request], count: int) -> list[list[Probabilities] | Rejected]:
    try:
        by_backbone = [request.result() for request in asked]
    except Rejected as rejected:
        return [rejected] * count
    return [list(outputs) for outputs in zip(*by_backbone, strict=True)]


def _tensor(event: TensorReady, data: bytes) -> Tensors:
    """Check what was read against what was announced."""
    if (event.preprocessing_version, event.tensor_side) != (VERSION, TENSOR_SIDE):
        raise Rejected(
            "preprocessing_version_unknown",
            f"made by {event.preprocessing_version} at {event.tensor_side}, the models take {VERSION} at {TENSOR_SIDE}",
        )
    return read_tensor(data, event.tensor_key, event.tensor_sha256)
