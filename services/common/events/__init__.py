"""The events of every topic: pydantic models, one source for code, JSON Schemas and documents.

xray.images -> ImageEvent      xray.views -> ViewReady     xray.specimens -> SpecimenReady
xray.tensors -> TensorReady    phenotype.calls -> PhenotypeCall
CallWithdrawal follows calls on xray.specimens, xray.tensors and phenotype.calls; CallAbstention on phenotype.calls
phenotype.reviews -> Review
xray.withdrawn -> ImageWithdrawal
xray.rejected -> Rejection     models.active -> ModelActivation     references.active -> ReferenceActivation
centre.statistics -> CentreStatistics               phenotype.shadow -> ShadowCall
"""

from services.common.events.animal import Animal, AnimalFacts
from services.common.events.base import Event, parse_event
from services.common.events.call import (
    CallAbstention,
    CallReference,
    CallWithdrawal,
    ModelOutput,
    PhenotypeCall,
    Probabilities,
    ShadowCall,
)
from services.common.events.image import ImageEvent, ImageKind, image_kind
from services.common.events.model import ModelActivation
from services.common.events.reference import ReferenceActivation
from services.common.events.rejection import Rejection
from services.common.events.review import Review, Verdict
from services.common.events.specimen import SpecimenReady, SpecimenView, TensorReady, ViewReady
from services.common.events.statistics import CentreStatistics, Drift, ScoreHistogram
from services.common.events.withdrawal import ImageWithdrawal

__all__ = [
    "Animal",
    "AnimalFacts",
    "CallAbstention",
    "CallReference",
    "CallWithdrawal",
    "CentreStatistics",
    "Drift",
    "Event",
    "ImageEvent",
    "ImageKind",
    "ImageWithdrawal",
    "ModelActivation",
    "ModelOutput",
    "PhenotypeCall",
    "Probabilities",
    "ReferenceActivation",
    "Rejection",
    "Review",
    "ScoreHistogram",
    "ShadowCall",
    "SpecimenReady",
    "SpecimenView",
    "TensorReady",
    "Verdict",
    "ViewReady",
    "image_kind",
    "parse_event",
]
