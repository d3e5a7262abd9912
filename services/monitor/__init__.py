"""Windowed statistics per centre and their drift, as a Faust app (docs/monitor.md)."""
