"""An experiment while its elements come."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from services.ingest.submissions.content import Experiment, Medium, Value


@dataclass(slots=True)
class Parameter:
    """A parameter that is open: its values or media so far, and its status."""

    stable_id: str
    line: int
    is_media: bool
    values: list[Value] = field(default_factory=list)
    media: list[Medium] = field(default_factory=list)
    status: str | None = None
    associations: int = 0

    def associate(self, stable_id: str) -> None:
        """Tie another parameter to the medium named last."""
        if self.media:
            last = self.media[-1]
            self.media[-1] = replace(last, associations=(*last.associations, stable_id))
            self.associations += 1

    def size(self) -> int:
        """How many entries it has so far."""
        return len(self.values) + len(self.media) + self.associations


@dataclass(slots=True)
class Draft:
    """An experiment that is open."""

    begun: Experiment
    specimens: list[str] = field(default_factory=list)
    values: list[Value] = field(default_factory=list)
    media: list[Medium] = field(default_factory=list)
    procedure: str | None = None
    status: str | None = None
    associations: int = 0

    def take(self, parameter: Parameter) -> None:
        """Take a finished parameter: one entry for each value or medium; with none of them, its status alone."""
        status = parameter.status
        if parameter.is_media:
            media = parameter.media or [Medium(parameter.stable_id, parameter.line)]
            self.media += [replace(one, status=status) for one in media] if status else media
            self.associations += parameter.associations
        else:
            values = parameter.values or [Value(parameter.stable_id, parameter.line)]
            self.values += [replace(one, status=status) for one in values] if status else values

    def size(self) -> int:
        """How many entries this experiment stands for: those of all its specimens."""
        return (len(self.values) + len(self.media) + self.associations) * max(len(self.specimens), 1)

    def finished(self) -> Experiment:
        """Return what was said."""
        return replace(
            self.begun,
            procedure=self.procedure,
            specimens=tuple(self.specimens),
            values=tuple(self.values),
            media=tuple(self.media),
            status=self.status,
        )
