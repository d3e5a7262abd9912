"""`python -m deploy.grafana`: write the JSON of the dashboards, with which Grafana is provisioned.

Grafana's own typed SDK generates it from the screens.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Final

from grafana_foundation_sdk.builders import bargauge, common, dashboard, prometheus, stat, table, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as common_model
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models import prometheus as prometheus_model

from deploy.grafana.screen import Panel, PanelKind, PanelQuery, Screen
from deploy.grafana.screens import SCREENS

SOURCE: Final = model.DataSourceRef(type_val="prometheus", uid="prometheus")
"""The data source of deploy/grafana/provisioning."""
_HEIGHT: Final = 8
_GLANCE_HEIGHT: Final = 4
AnyPanel = timeseries.Panel | stat.Panel | bargauge.Panel | table.Panel


def dashboard_json(screen: Screen) -> str:
    """Return the dashboard in Grafana's provisioning format; equal screens give equal text."""
    built = (
        dashboard.Dashboard(screen.title)
        .uid(screen.uid)
        .description(screen.explains)
        .tags(["mouse-xray"])
        .timezone("browser")
        .time("now-6h", "now")
        .refresh("30s")
        .readonly()
        .annotation(_alerts())
        .link(dashboard.DashboardLink("Dashboards").type(model.DashboardLinkType.DASHBOARDS).tags(["mouse-xray"]))
    )
    if screen.by_centre:
        built.with_variable(_centres())
    # Numbered here, so that links to panels stay valid.
    numbers = itertools.count(1)
    for row in screen.rows:
        built.with_row(dashboard.Row(row.title).id(next(numbers)))
        for panel in row.panels:
            built.with_panel(_panel(panel).id(next(numbers)))
    return json.dumps(built.build(), cls=JSONEncoder, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _panel(panel: Panel) -> AnyPanel:
    built = _BUILDERS[panel.kind](panel)
    built.title(panel.title).description(panel.explains).datasource(SOURCE).unit(panel.unit)
    built.span(panel.width).height(_GLANCE_HEIGHT if panel.kind is PanelKind.NUMBERS else _HEIGHT)
    built.thresholds(_thresholds(panel.limit))
    for number, query in enumerate(panel.queries):
        built.with_target(_target(query, panel.kind, chr(ord("A") + number)))
    return built


def _lines(panel: Panel) -> timeseries.Panel:
    built = timeseries.Panel().min(0).fill_opacity(10).show_points(common_model.VisibilityMode.NEVER)
    built.legend(
        common.VizLegendOptions()
        .display_mode(common_model.LegendDisplayMode.LIST)
        .placement(common_model.LegendPlacement.BOTTOM)
        .show_legend(True)
    )
    if panel.limit is not None:
        built.thresholds_style(common.GraphThresholdsStyleConfig().mode(common_model.GraphTresholdsStyleMode.DASHED))
    return built


def _numbers(_: Panel) -> stat.Panel:
    return stat.Panel().reduce_options(_newest()).graph_mode(common_model.BigValueGraphMode.NONE)


def _bars(_: Panel) -> bargauge.Panel:
    return (
        bargauge.Panel()
        .min(0)
        .reduce_options(_newest())
        .orientation(common_model.VizOrientation.HORIZONTAL)
        .display_mode(common_model.BarGaugeDisplayMode.BASIC)
    )


def _table(_: Panel) -> table.Panel:
    hidden = model.DataTransformerConfig(id_val="organize", options={"excludeByName": {"Time": True}})
    return table.Panel().show_header(True).with_transformation(hidden)


_BUILDERS: Final[dict[PanelKind, Callable[[Panel], AnyPanel]]] = {
    PanelKind.LINES: _lines,
    PanelKind.NUMBERS: _numbers,
    PanelKind.BARS: _bars,
    PanelKind.TABLE: _table,
}


def _newest() -> common.ReduceDataOptions:
    return common.ReduceDataOptions().calcs(["lastNotNull"]).values(False)


def _target(query: PanelQuery, kind: PanelKind, name: str) -> prometheus.Dataquery:
    target = prometheus.Dataquery().expr(query.expression).legend_format(query.legend).ref_id(name)
    if kind is PanelKind.TABLE:
        return target.instant().format(prometheus_model.PromQueryFormat.TABLE)
    return target.range()


def _thresholds(limit: float | None) -> dashboard.ThresholdsConfig:
    """Return the thresholds of a panel. Without any, Grafana colours everything from 80 red."""
    steps = [model.Threshold(value=None, color="green")]
    if limit is not None:
        steps.append(model.Threshold(value=limit, color="red"))
    return dashboard.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(steps)


def _alerts() -> dashboard.AnnotationQuery:
    return (
        dashboard.AnnotationQuery()
        .name("Alerts")
        .datasource(SOURCE)
        .enable(True)
        .icon_color("red")
        .expr('ALERTS{alertstate="firing", alertname!="Watchdog"}')
    )


def _centres() -> dashboard.QueryVariable:
    return (
        dashboard.QueryVariable("centre")
        .label("Centre")
        .datasource(SOURCE)
        .query("label_values(xray_ledger_images, centre)")
        .refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(model.VariableSort.ALPHABETICAL_ASC)
        .multi(True)
        .include_all(True)
        .all_value(".*")
        .current(model.VariableOption(selected=True, text="All", value="$__all"))
    )


FOLDER: Final = Path(__file__).with_name("dashboards")


def generated() -> dict[Path, str]:
    """Return the expected content of each file."""
    return {FOLDER / f"{screen.title.lower()}.json": dashboard_json(screen) for screen in SCREENS}


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for path, text in generated().items():
        path.write_text(text)
