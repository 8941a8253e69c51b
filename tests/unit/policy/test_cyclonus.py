"""Cyclonus' tables: single connections, probes of whole clusters, ipBlocks, and the recipes people copy.

Its matcher's habits: a policy without a namespace is of `default`; pods are subject to policy towards themselves, which
is why such pairs are not compared; a port may be asked for by name alone; two pods may have one address, which is why
each pair is judged in a world of its own.
"""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from portway.kubeapi import decode_policy
from portway.model import Connection, PolicySnapshot
from portway.model.address import canonical_address
from portway.policy import judge
from portway.policy.ends import Ends
from portway.policy.rules import rule_matches
from tests.shared import cases
from tests.unit.policy.documents import connection, snapshot

Document = dict[str, Any]
CASES = cases("cyclonus_netpol")
NAMED = 7777
"""The number of a port that a case calls by name only."""


def of_kind(kind: str) -> list[Document]:
    return [case for case in CASES if case["kind"] == kind]


def label(case: Document) -> str:
    return str(case.get("name") or case)


def policies(case: Document) -> list[Document]:
    for document in case["policies"]:
        document["metadata"].setdefault("namespace", "default")
    return list(case["policies"])


def namespace(name: str, labels: Mapping[str, str]) -> Document:
    return {"kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def pod(
    where: str, name: str, labels: Mapping[str, str], address: str, ports: list[Document] | None = None
) -> Document:
    metadata = {"namespace": where, "name": name, "labels": labels}
    return {
        "kind": "Pod",
        "metadata": metadata,
        "spec": {"containers": [{"ports": ports or []}]},
        "status": {"podIP": address},
    }


def end(side: Document, name: str, ports: list[Document]) -> list[Document]:
    if "Internal" not in side:
        return []
    inside = side["Internal"]
    return [
        namespace(inside["Namespace"], inside["NamespaceLabels"]),
        pod(inside["Namespace"], name, inside["PodLabels"], side["IP"], ports),
    ]


@pytest.mark.parametrize("case", of_kind("traffic"), ids=label)
def test_traffic(case: Document) -> None:
    traffic = case["traffic"]
    port, name = traffic.get("ResolvedPort") or NAMED, traffic.get("ResolvedPortName")
    ports = [{"name": name, "containerPort": port, "protocol": traffic["Protocol"]}] if name else []
    source, destination = traffic["Source"], traffic["Destination"]
    world = snapshot([*end(source, "client", []), *end(destination, "server", ports), *policies(case)])
    asked = Connection(source["IP"], destination["IP"], traffic["Protocol"], port)
    assert judge(world, asked).allowed == case["allowed"]


@pytest.mark.parametrize("case", of_kind("ipblock"), ids=str)
def test_ip_block(case: Document) -> None:
    raw = {"spec": {"ingress": [{"from": [{"ipBlock": case["ipBlock"]}]}]}}
    policy = decode_policy.network_policy(raw)
    ends = Ends(Connection(canonical_address(case["ip"]), "192.0.2.1", "TCP", 80), None, None)
    assert not policy.fault
    assert rule_matches(PolicySnapshot(), policy, policy.ingress[0], "Ingress", ends) == case["match"]


def probed_ports(each: Document) -> list[Document]:
    return [
        {"name": container["PortName"], "containerPort": container["Port"], "protocol": container["Protocol"].upper()}
        for container in each["Containers"]
    ]


@pytest.mark.parametrize("case", of_kind("probe"), ids=label)
def test_probe(case: Document) -> None:
    if not case["usable"]:
        assert all(cell == "N" for row in case["tables"]["combined"].values() for cell in row.values())
        return
    namespaces = [namespace(name, labels) for name, labels in case["namespaces"].items()]
    pods = {
        f"{each['Namespace']}/{each['Name']}": pod(
            each["Namespace"], each["Name"], each["Labels"], each["IP"], probed_ports(each)
        )
        for each in case["pods"]
    }
    tables = case["tables"]
    for client, row in tables["combined"].items():
        for server, cell in row.items():
            addresses = [pods[name]["status"]["podIP"] for name in (client, server)]
            if addresses[0] == addresses[1]:
                continue
            world = snapshot([*namespaces, pods[client], pods[server], *policies(case)])
            found = judge(world, Connection(addresses[0], addresses[1], case["protocol"], case["port"]))
            words = (cell, tables["egress"][client][server], tables["ingress"][client][server])
            verdicts = (found.allowed, found.egress.allowed, found.ingress.allowed)
            assert verdicts == tuple(word == "." for word in words), f"{client} -> {server}: {found}"


RECIPES: dict[str, Callable[[str, str], bool]] = {
    "Recipe02": lambda client, server: server != "default/b" or client in ("default/a", "default/b"),
    "Recipe01+Recipe02A": lambda client, server: True,
    "Recipe04": lambda client, server: not server.startswith("secondary/") or client.startswith("secondary/"),
    "Recipe06": lambda client, server: server != "default/b" or client.startswith("x/"),
    "Recipe07": lambda client, server: server != "default/b" or client in ("x/a", "y/a"),
    "Recipe09": lambda client, server: server != "default/b" or client == "default/a",
    "Recipe10": lambda client, server: server != "default/b" or client in ("default/a", "default/c", "default/d"),
    "Recipe11_2": lambda client, server: True,
    "Recipe12": lambda client, server: not client.startswith("default/"),
    "Recipe14": lambda client, server: True,
}
"""Whether the one reaches the other, as the recipe promises; Cyclonus itself stores no answer."""


@pytest.mark.parametrize("case", of_kind("recipe"), ids=label)
def test_recipe(case: Document) -> None:
    namespaces = [namespace(name, labels or {}) for name, labels in case["namespaces"].items()]
    numbered = enumerate(case["pods"], 2)
    pods = [pod(each["namespace"], each["name"], each["labels"] or {}, f"10.0.0.{n}") for n, each in numbered]
    world = snapshot([*namespaces, *pods, *policies(case)])
    promised = RECIPES.get(case["name"])
    if promised is None:
        assert world.policies
        return
    for client in world.pods.values():
        for server in world.pods.values():
            if client is not server:
                asked = connection(client, server, case["port"], case["protocol"])
                names = f"{client.namespace}/{client.name}", f"{server.namespace}/{server.name}"
                assert judge(world, asked).allowed == promised(*names), names
