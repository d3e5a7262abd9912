"""What a submission says, element by element, before anything is judged."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Value:
    """A value, term or series value with its status; `line` is where its parameter begins."""

    parameter: str
    line: int
    text: str | None = None
    status: str | None = None


@dataclass(frozen=True, slots=True)
class Medium:
    """A media file that a parameter names, or (without `uri`) a media parameter that was not measured.

    `increment` is a text, as the schema has it ("1", "two"). `associations` are the parameter stable ids that are
    tied to a place in the picture; such a tie is no finding. `line` is where the file is named.
    """

    parameter: str
    line: int
    uri: str | None = None
    increment: str | None = None
    file_type: str | None = None
    associations: tuple[str, ...] = ()
    status: str | None = None


@dataclass(frozen=True, slots=True)
class Experiment:
    """One procedure on one animal, or on several that share its values.

    `centre` is the name as IMPC's Solr has it (JAX, not J). `date` is the text of dateOfExperiment (yyyy-MM-dd).
    `status` says why the procedure as a whole was not done.
    """

    line: int
    centre: str | None = None
    experiment_id: str | None = None
    date: str | None = None
    procedure: str | None = None
    specimens: tuple[str, ...] = ()
    values: tuple[Value, ...] = ()
    media: tuple[Medium, ...] = ()
    status: str | None = None
