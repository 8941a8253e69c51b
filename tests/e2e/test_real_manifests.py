"""Applications that nobody here wrote, side by side in one fleet: every pod becomes ready, every Service port reaches
one of its own pods, and LoadBalancers have addresses that answer from everywhere."""

import json
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.conftest import Running, ask, portway
from tests.patience import until
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


@pytest.fixture(scope="module")
def fleet(person: Person) -> Iterator[Running]:
    """With all of them."""
    text = "\n---\n".join(manifest(name).read_text() for name in APPLICATIONS)
    portway(person, "up", "--name", "real", "-f", "-", "--detach", text=text)
    yield Running(person, "real")
    portway(person, "down", "--name", "real")


@pytest.fixture(params=sorted(APPLICATIONS))
def application(request: pytest.FixtureRequest, fleet: Running) -> tuple[Running, str]:
    """One of them."""
    return fleet, request.param


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
        for row, fact in zip(rows, _dialled(fleet, place, pairs), strict=True):
            assert fact["reply"]["pod"] in own[row["service"]], (client, row, fact)


def _dialled(fleet: Running, place: str, pairs: list[str]) -> list[dict[str, Any]]:
    """What each says there, once all answer: a node may have been too busy at first."""

    def facts() -> list[dict[str, Any]]:
        done = fleet.portway("exec", place, fleet.person.python, "-c", DIAL, *pairs)
        found: list[dict[str, Any]] = json.loads(done.stdout)
        return found if all(fact["outcome"] == "answered" for fact in found) else []

    return until(facts, f"all of {pairs} answer {place}")


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
        until(lambda at=address: ask(at, ports[0])["namespace"] == namespace, f"{address} answers")  # type: ignore[misc]


def test_load_balancers_have_addresses_and_answer_from_everywhere(fleet: Running) -> None:
    """online-boutique has one. sock-shop's nodePort becomes one, as its users do with kubectl."""
    fleet.kubectl("patch", "service", "front-end", "-n", "sock-shop", "-p", '{"spec": {"type": "LoadBalancer"}}')
    fleet.kubectl("wait", "service/front-end", "-n", "sock-shop", "--timeout=90s",
                  "--for=jsonpath={.status.loadBalancer.ingress[0].ip}")  # fmt: skip
    balanced = _balanced(fleet)
    assert balanced.keys() == {"frontend-external", "front-end"}
    assert len({row["loadBalancerIps"][0] for _, row in balanced.values()}) == 2
    own = {name: _own_pods(fleet, namespace)[name] for name, (namespace, _) in balanced.items()}
    for name, (_, row) in balanced.items():
        said = until(lambda at=row["fromThisMachine"]: _asked(at), f"{name} answers")  # type: ignore[misc]
        assert said["pod"] in own[name]
    pairs = [text for _, row in balanced.values() for text in (row["loadBalancerIps"][0], str(row["port"]))]
    for place in ("outside", "node-2", f"pod/sock-shop/{sorted(own['front-end'])[0]}"):
        for name, fact in zip(balanced, _dialled(fleet, place, pairs), strict=True):
            assert fact["reply"]["pod"] in own[name], (place, name, fact)


def _balanced(fleet: Running) -> dict[str, tuple[str, dict[str, Any]]]:
    """The LoadBalancers with their namespaces, by name, once the relay has a door for each."""

    def doors() -> dict[str, tuple[str, dict[str, Any]]]:
        found = {
            row["service"]: (namespace, row)
            for namespace, _ in APPLICATIONS.values()
            for row in _ports(fleet, namespace)
            if row["type"] == "LoadBalancer"
        }
        return found if all(row.get("fromThisMachine") for _, row in found.values()) else {}

    return until(doors, "each LoadBalancer has a door")


def _asked(door: str) -> dict[str, Any]:
    with urllib.request.urlopen(f"http://{door}/", timeout=30) as answer:
        found: dict[str, Any] = json.load(answer)
        return found
