"""The evaluation report: `report.md` and its pictures."""
