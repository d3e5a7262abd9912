"""Write docs/metrics.md from the metrics themselves: `python -m deploy.metrics_page`."""

from pathlib import Path
from types import ModuleType
from typing import Final

from prometheus_client.metrics import MetricWrapperBase

from services.classifier import metrics as classifier
from services.common.metrics import definitions
from services.monitor import metrics as monitor
from services.sink import metrics as sink

PAGE: Final = Path(__file__).parents[1] / "docs" / "metrics.md"
SECTIONS: Final[tuple[tuple[str, ModuleType], ...]] = (
    ("Every service", definitions),
    ("classifier", classifier),
    ("sink", sink),
    ("monitor", monitor),
)
_TOP: Final = """# Metrics

Every service answers `/metrics` on `XRAY_HTTP_PORT` in Prometheus' text format. `stage` is the service's name. Counters
count from the start of the process: use `rate` or `increase`. A service counts its work after the commit, so a batch
repeated after a crash is counted once, by the process that finished it. The ledger has exact numbers: `xray reconcile`.

`process_resident_memory_bytes`, `process_cpu_seconds_total` and similar metrics come from the client library.

`python -m deploy.metrics_page` generates this page. A test compares it with the metrics of the five services of the
pipeline.
"""
_UNITS: Final = (
    ("_timestamp_seconds", "Unix time, s"),
    ("_seconds", "s"),
    ("_bytes", "bytes"),
    ("_info", "1"),
    ("_difference", "0 to 1"),
    ("_share", "0 to 1"),
    ("_index", "index"),
    ("_ready", "0 or 1"),
)


def metrics_of(module: ModuleType) -> list[MetricWrapperBase]:
    """Return the metrics that a module defines, in its order."""
    return [value for value in vars(module).values() if isinstance(value, MetricWrapperBase)]


def names_of(module: ModuleType) -> set[str]:
    """Return the names of these metrics; a counter's without `_total`."""
    return {one.name for metric in metrics_of(module) for one in metric.describe()}


def page() -> str:
    """Return the page: one table per service."""
    parts = [_TOP]
    for title, module in SECTIONS:
        rows = [row for metric in metrics_of(module) for row in _rows(metric)]
        parts += [f"## {title}", "", "| metric | type | unit | labels | meaning |", "| --- | --- | --- | --- | --- |"]
        parts += [*rows, ""]
    return "\n".join(parts)


def _rows(metric: MetricWrapperBase) -> list[str]:
    labels = ", ".join(f"`{label}`" for label in metric._labelnames)
    return [
        f"| `{one.name}{'_total' if one.type == 'counter' else ''}` | {one.type} | {_unit(one.name)} | {labels} "
        f"| {one.documentation} |"
        for one in metric.describe()
    ]


def _unit(name: str) -> str:
    return next((unit for suffix, unit in _UNITS if name.endswith(suffix)), "count")


if __name__ == "__main__":
    PAGE.write_text(page())
