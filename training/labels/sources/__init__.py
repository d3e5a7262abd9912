"""Readers of observations: IMPC's Solr, the centres' XML, CSV; all give the same typed records."""

from training.labels.sources.read import read
from training.labels.sources.record import Item, ObservationRecord, Skipped, SourceLocation

__all__ = ["Item", "ObservationRecord", "Skipped", "SourceLocation", "read"]
