"""The report folder: `report.md`, `auc.csv` and the figures."""
