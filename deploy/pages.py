"""Write docs/metrics.md and docs/settings.md from the code: `python -m deploy.pages`."""

from pathlib import Path
from types import ModuleType
from typing import Final

from prometheus_client.metrics import MetricWrapperBase
from pydantic import SecretStr
from pydantic_settings import BaseSettings

from services.classifier import metrics as classifier
from services.common.metrics import definitions
from services.common.settings import ServiceSettings, Settings
from services.intake.settings import IntakeSettings, Limits
from services.monitor import metrics as monitor
from services.monitor.settings import MonitorSettings
from services.sink import metrics as sink

DOCS: Final = Path(__file__).parents[1] / "docs"
SECTIONS: Final[tuple[tuple[str, ModuleType], ...]] = (
    ("Every service", definitions),
    ("classifier", classifier),
    ("sink", sink),
    ("monitor", monitor),
)
_SETTINGS: Final[tuple[tuple[str, type[BaseSettings], type[BaseSettings] | None], ...]] = (
    ("Every command and service", Settings, None),
    ("Every service", ServiceSettings, Settings),
    ("intake", IntakeSettings, ServiceSettings),
    ("intake: limits", Limits, None),
    ("monitor", MonitorSettings, ServiceSettings),
)
_TOP: Final = """# Metrics

Every service answers `/metrics` on `XRAY_HTTP_PORT` in Prometheus' text format. `stage` is the service's name. Counters
count from the start of the process: use `rate` or `increase`. A service counts its work after the commit, so a batch
repeated after a crash is counted once, by the process that finished it. The ledger has exact numbers: `xray reconcile`.

`process_resident_memory_bytes`, `process_cpu_seconds_total` and similar metrics come from the client library.

`python -m deploy.pages` generates this page. A test compares it with the metrics of the five services of the
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


def metrics_page() -> str:
    """Return docs/metrics.md: one table per service."""
    parts = [_TOP]
    for title, module in SECTIONS:
        rows = [row for metric in metrics_of(module) for row in _metric_rows(metric)]
        parts += [f"## {title}", "", "| metric | type | unit | labels | meaning |", "| --- | --- | --- | --- | --- |"]
        parts += [*rows, ""]
    return "\n".join(parts)


def _metric_rows(metric: MetricWrapperBase) -> list[str]:
    labels = ", ".join(f"`{label}`" for label in metric._labelnames)
    return [
        f"| `{one.name}{'_total' if one.type == 'counter' else ''}` | {one.type} | {_unit(one.name)} | {labels} "
        f"| {one.documentation} |"
        for one in metric.describe()
    ]


def _unit(name: str) -> str:
    return next((unit for suffix, unit in _UNITS if name.endswith(suffix)), "count")


def settings_page() -> str:
    """Return docs/settings.md: one table per class, with only the settings that it adds to its base class."""
    parts = [
        "# Settings",
        "",
        "All settings are environment variables. A wrong value stops the process with a message that names it.",
        "`python -m deploy.pages` generates this page.",
    ]
    for title, settings, base in _SETTINGS:
        inherited = {name for name in base.model_fields if name not in settings.__annotations__} if base else set()
        rows = [_setting_row(settings, name) for name in settings.model_fields if name not in inherited]
        parts += ["", f"## {title}", "", "| variable | default | meaning |", "| --- | --- | --- |", *rows]
    return "\n".join(parts) + "\n"


def _setting_row(settings: type[BaseSettings], name: str) -> str:
    field = settings.model_fields[name]
    prefix = settings.model_config.get("env_prefix", "")
    default = field.default.get_secret_value() if isinstance(field.default, SecretStr) else field.default
    shown = "(none)" if default == "" else f"`{default}`"
    return f"| `{prefix}{name.upper()}` | {shown} | {' '.join((field.description or '').split())} |"


PAGES: Final = {DOCS / "metrics.md": metrics_page, DOCS / "settings.md": settings_page}


if __name__ == "__main__":
    for path, page in PAGES.items():
        path.write_text(page())
