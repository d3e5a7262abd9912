"""The candidate's versions in Triton and the calls they would make."""

import time
from collections.abc import Sequence
from typing import Any, Final

from services.classifier.decide import CallDecision, model_output
from services.classifier.serving import set_rule
from services.common.errors import Fatal
from services.common.events import ModelActivation, PhenotypeCall, ShadowCall
from services.common.events.base import digest, now
from services.common.labels import LABEL_ORDER
from services.common.store import ServiceStore
from services.registry.triton_client import Prediction, Request, ServedModel, Tensors

DEADLINE_SECONDS: Final = 10.0
"""Time limit of a request: far above what a working candidate needs, far below what a call may wait."""


class Candidate:
    """The set of versions that one record on `models.active` puts in shadow."""

    def __init__(self, client: Any, store: ServiceStore, record: ModelActivation) -> None:
        """Read the contracts; raises as `ServedModel` and `set_rule` do, and Fatal when a card is not pinned."""
        self.record = record
        self._backbones = tuple(_backbone(client, record, model) for model in sorted(record.versions))
        self._rule = set_rule(store, self._backbones, record.set_card)

    def judge(self, calls: Sequence[PhenotypeCall], tensors: Sequence[Tensors]) -> list[ShadowCall]:
        """Return the candidate's comparison with each call on its tensor; raises as `Request.result` does.

        No request is sent to a version that took part in a call, because the call contains its output.
        """
        started = time.monotonic()
        known = [[_known_output(call, backbone) for call in calls] for backbone in self._backbones]
        requests = [
            _request(backbone, present, tensors) for backbone, present in zip(self._backbones, known, strict=True)
        ]
        outputs = [_completed(present, request) for present, request in zip(known, requests, strict=True)]
        seconds = time.monotonic() - started
        return [self._compared(call, one, seconds) for call, one in zip(calls, zip(*outputs, strict=True), strict=True)]

    def _compared(self, call: PhenotypeCall, outputs: Sequence[Prediction], seconds: float) -> ShadowCall:
        decision = self._rule.decide(outputs, None)
        return ShadowCall(
            shadow_id=digest("shadow", call.call_id, [backbone.pin for backbone in self._backbones]),
            call_id=call.call_id,
            biological_sample_id=call.biological_sample_id,
            centre=call.centre,
            revision=call.revision,
            preprocessing_version=call.preprocessing_version,
            preprocessing_generation=call.preprocessing_generation,
            activation=call.activation,
            shadow=self.record.activation,
            versions=self.record.versions,
            vector=decision.vector,
            abnormal=decision.abnormal,
            abnormal_elsewhere=decision.abnormal_elsewhere,
            consensus=decision.consensus,
            models=tuple(model_output(*one) for one in zip(self._backbones, outputs, strict=True)),
            uncertain=decision.uncertain,
            reasons=decision.reasons,
            differs=differing(call, decision),
            seconds=seconds,
            tensor_key=call.tensor_key,
            tensor_sha256=call.tensor_sha256,
            produced_at=now(),
        )


def differing(call: PhenotypeCall, decision: CallDecision) -> tuple[str, ...]:
    """Return the labels, including Abnormal, on which a decision differs from a call."""
    ours, theirs = (call.abnormal, *call.vector), (decision.abnormal, *decision.vector)
    return tuple(label for label, one, other in zip(LABEL_ORDER, ours, theirs, strict=True) if one != other)


def _backbone(client: Any, record: ModelActivation, model: str) -> ServedModel:
    version, pin = record.versions[model], record.cards.get(model)
    if pin is None:
        msg = f"the record in shadow pins no card of {model} version {version}; use `xray models shadow`"
        raise Fatal(msg)
    return ServedModel(client, model, version, pin, seconds=DEADLINE_SECONDS)


def _known_output(call: PhenotypeCall, backbone: ServedModel) -> Prediction | None:
    identity = (backbone.model, backbone.version)
    known = (one for one in call.models if (one.model, one.version) == identity)
    return next((Prediction(one.probabilities, one.scores, one.features, one.unfamiliar) for one in known), None)


def _request(backbone: ServedModel, known: Sequence[Prediction | None], tensors: Sequence[Tensors]) -> Request | None:
    missing = [tensor for tensor, present in zip(tensors, known, strict=True) if present is None]
    return backbone.request(missing) if missing else None


def _completed(known: Sequence[Prediction | None], request: Request | None) -> list[Prediction]:
    answers = iter([] if request is None else request.result())
    return [next(answers) if present is None else present for present in known]
