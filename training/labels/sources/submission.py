"""What is read out of a submission's stream of elements: experiments, their specimens, their parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from xml.sax.handler import ContentHandler
from xml.sax.xmlreader import AttributesNSImpl

from services.common.errors import Rejected
from training.labels.sources.identity import centre_name, specimen_id
from training.labels.sources.record import Item, Place, Record, Skipped
from training.labels.sources.status import missing_reason

ROOT: Final = "centreProcedureSet"
PARAMETERS: Final = frozenset({"simpleParameter", "ontologyParameter", "seriesParameter"})
TEXTS: Final = frozenset({"specimenID", "value", "term", "parameterStatus", "statusCode"})
MAXIMUM_DEPTH: Final = 32
MAXIMUM_TEXT: Final = 10_000
"""Characters of one value."""
MAXIMUM_VALUES: Final = 10_000
"""Values of one experiment, times its specimens; an X-ray procedure has some 60 and one specimen."""


@dataclass(slots=True)
class Value:
    """A value, term or series value with its status; `line` is where its parameter begins."""

    parameter: str
    line: int
    text: str | None = None
    status: str | None = None


@dataclass(slots=True)
class Experiment:
    """What one experiment has said so far."""

    line: int
    specimens: list[str] = field(default_factory=list)
    values: list[Value] = field(default_factory=list)
    status: str | None = None


class SubmissionHandler(ContentHandler):
    """Collects the items of one submission; `taken` hands over those that are complete.

    `line` tells the line at which the parser stands.
    """

    def __init__(self, path: Path, line: Callable[[], int | None]) -> None:
        super().__init__()
        self._path = path
        self._line_now = line
        self._items: list[Item] = []
        self._open: list[str] = []
        self._text: list[str] = []
        self._length = 0
        self._centre: str | None = None
        self._experiment: Experiment | None = None
        self._parameter: list[Value] = []
        self._named: Value | None = None
        self._increment_status: str | None = None

    def taken(self) -> Iterator[Item]:
        """Yield the items since the last call."""
        items, self._items = self._items, []
        yield from items

    def startElementNS(  # noqa: N802  (the name is xml.sax's)
        self, name: tuple[str | None, str], qname: str | None, attrs: AttributesNSImpl
    ) -> None:
        """Open an element; raises Rejected `not_a_submission` for another root or absurd nesting."""
        local = name[1]
        if not self._open and local != ROOT:
            self._refuse(f"the root is <{local}>, expected <{ROOT}>")
        if len(self._open) >= MAXIMUM_DEPTH:
            self._refuse(f"elements nested more than {MAXIMUM_DEPTH} deep")
        self._open.append(local)
        self._text, self._length = [], 0
        if local == "centre":
            code = self._attribute(attrs, "centreID")
            self._centre = centre_name(code) if code else None
        elif local == "experiment":
            self._experiment = Experiment(self._line())
        elif local in PARAMETERS:
            self._named = Value(self._attribute(attrs, "parameterID") or "", self._line())
            self._parameter = []
        elif local == "value":
            self._increment_status = self._attribute(attrs, "incrementStatus")

    def characters(self, content: str) -> None:
        """Keep text of the elements that hold values; raises Rejected `not_a_submission` for endless text."""
        if self._open and self._open[-1] in TEXTS:
            self._length += len(content)
            if self._length > MAXIMUM_TEXT:
                self._refuse(f"a text of more than {MAXIMUM_TEXT} characters")
            self._text.append(content)

    def endElementNS(self, name: tuple[str | None, str], qname: str | None) -> None:  # noqa: N802
        """Close an element and use what it held."""
        local = self._open.pop()
        text = "".join(self._text).strip() or None
        self._text, self._length = [], 0
        if local == "experiment":
            self._finish_experiment()
        elif local in PARAMETERS:
            self._finish_parameter()
        elif self._experiment is not None and self._open[-1] in PARAMETERS:
            self._finish_part(local, text)
        elif self._experiment is not None and self._open[-1] == "experiment" and text:
            if local == "specimenID":
                self._experiment.specimens.append(text)
            elif local == "statusCode":
                self._experiment.status = text

    def _finish_part(self, local: str, text: str | None) -> None:
        if self._named is None:
            return
        if local in {"value", "term"}:
            value = Value(self._named.parameter, self._named.line, text, self._increment_status)
            self._parameter.append(value)
            self._increment_status = None
        elif local in {"parameterStatus", "statusCode"}:
            self._named.status = text

    def _finish_parameter(self) -> None:
        """A parameter gives one value for each of its terms or increments; with none of them, its status alone."""
        if self._experiment is None or self._named is None:
            return
        for value in self._parameter or [self._named]:
            value.status = self._named.status or value.status
            self._experiment.values.append(value)
        self._named = None
        self._check_size(self._experiment)

    def _finish_experiment(self) -> None:
        experiment, self._experiment = self._experiment, None
        if experiment is None:
            return
        self._check_size(experiment)
        place = Place(self._path.name, experiment.line)
        if experiment.status and not experiment.values:
            self._items.append(Skipped("procedure_not_done", experiment.status, place))
            return
        for external in experiment.specimens or [""]:
            self._add(experiment, external, place)

    def _add(self, experiment: Experiment, external: str, place: Place) -> None:
        identifier = specimen_id(None, None, self._centre, external)
        if identifier is None:
            words = "an experiment needs a specimenID and its centre a centreID"
            self._items.append(Skipped("no_specimen", words, place))
            return
        for value in experiment.values:
            where = Place(self._path.name, value.line)
            if not value.parameter:
                self._items.append(Skipped("no_parameter", "a parameter has no parameterID", where))
                continue
            reason = missing_reason(value.status, value.text)
            self._items.append(Record(identifier, self._centre, None, None, value.parameter, value.text, reason, where))

    def _check_size(self, experiment: Experiment) -> None:
        if len(experiment.values) * max(len(experiment.specimens), 1) > MAXIMUM_VALUES:
            self._refuse(f"an experiment of more than {MAXIMUM_VALUES} values of its specimens")

    def _attribute(self, attrs: AttributesNSImpl, name: str) -> str | None:
        value = attrs.get((None, name))
        return value.strip() or None if isinstance(value, str) else None

    def _line(self) -> int:
        return self._line_now() or 1

    def _refuse(self, words: str) -> None:
        mend = "send a submission after the DCC's procedure_definition schema"
        raise Rejected("not_a_submission", f"{self._path}:{self._line()}: {words}; {mend}")
