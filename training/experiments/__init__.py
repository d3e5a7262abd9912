"""Studies on simulated specimens that the reports in docs/evaluation.md are made from."""
