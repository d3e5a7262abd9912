"""Builds experiments, with their specimens, parameters and media, from a submission's stream of XML elements."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final
from xml.sax.handler import ContentHandler
from xml.sax.xmlreader import AttributesNSImpl

from services.common.errors import Rejected
from services.ingest.centres import centre_name
from services.ingest.submissions.content import Experiment, Medium, Value


@dataclass(slots=True)
class OpenParameter:
    """A parameter whose element is still open: its values or media so far, and its status."""

    stable_id: str
    line: int
    is_media: bool
    values: list[Value] = field(default_factory=list)
    media: list[Medium] = field(default_factory=list)
    status: str | None = None
    associations: int = 0

    def associate(self, stable_id: str) -> None:
        """Add a reference to another parameter to the medium that was named last."""
        if self.media:
            last = self.media[-1]
            self.media[-1] = replace(last, associations=(*last.associations, stable_id))
            self.associations += 1

    def size(self) -> int:
        """Return the number of its entries so far."""
        return len(self.values) + len(self.media) + self.associations


@dataclass(slots=True)
class ExperimentDraft:
    """An experiment whose element is still open; `start` holds the attributes of the element."""

    start: Experiment
    specimens: list[str] = field(default_factory=list)
    values: list[Value] = field(default_factory=list)
    media: list[Medium] = field(default_factory=list)
    procedure: str | None = None
    status: str | None = None
    associations: int = 0

    def add(self, parameter: OpenParameter) -> None:
        """Add a finished parameter: one entry per value or medium, or one entry with its status if it has neither."""
        status = parameter.status
        if parameter.is_media:
            media = parameter.media or [Medium(parameter.stable_id, parameter.line)]
            self.media += [replace(one, status=status) for one in media] if status else media
            self.associations += parameter.associations
        else:
            values = parameter.values or [Value(parameter.stable_id, parameter.line)]
            self.values += [replace(one, status=status) for one in values] if status else values

    def size(self) -> int:
        """Return the number of entries of all its specimens."""
        return (len(self.values) + len(self.media) + self.associations) * max(len(self.specimens), 1)

    def experiment(self) -> Experiment:
        """Return the finished experiment."""
        return replace(
            self.start,
            procedure=self.procedure,
            specimens=tuple(self.specimens),
            values=tuple(self.values),
            media=tuple(self.media),
            status=self.status,
        )


ROOT: Final = "centreProcedureSet"
VALUE_PARAMETERS: Final = frozenset({"simpleParameter", "ontologyParameter", "seriesParameter"})
MEDIA_PARAMETERS: Final = frozenset({"mediaParameter", "mediaSampleParameter", "seriesMediaParameter"})
PARAMETERS: Final = VALUE_PARAMETERS | MEDIA_PARAMETERS
MEDIA: Final = frozenset(
    {("mediaParameter", "procedure"), ("value", "seriesMediaParameter"), ("mediaFile", "mediaSection")}
)
"""The elements that name a file, each with its parent element."""
TEXTS: Final = frozenset({"specimenID", "value", "term", "parameterStatus", "statusCode"})
STATUSES: Final = frozenset({"parameterStatus", "statusCode"})
MAXIMUM_DEPTH: Final = 32
MAXIMUM_TEXT: Final = 10_000
"""Characters of one value."""
MAXIMUM_VALUES: Final = 10_000
"""Values and media of one experiment times its specimens; an X-ray procedure has about 60 and one specimen."""


class SubmissionHandler(ContentHandler):
    """Collects the experiments of one submission; `take_finished` returns those that are complete.

    `line` returns the parser's current line.
    """

    def __init__(self, path: Path, line: Callable[[], int | None]) -> None:
        super().__init__()
        self._path = path
        self._line_now = line
        self._experiments: list[Experiment] = []
        self._open: list[str] = []
        self._text: list[str] = []
        self._length = 0
        self._centre: str | None = None
        self._draft: ExperimentDraft | None = None
        self._parameter: OpenParameter | None = None
        self._increment_status: str | None = None

    def take_finished(self) -> Iterator[Experiment]:
        """Yield the experiments that were completed since the last call."""
        experiments, self._experiments = self._experiments, []
        yield from experiments

    def startElementNS(  # noqa: N802  (the name is xml.sax's)
        self, name: tuple[str | None, str], qname: str | None, attrs: AttributesNSImpl
    ) -> None:
        """Open an element; raises Rejected `not_a_submission` for a wrong root or excessive nesting."""
        local = name[1]
        if not self._open and local != ROOT:
            self._refuse(f"the root is <{local}>, expected <{ROOT}>")
        if len(self._open) >= MAXIMUM_DEPTH:
            self._refuse(f"elements nested more than {MAXIMUM_DEPTH} deep")
        self._open.append(local)
        self._text, self._length = [], 0
        if local == "centre":
            code = _attribute(attrs, "centreID")
            self._centre = centre_name(code) if code else None
        elif local == "experiment":
            identifier, date = _attribute(attrs, "experimentID"), _attribute(attrs, "dateOfExperiment")
            self._draft = ExperimentDraft(Experiment(self._line(), self._centre, identifier, date))
        elif self._draft is not None:
            self._start_within(self._draft, local, attrs)

    def characters(self, content: str) -> None:
        """Keep the text of elements that hold values; raises Rejected `not_a_submission` for overlong text."""
        if self._open and self._open[-1] in TEXTS:
            self._length += len(content)
            if self._length > MAXIMUM_TEXT:
                self._refuse(f"a text longer than {MAXIMUM_TEXT} characters")
            self._text.append(content)

    def endElementNS(self, name: tuple[str | None, str], qname: str | None) -> None:  # noqa: N802
        """Close an element and use its content."""
        local = self._open.pop()
        text = "".join(self._text).strip() or None
        self._text, self._length = [], 0
        draft = self._draft
        if draft is None:
            return
        if local == "experiment":
            self._check_size(draft)
            self._experiments.append(draft.experiment())
            self._draft = None
        elif local in PARAMETERS and self._parameter is not None:
            draft.add(self._parameter)
            self._parameter = None
            self._check_size(draft)
        elif self._open[-1] in PARAMETERS and self._parameter is not None:
            self._finish_part(self._parameter, local, text)
        elif self._open[-1] == "experiment" and text:
            if local == "specimenID":
                draft.specimens.append(text)
            elif local == "statusCode":
                draft.status = text

    def _start_within(self, draft: ExperimentDraft, local: str, attrs: AttributesNSImpl) -> None:
        stable_id = _attribute(attrs, "parameterID") or ""
        if local == "procedure":
            draft.procedure = _attribute(attrs, "procedureID")
        elif local in PARAMETERS:
            self._parameter = OpenParameter(stable_id, self._line(), local in MEDIA_PARAMETERS)
        elif local == "value":
            self._increment_status = _attribute(attrs, "incrementStatus")
        if self._parameter is None or not self._parameter.is_media:
            return
        if local == "parameterAssociation":
            self._parameter.associate(stable_id)
        elif (local, self._open[-2]) in MEDIA:
            self._parameter.media.append(self._medium(self._parameter, attrs))
        self._check_size(self._parameter)

    def _medium(self, parameter: OpenParameter, attrs: AttributesNSImpl) -> Medium:
        return Medium(
            parameter.stable_id,
            self._line(),
            uri=_attribute(attrs, "URI"),
            increment=_attribute(attrs, "incrementValue"),
            file_type=_attribute(attrs, "fileType"),
        )

    def _finish_part(self, parameter: OpenParameter, local: str, text: str | None) -> None:
        if local in {"value", "term"} and not parameter.is_media:
            parameter.values.append(Value(parameter.stable_id, parameter.line, text, self._increment_status))
            self._increment_status = None
            self._check_size(parameter)
        elif local in STATUSES:
            parameter.status = text

    def _check_size(self, counted: ExperimentDraft | OpenParameter) -> None:
        if counted.size() > MAXIMUM_VALUES:
            self._refuse(f"an experiment with more than {MAXIMUM_VALUES} values for its specimens")

    def _line(self) -> int:
        return self._line_now() or 1

    def _refuse(self, fault: str) -> None:
        remedy = "send a submission that follows the DCC's procedure_definition schema"
        raise Rejected("not_a_submission", f"{self._path}:{self._line()}: {fault}; {remedy}")


def _attribute(attrs: AttributesNSImpl, name: str) -> str | None:
    value = attrs.get((None, name))
    return value.strip() or None if isinstance(value, str) else None
