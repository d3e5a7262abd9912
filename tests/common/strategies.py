"""Hypothesis strategies for every event, from the pydantic models' own limits."""

from datetime import UTC, datetime

from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from services.common.events import (
    CallAbstention,
    CallReference,
    CallWithdrawal,
    CentreStatistics,
    Drift,
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
from services.common.events.base import SpecimenId
from services.common.labels import LABEL_ORDER, contradiction

text = st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=40)


def is_specimen_id(text: str) -> bool:
    """Whether an event accepts the text as an id: not blank, and no placeholder."""
    try:
        TypeAdapter(SpecimenId).validate_python(text)
    except ValidationError:
        return False
    return True


specimen_ids = st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=512).filter(is_specimen_id)
centres = st.sampled_from(["JAX", "WTSI", "MRC Harwell", "TCP", "UC Davis", "BCM", "ICS", "CCP-IMG"])
digests = st.binary(min_size=32, max_size=32).map(bytes.hex)
moments = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))
probability = st.floats(0, 1)
views = st.sampled_from(["DV", "LAT"])
flags = st.lists(text, max_size=2).map(tuple)
members = st.builds(SpecimenView, view=views, image_sha256=digests, view_key=text, flags=flags)
_stated = {
    "sample_group": st.sampled_from([None, "control", "experimental"]),
    "sex": st.sampled_from([None, "male", "female"]),
    "strain_accession_id": st.none() | st.from_regex(r"[A-Za-z0-9][A-Za-z0-9:._-]{0,63}", fullmatch=True),
}
animals = st.none() | st.builds(Animal, **_stated)
facts = st.none() | st.builds(AnimalFacts, **_stated, conflicts=flags)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=6,
)


def is_key(text: str) -> bool:
    """Whether an announcement may name an object by this text."""
    return "\\" not in text and not {".", ".."} & set(text.split("/"))


image_events = st.builds(
    ImageEvent,
    biological_sample_id=specimen_ids,
    centre=centres,
    parameter_stable_id=st.sampled_from(["IMPC_XRY_034_001", "IMPC_XRY_048_001", "IMPC_XRY_051_001"]),
    image_uri=text.filter(is_key).map(lambda key: f"s3://bucket/{key}"),
    sha256=st.none() | digests,
    increment=st.none() | text,
    acquired_at=st.none() | moments,
    animal=animals,
    metadata=st.dictionaries(text, text, max_size=4),
    produced_at=st.none() | moments,
)
_set = {
    "biological_sample_id": specimen_ids,
    "centre": centres,
    "revision": st.integers(2, 50),
    "animal": facts,
    "views": st.lists(members, min_size=2, max_size=5).map(tuple),
    "preprocessing_version": st.just("p1"),
    "preprocessing_generation": st.integers(1, 9),
    "announced_at": moments,
    "produced_at": moments,
}
view_events = st.builds(
    ViewReady,
    biological_sample_id=specimen_ids,
    centre=centres,
    parameter_stable_id=text,
    image_event_id=digests,
    image_uri=text,
    image_sha256=digests,
    view=views,
    view_key=text,
    view_sha256=digests,
    original_key=text,
    preprocessing_version=text,
    preprocessing_generation=st.integers(1, 9),
    scores=st.dictionaries(text, st.floats(allow_nan=False, allow_infinity=False), max_size=4),
    flags=st.lists(text, max_size=3).map(tuple),
    provenance=st.dictionaries(text, json_values, max_size=3),
    animal=animals,
    announced_at=moments,
    produced_at=moments,
)
specimen_events = st.builds(SpecimenReady, **_set)
tensor_events = st.builds(
    TensorReady, **_set, tensor_key=text, tensor_sha256=digests, tensor_side=st.sampled_from([224, 448])
)
probabilities = st.builds(
    Probabilities,
    level1=probability,
    level2=st.tuples(*[probability] * 3),
    level3=st.tuples(*[probability] * 10),
)
logits = st.floats(-100, 100, allow_nan=False)
model_outputs = st.builds(
    ModelOutput,
    model=text,
    version=st.integers(1, 99),
    calibration_digest=digests,
    training_digest=digests,
    probabilities=probabilities,
    scores=st.none() | st.tuples(*[logits] * 14),
    features=st.none() | st.lists(logits, min_size=1, max_size=64).map(tuple),
    unfamiliar=st.none() | probability,
)
calls = st.builds(
    PhenotypeCall,
    **_set,
    call_id=digests,
    activation=st.integers(1, 99),
    vector=st.tuples(*[st.integers(0, 1)] * 13),
    abnormal=st.booleans(),
    abnormal_elsewhere=st.booleans(),
    consensus=probabilities,
    models=st.lists(model_outputs, min_size=1, max_size=2).map(tuple),
    uncertain=st.lists(text, max_size=3).map(tuple),
    disagreement=st.lists(text, max_size=3).map(tuple),
    tensor_key=text,
    tensor_sha256=digests,
)
references = st.none() | st.builds(
    CallReference,
    activation=st.integers(1, 99),
    sha256=st.none() | digests,
    group=st.none() | text,
    controls=st.integers(0, 999),
)
abstentions = st.builds(
    CallAbstention,
    **_set,
    call_id=digests,
    activation=st.integers(1, 99),
    reasons=st.lists(text, min_size=1, max_size=3).map(tuple),
    unfamiliarity=st.none() | probability,
    consensus=probabilities,
    models=st.lists(model_outputs, min_size=1, max_size=2).map(tuple),
    reference=references,
    tensor_key=text,
    tensor_sha256=digests,
)
call_withdrawals = st.builds(
    CallWithdrawal,
    **{name: one for name, one in _set.items() if name != "views"},
    call_id=digests,
    reason=st.sampled_from(["images_withdrawn", "too_many_views", "centres_conflict", "view_conflict"]),
)
image_withdrawals = st.builds(
    ImageWithdrawal,
    biological_sample_id=specimen_ids,
    centre=centres,
    image_sha256=digests,
    view=st.none() | views,
    reason=text,
    who=text.filter(str.strip),
    withdrawn_at=moments,
)
coherent_verdicts = st.dictionaries(
    st.sampled_from(LABEL_ORDER), st.sampled_from(["abnormal", "normal", "unknown"]), min_size=1
).filter(
    lambda verdicts: (
        contradiction(*([label for label in verdicts if verdicts[label] == one] for one in ("abnormal", "normal")))
        is None
    )
)
reviews = st.builds(
    Review,
    biological_sample_id=specimen_ids,
    call_id=st.none() | digests,
    verdicts=coherent_verdicts,
    who=text,
    note=text,
    reviewed_at=moments,
)
shadow_calls = st.builds(
    ShadowCall,
    **{name: one for name, one in _set.items() if name not in {"views", "announced_at"}},
    shadow_id=digests,
    call_id=digests,
    activation=st.integers(1, 99),
    shadow=st.integers(1, 99),
    versions=st.dictionaries(text, st.integers(1, 99), min_size=1, max_size=3),
    vector=st.tuples(*[st.integers(0, 1)] * 13),
    abnormal=st.booleans(),
    abnormal_elsewhere=st.booleans(),
    consensus=probabilities,
    models=st.lists(model_outputs, min_size=1, max_size=2).map(tuple),
    uncertain=st.lists(text, max_size=3).map(tuple),
    differs=st.lists(text, max_size=3).map(tuple),
    seconds=st.floats(0, 1e6),
    tensor_key=text,
    tensor_sha256=digests,
)
rejections = st.builds(
    Rejection,
    rejection_id=digests,
    stage=text,
    reason=text,
    words=text,
    details=st.dictionaries(text, json_values, max_size=3),
    biological_sample_id=st.none() | specimen_ids,
    centre=st.none() | centres,
    image_event_id=st.none() | digests,
    source_topic=text,
    source_partition=st.integers(0, 99),
    source_offset=st.integers(0, 2**40),
    source_timestamp=moments,
    original_key=st.none() | text,
    original=st.none() | text,
    headers=st.lists(st.tuples(text, text), max_size=3).map(tuple),
    produced_at=moments,
)
reference_activations = st.builds(
    ReferenceActivation,
    activation=st.integers(1, 99),
    sha256=st.none() | digests,
    why=text,
    produced_at=moments,
)
activations = st.builds(
    ModelActivation,
    activation=st.integers(1, 99),
    versions=st.dictionaries(text, st.integers(1, 99), min_size=1, max_size=3),
    why=text,
    share=st.none() | probability,
    produced_at=moments,
)
counts = st.integers(0, 2**40)
histograms = st.builds(
    ScoreHistogram,
    edges=st.sets(st.floats(-1e6, 1e6), min_size=2, max_size=2).map(sorted),
    counts=st.tuples(*[counts] * 3),
)
statistics = st.builds(
    CentreStatistics,
    centre=centres,
    window_start=moments,
    window_end=moments,
    images=counts,
    skipped=counts,
    accepted=counts,
    rejected=st.dictionaries(text, counts, max_size=3),
    calls=counts,
    positive=st.dictionaries(text, counts, max_size=3),
    uncertain=counts,
    disagreement=counts,
    scores=st.dictionaries(text, histograms, max_size=2),
    drift=st.lists(
        st.builds(Drift, measure=text, psi=probability, limit=probability, count=counts, reference_count=counts),
        max_size=2,
    ).map(tuple),
    reference_windows=counts,
    produced_at=moments,
)
every_event = st.one_of(
    image_events,
    view_events,
    specimen_events,
    tensor_events,
    calls,
    call_withdrawals,
    image_withdrawals,
    shadow_calls,
    reviews,
    rejections,
    activations,
    statistics,
)
