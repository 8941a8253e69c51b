"""Applications that nobody here wrote: every pod becomes ready, every Service port reaches one of its own pods."""

import json
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.conftest import Running, ask, portway
from tests.people import Person
from tests.shared import manifest

APPLICATIONS = {
    "online-boutique.yaml": ("default", 12),
    "sock-shop.yaml": ("sock-shop", 14),
}

#: Run in a pod: dials each "address port" of its arguments' pairs and prints who answered.
DIAL = """
import json, sys
from portway.cli.probe import probe
pairs = list(zip(sys.argv[1::2], sys.argv[2::2]))
print(json.dumps([probe(address, int(port), "TCP") for address, port in pairs]))
"""


@pytest.fixture(scope="module", params=sorted(APPLICATIONS))
def application(request: pytest.FixtureRequest, person: Person) -> Iterator[tuple[Running, str]]:
    """A fleet of its own for each."""
    path = manifest(request.param)
    portway(person, "up", "--name", "real", "-f", "-", "--detach", text=path.read_text())
    yield Running(person, "real"), request.param
    portway(person, "down", "--name", "real")


def test_every_pod_is_ready(application: tuple[Running, str]) -> None:
    fleet, name = application
    namespace, wanted = APPLICATIONS[name]
    deployments = fleet.json("-n", namespace, "get", "deployments")["items"]
    assert len(deployments) == wanted
    assert all(d["status"]["readyReplicas"] == d["spec"]["replicas"] for d in deployments)


def test_every_service_port_reaches_its_own_pods_from_every_node(application: tuple[Running, str]) -> None:
    fleet, name = application
    namespace, _ = APPLICATIONS[name]
    rows = [row for row in _ports(fleet, namespace) if row["ready"] and row["clusterIps"] != ["None"]]
    own = _own_pods(fleet, namespace)
    clients = _a_pod_of_each_node(fleet, namespace)
    assert len(clients) == 3
    assert len(rows) >= 10
    for client in clients:
        pairs = [text for row in rows for text in (row["clusterIps"][0], str(row["port"]))]
        place = f"pod/{namespace}/{client}"
        done = fleet.portway("exec", place, fleet.person.python, "-c", DIAL, *pairs)
        for row, fact in zip(rows, json.loads(done.stdout), strict=True):
            assert fact["outcome"] == "answered", (client, row, fact)
            assert fact["reply"]["pod"] in own[row["service"]], (client, row, fact)


def _ports(fleet: Running, namespace: str) -> list[dict[str, Any]]:
    """The application's own: the API server, which answers in `default` too, is no stand-in."""
    rows: list[dict[str, Any]] = json.loads(fleet.portway("ports", "-n", namespace, "-o", "json").stdout)
    return [row for row in rows if row["service"] != "kubernetes"]


def _own_pods(fleet: Running, namespace: str) -> dict[str, set[str]]:
    """Each Service's pods, by the labels that kubectl sees."""
    pods = fleet.json("-n", namespace, "get", "pods")["items"]
    services = fleet.json("-n", namespace, "get", "services")["items"]
    return {
        service["metadata"]["name"]: {
            pod["metadata"]["name"]
            for pod in pods
            if (service["spec"].get("selector") or {"": ""}).items() <= pod["metadata"].get("labels", {}).items()
        }
        for service in services
    }


def _a_pod_of_each_node(fleet: Running, namespace: str) -> list[str]:
    pods = fleet.json("-n", namespace, "get", "pods")["items"]
    return list({pod["spec"]["nodeName"]: pod["metadata"]["name"] for pod in pods}.values())


def test_a_nodeport_or_none_is_answered_on_every_node_from_this_machine(application: tuple[Running, str]) -> None:
    """sock-shop fixes 30001 for its front end; online-boutique's LoadBalancer is given a nodePort."""
    fleet, name = application
    namespace, _ = APPLICATIONS[name]
    ports = [row["nodePort"] for row in _ports(fleet, namespace) if row["nodePort"]]
    assert ports == [30001] if name == "sock-shop.yaml" else len(ports) == 1
    for address in fleet.loopbacks:
        assert ask(address, ports[0])["namespace"] == namespace


def test_a_load_balancer_is_given_an_address_and_answers_this_machine(application: tuple[Running, str]) -> None:
    """online-boutique's front end; sock-shop has none."""
    fleet, name = application
    balanced = [row for row in _ports(fleet, APPLICATIONS[name][0]) if row["type"] == "LoadBalancer"]
    assert [row["service"] for row in balanced] == (["frontend-external"] if name == "online-boutique.yaml" else [])
    for row in balanced:
        with urllib.request.urlopen(f"http://{row['fromThisMachine']}/", timeout=10) as answer:
            assert json.load(answer)["pod"] in _own_pods(fleet, APPLICATIONS[name][0])[row["service"]]
