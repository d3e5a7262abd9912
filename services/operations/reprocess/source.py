"""What is reprocessed: stored tensors of outdated calls, or stored originals of outdated views."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from services.assembler.members import MOST_OBJECTS, read_set
from services.common.errors import Rejected
from services.common.events import CallAbstention, ImageEvent, PhenotypeCall, TensorReady
from services.common.events.base import now
from services.common.keys import specimen_prefix
from services.common.preprocessing import GENERATION, TENSOR_SIDE, VERSION
from services.common.reprocess import Headers, reprocess_headers
from services.common.store import ObjectStore
from services.common.topics import IMAGES, TENSORS, Topic
from services.common.topology import CLASSIFIER, INTAKE
from services.ledger.database import Connection
from services.ledger.queries import KnownSpecimen, current_outcomes_of, outdated_images
from services.registry.active_models import ActiveModels
from services.registry.references.active import ActiveReferences, active

Standing = Literal["outdated", "up_to_date", "uncalled", "older_preprocessing"]
STANDINGS: Final[tuple[Standing, ...]] = ("outdated", "up_to_date", "uncalled", "older_preprocessing")


@dataclass(frozen=True)
class Publication:
    """A record to publish again; its event's key decides the partition."""

    event: TensorReady | ImageEvent
    headers: Headers = ()


@dataclass(frozen=True)
class SpecimenStatus:
    """The standing of a specimen; only an outdated one has publications.

    `revision` is that of its current call, None where it does not matter.
    """

    biological_sample_id: str
    centre: str
    standing: Standing
    publications: tuple[Publication, ...] = ()
    revision: int | None = None


@dataclass(frozen=True)
class InForce:
    """The model versions, and the digests of set card and reference, that make the calls now."""

    versions: Mapping[str, int]
    set_card: str | None
    reference: str | None

    def made(self, call: PhenotypeCall | CallAbstention, versions: Mapping[str, int]) -> bool:
        """Return whether a call of these versions was made with the same versions and reference."""
        reference = call.reference.sha256 if call.reference is not None else None
        return (versions, call.set_card, reference) == (dict(self.versions), self.set_card, self.reference)


class ReprocessSource(Protocol):
    """What is published again, which service reads it, and the status of specimens."""

    topic: Topic
    reader: str

    def look(self, specimens: Sequence[KnownSpecimen]) -> list[SpecimenStatus]:
        """Return the status of each of these specimens by the ledger, in their order."""


class OutdatedTensors:
    """Tensors of current calls and abstentions of other versions, or of another reference, than those in force now.

    Read by the classifier.
    """

    topic: Topic = TENSORS
    reader: str = CLASSIFIER.name

    def __init__(self, connection: Connection, models: ActiveModels, references: ActiveReferences) -> None:
        """Compare with what is active now; raises Fatal if no version is, Retriable without Kafka."""
        self._connection, self._models, self._references = connection, models, references
        self._present = self._look_up()

    def look(self, specimens: Sequence[KnownSpecimen]) -> list[SpecimenStatus]:
        """See `ReprocessSource`; raises Rejected(`activation_changed`) when something else became active meanwhile."""
        if self._look_up() != self._present:
            message = "other versions or another reference took effect meanwhile; run the command again for them"
            raise Rejected("activation_changed", message)
        calls = current_outcomes_of(self._connection, [one.biological_sample_id for one in specimens])
        return [self._found(one, calls.get(one.biological_sample_id)) for one in specimens]

    def _look_up(self) -> InForce:
        models = self._models.refresh()
        return InForce(models.versions, models.set_card, active(self._references.refresh()).sha256)

    def _found(self, one: KnownSpecimen, call: PhenotypeCall | CallAbstention | None) -> SpecimenStatus:
        standing = standing_of(call, self._present)
        if call is None or standing != "outdated":
            return SpecimenStatus(one.biological_sample_id, one.centre, standing)
        publication = Publication(tensor_of(call))
        return SpecimenStatus(one.biological_sample_id, one.centre, standing, (publication,), call.revision)


class OutdatedOriginals:
    """Images whose views have an older preprocessing generation; read by intake, which uses the stored original."""

    topic: Topic = IMAGES
    reader: str = INTAKE.name

    def __init__(self, connection: Connection) -> None:
        """Compare with the preprocessing version of this program."""
        self._connection = connection

    def look(self, specimens: Sequence[KnownSpecimen]) -> list[SpecimenStatus]:
        """See `ReprocessSource`."""
        names = [one.biological_sample_id for one in specimens]
        publications: dict[str, list[Publication]] = {}
        for image in outdated_images(self._connection, names, VERSION, GENERATION):
            publication = Publication(image.event, reprocess_headers(VERSION, image.original_sha256))
            publications.setdefault(image.event.biological_sample_id, []).append(publication)
        return [_found_images(one, publications.get(one.biological_sample_id, [])) for one in specimens]


def standing_of(call: PhenotypeCall | CallAbstention | None, present: InForce) -> Standing:
    """Return the standing of a specimen by its current call or abstention and what is in force now."""
    if call is None:
        return "uncalled"
    if call.preprocessing_generation < GENERATION:
        return "older_preprocessing"
    made_by = {model.model: model.version for model in call.models}
    # A call of a newer generation ranks above any that this program could make.
    newer = call.preprocessing_generation > GENERATION
    return "up_to_date" if newer or present.made(call, made_by) else "outdated"


def tensor_of(call: PhenotypeCall | CallAbstention) -> TensorReady:
    """Return the announcement of the tensor that a call of the present preprocessing version is based on."""
    return TensorReady(
        biological_sample_id=call.biological_sample_id,
        centre=call.centre,
        revision=call.revision,
        views=call.views,
        animal=call.animal,
        tensor_key=call.tensor_key,
        tensor_sha256=call.tensor_sha256,
        tensor_side=TENSOR_SIDE,
        preprocessing_version=call.preprocessing_version,
        preprocessing_generation=call.preprocessing_generation,
        announced_at=call.announced_at,
        produced_at=now(),
    )


def has_grown(store: ObjectStore, found: SpecimenStatus) -> bool:
    """Return whether a view or a withdrawal is stored that the current call does not cover: a revision is in flight."""
    if found.revision is None:
        return False
    listed = store.keys(specimen_prefix(found.biological_sample_id), MOST_OBJECTS)
    return read_set(listed, VERSION).revision > found.revision


def _found_images(one: KnownSpecimen, publications: Sequence[Publication]) -> SpecimenStatus:
    standing: Standing = "outdated" if publications else "up_to_date"
    return SpecimenStatus(one.biological_sample_id, one.centre, standing, tuple(publications))
