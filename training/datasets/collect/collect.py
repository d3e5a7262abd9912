"""Collects a dataset from the current state: the ledger's calls, curated labels, reviews and simulated sets.

Reads a label set written by `xray train labels`.
"""

import csv
import hashlib
import io
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Final

from services.common.atomic import replace
from services.common.errors import Rejected
from services.common.labels import CALL_LABELS
from services.common.settings import Settings
from services.common.store import ObjectStore
from services.ledger.database import connect
from services.ledger.queries import ReviewRecord, reviews
from training.datasets.collect.dataset import Dataset
from training.datasets.collect.draft import DatasetDraft, DatasetRow
from training.datasets.collect.evaluation_set import EvaluationSet, EvaluationSets
from training.datasets.collect.merge import Labelled, Statement, merge, of_labels, of_reviews
from training.datasets.collect.specimens import SpecimenTensor, called_specimens, simulated_specimens
from training.datasets.collect.tensors import Tensors
from training.datasets.collect.write import REPORT, as_markdown, upload, write_dataset
from training.labels.curation.specimen import Exclusion
from training.labels.report.write import COLUMNS

FILE: Final = "labels.csv"
_VALUES: Final[dict[str, int | None]] = {"": None, "0": 0, "1": 1}


@dataclass(frozen=True)
class CuratedLabels:
    """Labels of one specimen: 14 of 0, 1 or None in the order of `LABEL_ORDER`, and why it is excluded, or empty."""

    labels: tuple[int | None, ...]
    exclusion: str


@dataclass(frozen=True)
class LabelFile:
    """A label set; `digest` is the SHA-256 of its file."""

    digest: str
    specimens: Mapping[str, CuratedLabels]


def read_label_set(path: Path) -> LabelFile:
    """Read a `labels.csv`, or the one in a folder.

    Raises Rejected `no_label_set` or `label_set_invalid`, naming the line.
    """
    file = path / FILE if path.is_dir() else path
    if not file.is_file():
        raise Rejected("no_label_set", f"{file} does not exist: make it with `xray train labels`")
    content = file.read_bytes()
    specimens: dict[str, CuratedLabels] = {}
    try:
        rows = csv.DictReader(io.StringIO(content.decode()), strict=True)
        if tuple(rows.fieldnames or ()) != COLUMNS:
            raise _invalid(file, 1, "the columns are not those of `xray train labels`")
        for row in rows:
            specimen = row[COLUMNS[0]]
            if specimen in specimens:
                raise _invalid(file, rows.line_num, f"specimen {specimen} occurs twice")
            specimens[specimen] = _labels(file, rows.line_num, row)
    except (UnicodeDecodeError, csv.Error) as error:
        raise _invalid(file, len(specimens) + 2, str(error)) from None
    return LabelFile(hashlib.sha256(content).hexdigest(), specimens)


def _labels(file: Path, line: int, row: Mapping[str, str | None]) -> CuratedLabels:
    values = [row["level1"], *(row[label] for label in CALL_LABELS)]
    exclusion = row["excluded"] or ""
    if None in row or None in row.values():
        raise _invalid(file, line, "the number of cells differs from the number of columns")
    if exclusion not in {"", *Exclusion}:
        raise _invalid(file, line, f"excluded is {exclusion!r}")
    wrong = [value for value in values if value not in _VALUES]
    if wrong:
        raise _invalid(file, line, f"a label is {wrong[0]!r}, not 0, 1 or empty")
    return CuratedLabels(tuple(_VALUES[value or ""] for value in values), exclusion)


def _invalid(file: Path, line: int, what: str) -> Rejected:
    return Rejected("label_set_invalid", f"{file}:{line}: {what}: make it again with `xray train labels`", line=line)


Progress = Callable[[str, int, int], None]
"""Called with the current step, the amount done, and the total."""
_NOT_REVIEWABLE: Final = (Exclusion.IDENTITY,)
"""Reasons to leave a specimen out that no review can resolve: it is unknown which mouse it is."""


@dataclass
class _Sources:
    """The contents of all sources, before tensors are fetched."""

    found: dict[str, SpecimenTensor] = field(default_factory=dict)
    statements: dict[str, list[Statement]] = field(default_factory=lambda: defaultdict(list))
    excluded: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))


def collect(
    out: Path,
    *,
    settings: Settings | None,
    label_sets: Sequence[Path] = (),
    sets: Sequence[Path] = (),
    grow_evaluation: bool = False,
    progress: Progress,
) -> Dataset:
    """Make the dataset of the current state below `out`, in a folder named by its digest, unless it exists.

    `settings` locate the ledger and the object storage; None leaves both out. `label_sets` are `labels.csv` files of
    `xray train labels`, `sets` are folders of simulated training sets; the last one given takes precedence. Raises
    Rejected `no_evaluation_set`, `evaluation_incomplete` and what reading the sources raises, Retriable if a server is
    unreachable. A stopped call can be repeated and continues.
    """
    out.mkdir(parents=True, exist_ok=True)
    store = None if settings is None else ObjectStore(settings)
    sources = _gathered(settings, label_sets, sets)
    evaluations = EvaluationSets(out, store)
    current = evaluations.current()
    tensors = Tensors(out, store)
    labelled = _labelled(sources, current)
    _fetch(sources, labelled, tensors, progress)
    chosen = _evaluation(current, sources, labelled, grow=grow_evaluation)
    draft = _draft(sources, labelled, chosen)
    if chosen is not current or settings is not None:
        evaluations.keep(chosen)
    dataset = write_dataset(out, draft, tensors, _counter("writing", len(draft.rows), progress))
    replace(out / REPORT, as_markdown(draft).encode())
    if store is not None:
        upload(dataset, store)
    return dataset


def _gathered(settings: Settings | None, label_sets: Sequence[Path], sets: Sequence[Path]) -> _Sources:
    sources = _Sources()
    for place, folder in enumerate(sets):
        simulated = simulated_specimens(folder)
        sources.found |= {one.specimen: one for one in simulated.specimens}
        sources.left_out["refused_by_intake"] += simulated.refused
        for specimen, labels in simulated.labels.items():
            sources.statements[specimen] += of_labels(labels, "simulated", simulated.digest, place)
    for place, path in enumerate(label_sets, start=len(sets)):
        label_set = read_label_set(path)
        for specimen, curated in label_set.specimens.items():
            if curated.exclusion:
                sources.excluded[specimen] = curated.exclusion
            else:
                sources.statements[specimen] += of_labels(curated.labels, "label set", label_set.digest, place)
    if settings is not None:
        _read_ledger(settings, sources, above=len(sets) + len(label_sets))
    return sources


def _read_ledger(settings: Settings, sources: _Sources, above: int) -> None:
    with closing(connect(settings.postgres_dsn.get_secret_value(), "xray-train")) as connection:
        for found in called_specimens(connection):
            if isinstance(found, SpecimenTensor):
                sources.found[found.specimen] = found
            elif found not in sources.found:
                sources.left_out["other_preprocessing"].append(found)
        records: list[ReviewRecord] = reviews(connection)
    for specimen, statements in of_reviews(records, above).items():
        sources.statements[specimen] += statements


def _labelled(sources: _Sources, evaluation: EvaluationSet) -> dict[str, Labelled]:
    """Decide the labels; specimens without usable labels are left out, except those of the evaluation set."""
    labelled: dict[str, Labelled] = {}
    mentioned = {specimen for specimens in sources.left_out.values() for specimen in specimens}
    for specimen in sorted({*sources.found, *sources.statements, *sources.excluded}):
        merged = merge(specimen, sources.statements.get(specimen, ()))
        reason = _unusable(merged, sources.excluded.get(specimen, ""))
        if specimen not in sources.found:
            if specimen not in mentioned:
                sources.left_out["abnormal_elsewhere" if merged.abnormal_elsewhere else "no_tensor"].append(specimen)
        elif reason and specimen not in evaluation.members:
            sources.left_out[reason].append(specimen)
        else:
            labelled[specimen] = merged
    return labelled


def _unusable(merged: Labelled, exclusion: str) -> str:
    if exclusion in _NOT_REVIEWABLE:
        return exclusion
    if merged.labels[0] is None:
        return exclusion or ("level1_unknown" if any(value is not None for value in merged.labels) else "no_label")
    return "abnormal_elsewhere" if merged.abnormal_elsewhere else ""


def _fetch(sources: _Sources, labelled: dict[str, Labelled], tensors: Tensors, progress: Progress) -> None:
    tensors_of = [sources.found[specimen] for specimen in labelled]
    refused = tensors.fetch(tensors_of, _counter("fetching", len(tensors_of), progress))
    for specimen, error in refused.items():
        sources.left_out[error.reason].append(specimen)
        del labelled[specimen]


def _evaluation(
    current: EvaluationSet, sources: _Sources, labelled: Mapping[str, Labelled], *, grow: bool
) -> EvaluationSet:
    absent = sorted(set(current.members) - set(labelled))
    if absent:
        message = (
            f"{len(absent)} specimens of the evaluation set have no tensor here, such as {absent[0]}; models can "
            "only be compared on the whole set: name its sources, restore tensors or reprocess the specimens"
        )
        raise Rejected("evaluation_incomplete", message, specimens=absent[:10])
    if grow:
        tested = {name: one.labels for name, one in labelled.items() if sources.found[name].part == "test"}
        current = current.grown(tested)
    if not current.members:
        message = "there is no evaluation set yet to compare models on: run once with --grow-evaluation"
        if grow:
            message = "no labelled specimen is in the test part, so there is nothing to judge models on: label more"
        raise Rejected("no_evaluation_set", message)
    return current


def _draft(sources: _Sources, labelled: Mapping[str, Labelled], evaluation: EvaluationSet) -> DatasetDraft:
    rows = tuple(
        DatasetRow(sources.found[name], labelled[name], name in evaluation.members) for name in sorted(labelled)
    )
    conflicts = tuple(conflict for row in rows for conflict in row.labelled.conflicts)
    return DatasetDraft(
        rows, evaluation, {reason: names for reason, names in sources.left_out.items() if names}, conflicts
    )


def _counter(step: str, total: int, progress: Progress) -> Callable[[], None]:
    progress(step, 0, total)
    numbers = count(1)
    return lambda: progress(step, next(numbers), total)
