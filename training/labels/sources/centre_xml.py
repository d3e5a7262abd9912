"""The observations of the centres' submissions. Strain and group are not in their schema."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from services.ingest.submissions import Experiment, missing_reason, read_experiments, specimen_id
from training.labels.sources.record import Item, Place, Record, Skipped


def read_xml(file: BinaryIO, path: Path) -> Iterator[Item]:
    """Items of one submission; several specimens of an experiment share its values.

    Raises Rejected `xml_too_large`, `xml_forbidden` (document type, entities), `not_xml` or `not_a_submission`.
    """
    for experiment in read_experiments(file, path):
        place = Place(path.name, experiment.line)
        if experiment.status and not experiment.values:
            yield Skipped("procedure_not_done", experiment.status, place)
            continue
        for external in experiment.specimens or ("",):
            yield from _items(experiment, external, place)


def _items(experiment: Experiment, external: str, place: Place) -> Iterator[Item]:
    identifier = specimen_id(None, None, experiment.centre, external)
    if identifier is None:
        yield Skipped("no_specimen", "an experiment needs a specimenID and its centre a centreID", place)
        return
    for value in experiment.values:
        where = Place(place.file, value.line)
        if not value.parameter:
            yield Skipped("no_parameter", "a parameter has no parameterID", where)
            continue
        reason = missing_reason(value.status, value.text)
        yield Record(identifier, experiment.centre, None, None, value.parameter, value.text, reason, where)
