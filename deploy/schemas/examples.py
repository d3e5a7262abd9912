"""Examples of every event: one animal from two announced images to its call, and a rejection.

Keys and identities are those that the services derive from the same input.
"""

import base64
import hashlib
from datetime import UTC, datetime, timedelta
from typing import Final

from services.common import keys
from services.common.events import (
    CallAbstention,
    CallWithdrawal,
    CentreStatistics,
    Drift,
    Event,
    ImageEvent,
    ImageWithdrawal,
    ModelActivation,
    ModelOutput,
    PhenotypeCall,
    Probabilities,
    ReferenceActivation,
    Rejection,
    Review,
    ScoreHistogram,
    ShadowCall,
    SpecimenReady,
    SpecimenView,
    TensorReady,
    ViewReady,
)
from services.common.events.animal import Animal, AnimalFacts
from services.common.events.base import View, digest
from services.common.events.model import SHADOW_SET
from services.common.events.reference import EarlierReference
from services.common.events.rejection import rejection_id
from services.common.preprocessing import GENERATION, TENSOR_SIDE, VERSION

SPECIMEN: Final = "183808"
CENTRE: Final = "JAX"
_ANNOUNCED: Final = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _after(seconds: int) -> datetime:
    return _ANNOUNCED + timedelta(seconds=seconds)


_ANIMAL: Final = Animal(sample_group="experimental", sex="male", strain_accession_id="MGI:2159965")


def _image(parameter: str, name: str) -> ImageEvent:
    return ImageEvent(
        biological_sample_id=SPECIMEN,
        centre=CENTRE,
        parameter_stable_id=parameter,
        image_uri=f"s3://incoming/jax/{name}",
        sha256=_sha256(name),
        increment="1",
        acquired_at=datetime(2026, 3, 1, 14, 5, tzinfo=UTC),
        animal=_ANIMAL,
        metadata={"file_name": name},
        produced_at=_ANNOUNCED,
    )


IMAGES: Final = (_image("IMPC_XRY_034_001", "183808_DV.dcm"), _image("IMPC_XRY_048_001", "183808_LAT.dcm"))
_FEWEST_FIELDS: Final = ImageEvent(
    biological_sample_id="183809",
    centre="TCP",
    parameter_stable_id="IMPC_XRY_034_001",
    image_uri="https://images.example.org/xray/183809.png",
)


def _view(image: ImageEvent, view: View) -> ViewReady:
    digest_of_image = _sha256(image.metadata["file_name"])
    return ViewReady(
        biological_sample_id=SPECIMEN,
        centre=CENTRE,
        parameter_stable_id=image.parameter_stable_id,
        image_event_id=image.event_id,
        image_uri=image.image_uri,
        image_sha256=digest_of_image,
        view=view,
        view_key=keys.view_key(VERSION, SPECIMEN, CENTRE, view, digest_of_image),
        view_sha256=_sha256(f"view of {digest_of_image}"),
        original_key=keys.original_key(digest_of_image),
        preprocessing_version=VERSION,
        preprocessing_generation=GENERATION,
        scores={"contrast": 0.41, "saturated": 0.002},
        provenance={"format": "dicom", "rotation_degrees": 87.5, "inverted": True},
        animal=_ANIMAL,
        announced_at=_ANNOUNCED,
        produced_at=_after(1),
    )


VIEWS: Final = (_view(IMAGES[0], "DV"), _view(IMAGES[1], "LAT"))
_MEMBERS: Final = tuple(
    SpecimenView(view=view.view, image_sha256=view.image_sha256, view_key=view.view_key) for view in VIEWS
)
READY: Final = SpecimenReady(
    biological_sample_id=SPECIMEN,
    centre=CENTRE,
    revision=2 * len(_MEMBERS),
    views=_MEMBERS,
    animal=AnimalFacts(**_ANIMAL.facts()),
    preprocessing_version=VERSION,
    preprocessing_generation=GENERATION,
    announced_at=_ANNOUNCED,
    produced_at=_after(2),
)
TENSOR: Final = TensorReady(
    **READY.model_dump(exclude={"produced_at"}),
    tensor_key=keys.tensor_key(VERSION, TENSOR_SIDE, _MEMBERS),
    tensor_sha256=_sha256("the fused tensor"),
    tensor_side=TENSOR_SIDE,
    produced_at=_after(3),
)
ACTIVATION: Final = ModelActivation(
    activation=1, versions={"convnext": 1, "cae": 1}, why="first activation by xray init", produced_at=_after(-3600)
)
CANDIDATE: Final = ModelActivation(
    name=SHADOW_SET,
    activation=1,
    versions={"convnext": 2, "cae": 1},
    share=0.2,
    why="trained with the reviews of May",
    who="curator",
    produced_at=_after(-1800),
)
REFERENCE: Final = ReferenceActivation(
    activation=1,
    sha256=_sha256("a reference"),
    earlier=(EarlierReference(activation=0),),
    why="32 controls of JAX and more of each centre",
    who="operator",
    produced_at=_after(-1200),
)
_LEVEL3: Final = (0.03, 0.05, 0.11, 0.02, 0.08, 0.91, 0.04, 0.06, 0.05, 0.12)
_CONSENSUS: Final = Probabilities(level1=0.97, level2=(0.07, 0.94, 0.21), level3=_LEVEL3)


def _output(model: str, version: int) -> ModelOutput:
    return ModelOutput(
        model=model,
        version=version,
        calibration_digest=_sha256(f"calibration of {model}"),
        training_digest=_sha256(f"training of {model}"),
        probabilities=_CONSENSUS,
    )


CALL: Final = PhenotypeCall(
    **TENSOR.model_dump(exclude={"produced_at", "tensor_side"}),
    call_id=digest("call", SPECIMEN, TENSOR.tensor_sha256),
    activation=ACTIVATION.activation,
    vector=(0, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0),
    abnormal=True,
    abnormal_elsewhere=False,
    consensus=_CONSENSUS,
    models=tuple(_output(*one) for one in ACTIVATION.versions.items()),
    produced_at=_after(4),
)
WITHDRAWAL: Final = ImageWithdrawal(
    biological_sample_id=SPECIMEN,
    centre=CENTRE,
    image_sha256=VIEWS[1].image_sha256,
    view="LAT",
    reason="blurred; a new image follows",
    who="A. Technician",
    withdrawn_at=_after(3600),
)
LOST: Final = CallWithdrawal(
    call_id=digest("withdrawn", SPECIMEN, GENERATION, READY.revision + 1, "images_withdrawn"),
    biological_sample_id=SPECIMEN,
    centre=CENTRE,
    revision=READY.revision + 1,
    preprocessing_version=VERSION,
    preprocessing_generation=GENERATION,
    reason="images_withdrawn",
    announced_at=_after(3601),
    produced_at=_after(3602),
)
ABSTAINED: Final = CallAbstention(
    **CALL.model_dump(
        exclude={"labels", "vector", "abnormal", "abnormal_elsewhere", "uncertain", "disagreement", "unfamiliarity"}
    )
    | {"biological_sample_id": "183811", "call_id": digest("call", "183811", TENSOR.tensor_sha256)},
    reasons=("no_reference", "orientation_uncertain"),
    unfamiliarity=0.998,
)
REVIEW: Final = Review(
    biological_sample_id=SPECIMEN,
    call_id=CALL.call_id,
    verdicts={"Spine": "abnormal", "Fusion": "abnormal", "Shape": "normal"},
    who="a.curator",
    note="L5 and L6 are one block; the bend is posture",
    reviewed_at=_after(86_400),
)
SHADOWED: Final = ShadowCall(
    **CALL.model_dump(
        exclude={
            "vector",
            "models",
            "disagreement",
            "views",
            "animal",
            "set_card",
            "reference",
            "unfamiliarity",
            "announced_at",
            "produced_at",
        }
    ),
    shadow_id=digest("shadow", CALL.call_id, dict(CANDIDATE.versions)),
    shadow=CANDIDATE.activation,
    versions=CANDIDATE.versions,
    vector=(0, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1),
    models=tuple(_output(*one) for one in CANDIDATE.versions.items()),
    differs=("Other",),
    seconds=0.12,
    produced_at=_after(5),
)
_REFUSED: Final = IMAGES[0].model_copy(update={"biological_sample_id": "183810"})
REFUSAL: Final = Rejection(
    rejection_id=rejection_id("intake", "7f3c2b0e-6c1d-4f5e-9a55-2f0c8d1b7e10", "xray.images", 3, 1207),
    stage="intake",
    reason="digest_mismatch",
    words="the file's SHA-256 is not the announced one",
    details={"announced": _REFUSED.sha256, "found": _sha256("another file")},
    biological_sample_id=_REFUSED.biological_sample_id,
    centre=CENTRE,
    image_event_id=_REFUSED.event_id,
    source_topic="xray.images",
    source_partition=3,
    source_offset=1207,
    source_timestamp=_ANNOUNCED,
    original_key=base64.b64encode(_REFUSED.key.encode()).decode(),
    original=base64.b64encode(_REFUSED.encode()).decode(),
    produced_at=_after(1),
)
STATISTICS: Final = CentreStatistics(
    centre=CENTRE,
    window_start=datetime(2026, 3, 2, 9, tzinfo=UTC),
    window_end=datetime(2026, 3, 2, 10, tzinfo=UTC),
    images=412,
    skipped=96,
    accepted=309,
    rejected={"digest_mismatch": 1, "over_exposed": 6},
    calls=148,
    positive={"Abnormal": 5, "Spine": 4, "Shape": 4},
    uncertain=9,
    disagreement=3,
    scores={"contrast": ScoreHistogram(edges=(0.2, 0.4), counts=(11, 190, 108))},
    drift=(Drift(measure="contrast", psi=0.03, limit=0.2, count=309, reference_count=8120, drifted=False),),
    reference_windows=28,
    produced_at=datetime(2026, 3, 2, 11, tzinfo=UTC),
)
_EXAMPLES: Final[dict[type[Event], tuple[Event, ...]]] = {
    ImageEvent: (*IMAGES, _FEWEST_FIELDS),
    ViewReady: VIEWS,
    SpecimenReady: (READY,),
    TensorReady: (TENSOR,),
    PhenotypeCall: (CALL,),
    CallAbstention: (ABSTAINED,),
    CallWithdrawal: (LOST,),
    ImageWithdrawal: (WITHDRAWAL,),
    Review: (REVIEW,),
    ShadowCall: (SHADOWED,),
    Rejection: (REFUSAL,),
    CentreStatistics: (STATISTICS,),
    ModelActivation: (ACTIVATION, CANDIDATE),
    ReferenceActivation: (REFERENCE,),
}


def examples_of(event: type[Event]) -> tuple[Event, ...]:
    """Return the examples of an event. Raises LookupError that names the file to add one to."""
    found = _EXAMPLES.get(event)
    if found is None:
        msg = f"{event.__name__} has no example: write one in deploy/schemas/examples.py"
        raise LookupError(msg)
    return found
