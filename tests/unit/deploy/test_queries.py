"""Every query of the dashboard and the rules asks for what /metrics of agents, announcers and controllers gives."""

import json
import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from portway.accesslog.counters import Counters, Counts
from portway.agent.announce.figures import Figures, Told
from portway.agent.metrics import Tally, exposition
from portway.controllers import metrics
from portway.controllers.metrics import BalancerFigures
from portway.loadbalancer import Held
from portway.loadbalancer.usage import usage
from portway.model import ServicePortName
from portway.model.loadbalancer import AddressPool, Doubt, parse_range

DEPLOY = Path(__file__).resolve().parents[3] / "deploy"
RULES = DEPLOY / "prometheus" / "portway.rules.yaml"
_OF_THE_SCRAPE = {"instance", "job"}


def _dashboard() -> list[str]:
    board = json.loads((DEPLOY / "grafana" / "portway.json").read_text())
    variables = [one["query"] for one in board["templating"]["list"] if one["type"] == "query"]
    return [target["expr"] for panel in board["panels"] for target in panel["targets"]] + variables


def _rules() -> list[str]:
    return [rule["expr"] for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def _exposed() -> str:
    """What an agent says that has counted something of everything."""
    services = Counters()
    counts = Counts(refusals=Counter({"NO_ENDPOINTS": 1}), backends=Counter({"shop/web-0": 1}))
    services.of[ServicePortName("shop", "web", "http", "TCP")] = counts
    figures = Figures("n1")
    figures.told = frozenset((Told("layer2", "shop/web", "192.0.2.7"),))
    figures.answered["192.0.2.7"] = figures.received["192.0.2.7"] = figures.gratuitous["192.0.2.7"] = 1
    figures.prefixes["192.0.2.254:179"] = 1
    figures.doubts = (Doubt("LB_TWO_ANSWER", "another", "192.0.2.7"),)
    pool = AddressPool("first", (parse_range("192.0.2.0/24"),))
    return (
        exposition(Tally(services), figures)[0] + metrics.exposition(BalancerFigures({"first": usage(pool, Held())}))[0]
    )


def _given() -> dict[str, set[str]]:
    """Every sample's name and its labels."""
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(_exposed()):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


@pytest.mark.parametrize("query", [*_dashboard(), *_rules()])
def test_the_agent_gives_what_is_asked(query: str) -> None:
    given = _given()
    names = set(re.findall(r"\b(?:portway|kubeproxy|process|metallb)_\w+", query))
    assert names
    assert names <= given.keys()
    known = _OF_THE_SCRAPE.union(*(given[name] for name in names))
    grouped = ",".join(re.findall(r"\bby \(([^)]*)\)", query))
    selected = re.findall(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"", query)
    asked = {label.strip() for label in grouped.split(",") if label.strip()} | set(selected)
    asked |= set(re.findall(r"label_values\(\w+, (\w+)\)", query))
    assert asked <= known


def test_prometheus_takes_the_rules_and_the_dashboards_queries(tmp_path: Path) -> None:
    if not (promtool := shutil.which("promtool")):
        pytest.skip("promtool (of Prometheus) is not installed")
    asked = [query for query in _dashboard() if not query.startswith("label_values")]
    filled = [query.replace("$__rate_interval", "5m").replace("$namespace", ".*") for query in asked]
    rules = [{"record": f"panel:{number}", "expr": query} for number, query in enumerate(filled)]
    (tmp_path / "dashboard.yaml").write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    for file in (RULES, tmp_path / "dashboard.yaml"):
        done = subprocess.run([promtool, "check", "rules", str(file)], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    (tmp_path / "metrics").write_text(_exposed())
    with (tmp_path / "metrics").open() as given:
        linted = subprocess.run([promtool, "check", "metrics"], stdin=given, capture_output=True, text=True)
    # kube-proxy's own names for gauges end in _total
    complaints = [line for line in linted.stderr.splitlines() if "no_local_endpoints_total" not in line]
    assert complaints == [], linted.stderr
