"""Kubernetes' own scenarios, in both address families, as `judge` sees them."""

from collections.abc import Iterable
from copy import deepcopy
from typing import Any

import pytest

from portway.policy import compile, judge, verdict
from portway.testing import clusternetpol
from portway.testing.netpol import (
    PODS,
    SCENARIOS,
    Relabel,
    Scenario,
    Step,
    Truth,
    allow,
    deny,
    policy,
    truth,
    undo,
    world,
)
from tests.unit.policy.documents import connection, snapshot

Document = dict[str, Any]


class World:
    """The documents as an API server would hold them; each pod has an address of both families."""

    def __init__(self) -> None:
        self.documents = {_key(document): document for document in deepcopy(world())}
        self.addresses = {name: (f"10.244.1.{n}", f"fd00:244:1::{n}") for n, name in enumerate(PODS, 2)}
        for name, addresses in self.addresses.items():
            status = {"phase": "Running", "podIPs": [{"ip": address} for address in addresses]}
            self.documents["Pod", name]["status"] = status

    def take(self, step: Step) -> None:
        self.documents |= {_key(document): document for document in step.apply}
        for document in step.delete:
            del self.documents[_key(document)]
        for each in step.relabel:
            self._relabel(each)

    def _relabel(self, relabel: Relabel) -> None:
        metadata = self.documents[relabel.kind, relabel.name]["metadata"]
        labels = metadata.get("labels", {}) | relabel.labels
        metadata["labels"] = {key: value for key, value in labels.items() if value is not None}

    def wrong(self, truths: Iterable[Truth], family: int) -> list[str]:
        """Every verdict that is not the table's."""
        now = snapshot(self.documents.values())
        compiled = compile(now, "")
        found = []
        for table in truths:
            for client, server, allowed in table.pairs():
                ends = (now.pods[_split(client)], now.pods[_split(server)])
                asked = connection(*ends, table.port, table.protocol, family)
                said = judge(now, asked)
                if said.allowed != allowed or verdict(compiled, asked) != allowed:
                    found.append(f"{client} -> {server}:{table.port}/{table.protocol}: {said.decided}")
        return found


def _split(name: str) -> tuple[str, str]:
    namespace, _, own = name.partition("/")
    return namespace, own


def _key(document: Document) -> tuple[str, str]:
    metadata = document["metadata"]
    namespace = metadata.get("namespace")
    return document["kind"], f"{namespace}/{metadata['name']}" if namespace else metadata["name"]


@pytest.mark.parametrize("family", [0, 1], ids=["IPv4", "IPv6"])
@pytest.mark.parametrize("scenario", (*SCENARIOS, *clusternetpol.SCENARIOS), ids=lambda scenario: scenario.name)
def test_scenario(scenario: Scenario, family: int) -> None:
    there = World()
    before = deepcopy(there.documents)
    steps = scenario.steps({name: both[family] for name, both in there.addresses.items()})
    for step in steps:
        there.take(step)
        assert not there.wrong(step.truths, family)
    there.take(undo(steps))
    for document in (*before.values(), *there.documents.values()):
        document["metadata"].setdefault("labels", {})
    assert there.documents == before


def test_every_scenario_is_there_once_and_tells_allowed_from_denied() -> None:
    assert len({scenario.name for scenario in SCENARIOS}) == len(SCENARIOS) == 45
    addresses = dict.fromkeys(PODS, "10.244.1.2")
    for scenario in SCENARIOS:
        assert any(table.denied for step in scenario.steps(addresses) for table in step.truths), scenario.name


def test_every_scenario_of_cluster_policies_is_there_once() -> None:
    names = {scenario.name for scenario in clusternetpol.SCENARIOS}
    assert len(names) == len(clusternetpol.SCENARIOS) == 12 + 2 * 4 + 2
    for scenario in clusternetpol.SCENARIOS:
        steps = scenario.steps(dict.fromkeys(PODS, "10.244.1.2"))
        assert any(table.denied for step in steps for table in step.truths), scenario.name


def test_a_table_by_lines() -> None:
    """72 pairs: a pod's way to itself is none of them."""
    assert [pair for pair in truth().pairs() if not pair[2]] == []
    assert len(list(truth().pairs())) == 72
    assert truth(deny("x/a", "*"), allow("*", "x/*")).denied == {
        ("x/a", f"{namespace}/{pod}") for namespace in "yz" for pod in "abc"
    }


def test_undo_deletes_what_is_still_there() -> None:
    one, other = policy("one", ingress=[]), policy("other", ingress=[])
    steps = (Step((), (one, other)), Step((), delete=(one,)), Step((), relabel=(Relabel("Pod", "x/a", {"k": "v"}),)))
    assert undo(steps) == Step((truth(),), (), (other,), (Relabel("Pod", "x/a", {"k": None}),))
