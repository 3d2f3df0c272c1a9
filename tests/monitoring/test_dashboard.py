"""The structure of docs/dashboard.json, and the names in its queries and those of the alerts."""

from __future__ import annotations

import json
from itertools import combinations
from typing import Any
from xml.etree import ElementTree

import pytest

from hookkey_verify.errors import Reason
from hookkey_verify.events import EventName
from hookkey_verify.health import STATUSES

from .queries import (
    DASHBOARD,
    DOCS,
    METRICS,
    alerts,
    groupings,
    metric_of,
    panels,
    selectors,
)

DOCUMENT: dict[str, Any] = json.loads(DASHBOARD.read_text())
PANELS = panels()
QUERIES = {
    **{
        f"{panel['title']} {target['refId']}": target["expr"]
        for panel in PANELS
        for target in panel["targets"]
    },
    **{alert.name: alert.expression for alert in alerts()},
}
WIDTH = 24
"""The columns of Grafana's grid."""
ADDED = {"job", "instance"}
"""Labels that Prometheus adds at each scrape."""
VALUES: dict[str, set[str]] = {
    "event": {each.value for each in EventName},
    "reason": {each.value for each in Reason} | {""},
    "status": set(STATUSES),
    "part": {"keys", "replay", "jwks"},
    "key": {"cached", "fetched"},
}
"""The possible values of labels. Those of ``outcome`` depend on the metric."""


def test_the_dashboard_can_be_imported() -> None:
    """The dashboard has a stable uid, refreshes, and defines each variable that it uses."""
    assert DOCUMENT["uid"] == "hookkey-verify"
    assert DOCUMENT["schemaVersion"] >= 36
    assert DOCUMENT["refresh"] == "30s"
    assert "id" not in DOCUMENT
    variables = {each["name"]: each for each in DOCUMENT["templating"]["list"]}
    assert variables.keys() == {"datasource", "job", "source"}
    assert variables["datasource"]["type"] == "datasource"
    used = set()
    for query in (target["expr"] for panel in PANELS for target in panel["targets"]):
        used |= {word.split('"')[0] for word in query.split("$")[1:] if "__rate" not in word}
    assert used == {"job", "source"}


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: str(panel["title"]))
def test_a_panel_explains_itself(panel: dict[str, Any]) -> None:
    """A panel has a title, a description, a unit, a data source, and queries with legends."""
    assert panel["title"]
    assert panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert panel["targets"]
    for part in (panel, *panel["targets"]):
        assert part["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    for target in panel["targets"]:
        assert target["legendFormat"]
        legend = {each.split("}}")[0] for each in target["legendFormat"].split("{{")[1:]}
        assert legend <= groupings(target["expr"])
    identifiers = [target["refId"] for target in panel["targets"]]
    assert len(identifiers) == len(set(identifiers))


def test_panels_have_their_own_place() -> None:
    """Panels have unique ids and titles, are within the grid, and do not overlap."""
    every = DOCUMENT["panels"]
    for name in ("id", "title"):
        assert len({panel[name] for panel in every}) == len(every)
    for first, second in combinations([panel["gridPos"] for panel in every], 2):
        apart = (
            first["x"] + first["w"] <= second["x"],
            second["x"] + second["w"] <= first["x"],
            first["y"] + first["h"] <= second["y"],
            second["y"] + second["h"] <= first["y"],
        )
        assert any(apart)
    assert all(0 <= each["gridPos"]["x"] <= WIDTH - each["gridPos"]["w"] for each in every)


def test_every_metric_has_a_panel() -> None:
    """Each metric that ``Metrics`` exports is shown."""
    shown = {
        metric_of(selector.metric)[0]
        for panel in PANELS
        for target in panel["targets"]
        for selector in selectors(target["expr"])
    }
    assert shown == METRICS.keys()


@pytest.mark.parametrize("name", QUERIES)
def test_queries_name_what_exists(name: str) -> None:
    """Each metric, label and label value in a query exists."""
    every = set(ADDED)
    for metric, matchers in selectors(QUERIES[name]):
        base, labels = metric_of(metric)
        assert base in METRICS
        every |= labels
        for label, _, value in matchers:
            assert label in labels | ADDED
            values = set() if value.startswith("$") else set(value.split("|"))
            assert values <= VALUES.get(label, values)
    assert groupings(QUERIES[name]) <= every


def test_the_picture_shows_every_panel() -> None:
    """docs/dashboard.svg is well-formed XML and has the title of each panel."""
    root = ElementTree.parse(DOCS / "dashboard.svg").getroot()
    texts = {element.text for element in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {panel["title"] for panel in PANELS} <= texts
