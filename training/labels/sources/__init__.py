"""Readers of observations from IMPC's Solr, the centres' XML and CSV; all return the same typed records."""

from training.labels.sources.read import read
from training.labels.sources.record import Item, ObservationRecord, Skipped, SourceLocation

__all__ = ["Item", "ObservationRecord", "Skipped", "SourceLocation", "read"]
