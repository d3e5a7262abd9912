"""The contents of a label set for people (Markdown) and programs (CSV, JSON)."""

from training.labels.report.model import LabelReport
from training.labels.report.write import write

__all__ = ["LabelReport", "write"]
