"""Events and records that tests write to the ledger."""

import base64
import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from services.common.events import (
    CallAbstention,
    CallWithdrawal,
    ImageEvent,
    ImageWithdrawal,
    ModelOutput,
    PhenotypeCall,
    Probabilities,
    Rejection,
    Review,
    ShadowCall,
    SpecimenView,
    ViewReady,
)
from services.common.events.base import View
from services.common.events.rejection import rejection_id
from services.common.loop import Record
from services.common.loop.handler import E
from services.common.topics import CALLS, IMAGES, REJECTED, REVIEWS, SHADOW, VIEWS, WITHDRAWN

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
PROBABILITIES = Probabilities(level1=0.9, level2=(0.1, 0.8, 0.3), level3=(0.1,) * 10)
_TOPICS = {
    ImageEvent: IMAGES,
    ViewReady: VIEWS,
    PhenotypeCall: CALLS,
    CallWithdrawal: CALLS,
    CallAbstention: CALLS,
    ImageWithdrawal: WITHDRAWN,
    ShadowCall: SHADOW,
    Review: REVIEWS,
    Rejection: REJECTED,
}


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def minutes(number: int) -> datetime:
    """This many minutes after noon."""
    return NOON + timedelta(minutes=number)


def record(event: E, offset: int = 0, timestamp: datetime = NOON) -> Record[E]:
    topic = next(topic.name for event_type, topic in _TOPICS.items() if isinstance(event, event_type))
    return Record(topic, 0, offset, timestamp, event.key.encode(), event.encode(), (), event)


def records(events: Iterable[E]) -> list[Record[E]]:
    return [record(event, offset) for offset, event in enumerate(events)]


def image(specimen: str, name: str = "a.dcm", parameter: str = "IMPC_XRY_034_001", **fields: Any) -> ImageEvent:
    known = {"biological_sample_id": specimen, "centre": "JAX", "parameter_stable_id": parameter}
    return ImageEvent.model_validate(known | {"image_uri": f"s3://images/{name}"} | fields)


def view(specimen: str, which: View = "DV", name: str = "a", **fields: Any) -> ViewReady:
    values: dict[str, Any] = {
        "biological_sample_id": specimen,
        "centre": "JAX",
        "parameter_stable_id": "IMPC_XRY_034_001",
        "image_event_id": sha256(f"event {name}"),
        "image_uri": f"s3://images/{name}",
        "image_sha256": sha256(name),
        "view": which,
        "view_key": f"views/p1/{which}/{name}.png",
        "view_sha256": sha256(f"view {name}"),
        "original_key": f"originals/{name}",
        "preprocessing_version": "p1",
        "preprocessing_generation": 1,
        "scores": {"exposure": 0.25, "contrast": 0.5},
        "flags": ("view_contradicts_parameter",),
        "provenance": {"rotation_degrees": -3.5, "inverted": True, "steps": ["decode", {"crop": [1, 2]}]},
        "announced_at": NOON,
        "produced_at": minutes(1),
    }
    return ViewReady.model_validate(values | fields)


def call(specimen: str, revision: int = 2, generation: int = 1, activation: int = 1, **fields: Any) -> PhenotypeCall:
    members = tuple(
        SpecimenView(view="LAT" if number else "DV", image_sha256=sha256(f"{number}"), view_key=f"views/{number}")
        for number in range(revision)
    )
    output = ModelOutput(
        model="convnext", version=3, calibration_digest="c1", training_digest="t1", probabilities=PROBABILITIES
    )
    values: dict[str, Any] = {
        "call_id": sha256(f"{specimen} {revision} {generation} {activation}"),
        "biological_sample_id": specimen,
        "centre": "JAX",
        "revision": revision,
        "preprocessing_version": f"p{generation}",
        "preprocessing_generation": generation,
        "activation": activation,
        "vector": (0, 1, 0, *(0,) * 10),
        "abnormal": True,
        "abnormal_elsewhere": False,
        "consensus": PROBABILITIES,
        "models": (output, output.model_copy(update={"model": "cae"})),
        "uncertain": ("Spine",),
        "disagreement": ("Ribcage", "Spine"),
        "tensor_key": "tensors/p1-224/x.npy",
        "tensor_sha256": sha256("tensor"),
        "views": members,
        "announced_at": NOON,
        "produced_at": minutes(2),
    }
    return PhenotypeCall.model_validate(values | fields)


def abstention(specimen: str, revision: int = 2, **fields: Any) -> CallAbstention:
    """An abstention; the same fields as those of `call`."""
    made = call(specimen, revision, **fields)
    left_out = {"labels", "vector", "abnormal", "abnormal_elsewhere", "uncertain", "disagreement"}
    values = made.model_dump(exclude=left_out) | {"reasons": ("unfamiliar",), "call_id": sha256(f"not {made.call_id}")}
    return CallAbstention.model_validate(values)


def call_withdrawal(specimen: str, revision: int = 3, generation: int = 1, **fields: Any) -> CallWithdrawal:
    values: dict[str, Any] = {
        "call_id": sha256(f"withdrawn {specimen} {revision} {generation}"),
        "biological_sample_id": specimen,
        "centre": "JAX",
        "revision": revision,
        "preprocessing_version": f"p{generation}",
        "preprocessing_generation": generation,
        "reason": "images_withdrawn",
        "announced_at": NOON,
        "produced_at": minutes(3),
    }
    return CallWithdrawal.model_validate(values | fields)


def image_withdrawal(specimen: str, which: View | None = "DV", name: str = "a", **fields: Any) -> ImageWithdrawal:
    values: dict[str, Any] = {
        "biological_sample_id": specimen,
        "centre": "JAX",
        "image_sha256": sha256(name),
        "view": which,
        "reason": "blurred",
        "who": "anna",
        "withdrawn_at": minutes(3),
    }
    return ImageWithdrawal.model_validate(values | fields)


def shadow_call(specimen: str, *, candidate: int = 4, **fields: Any) -> ShadowCall:
    """What convnext version `candidate` would have called: Ribcage and not Spine, the only label of `call`."""
    made = call(specimen, **{name: fields.pop(name) for name in ("revision", "activation") if name in fields})
    values = made.model_dump(exclude={"disagreement", "views", "announced_at"}) | {
        "shadow_id": sha256(f"{made.call_id} {candidate}"),
        "shadow": 1,
        "versions": {"convnext": candidate, "cae": 3},
        "vector": (1, 0, 0, *(0,) * 10),
        "differs": ("Ribcage", "Spine"),
        "seconds": 0.25,
    }
    return ShadowCall.model_validate(values | fields)


def rejection(specimen: str | None = "183808", offset: int = 0, **fields: Any) -> Rejection:
    values: dict[str, Any] = {
        "rejection_id": rejection_id("intake", "7f3c2b0e-6c1d-4f5e-9a55-2f0c8d1b7e10", "xray.images", 0, offset),
        "stage": "intake",
        "reason": "view_blank",
        "words": "the picture is blank",
        "details": {"contrast": 0.01, "limit": 0.05},
        "biological_sample_id": specimen,
        "centre": "JAX",
        "image_event_id": sha256("event"),
        "source_topic": "xray.images",
        "source_partition": 0,
        "source_offset": offset,
        "source_timestamp": NOON,
        "original_key": base64.b64encode(b"183808").decode(),
        "original": base64.b64encode(b'\x00\xff{"not": "json"').decode(),
        "headers": (("trace", base64.b64encode(b"\x00abc").decode()),),
        "produced_at": minutes(1),
    }
    return Rejection.model_validate(values | fields)


def review(specimen: str = "183808", who: str = "anna", minute: int = 0, **verdicts: str) -> Review:
    """A review: labels (`Whole_body` for Whole-body) that are abnormal, normal or unknown."""
    named = {label.replace("_", "-"): verdict for label, verdict in verdicts.items()} or {"Spine": "abnormal"}
    values = {"biological_sample_id": specimen, "verdicts": named, "who": who, "reviewed_at": minutes(minute)}
    return Review.model_validate(values)
