"""What a label set holds, for people (Markdown) and for programs (CSV, JSON)."""

from training.labels.report.model import LabelReport
from training.labels.report.write import write

__all__ = ["LabelReport", "write"]
