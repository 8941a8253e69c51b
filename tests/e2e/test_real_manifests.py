"""Applications that nobody here wrote: every pod becomes ready, every Service port reaches one of its own pods."""

import json
from collections.abc import Iterator

import pytest

from tests.e2e.conftest import Running, ask, portway
from tests.people import Person
from tests.shared import manifest

APPLICATIONS = {
    "online-boutique.yaml": ("default", 12),
    "sock-shop.yaml": ("sock-shop", 14),
}


@pytest.fixture(scope="module", params=sorted(APPLICATIONS))
def application(request: pytest.FixtureRequest, person: Person) -> Iterator[tuple[Running, str, str]]:
    """A fleet of its own for each."""
    path = manifest(request.param)
    said = portway(person, "up", "--name", "real", "-f", str(path), "--detach").stderr
    yield Running(person, "real"), request.param, said
    portway(person, "down", "--name", "real")


def test_every_pod_is_ready(application: tuple[Running, str, str]) -> None:
    fleet, name, _ = application
    namespace, pods = APPLICATIONS[name]
    deployments = fleet.json("-n", namespace, "get", "deployments")["items"]
    assert len(deployments) >= pods - 2
    assert all(d["status"]["readyReplicas"] == d["spec"]["replicas"] for d in deployments)


def test_every_service_port_reaches_its_own_pods_from_every_node(application: tuple[Running, str, str]) -> None:
    fleet, name, _ = application
    namespace, _ = APPLICATIONS[name]
    rows = json.loads(fleet.portway("ports", "-n", namespace, "-o", "json").stdout)
    clients = _a_pod_of_each_node(fleet, namespace)
    assert len(clients) == 3
    ports = [row for row in rows if row["ready"]]
    assert len(ports) >= 10
    for row in ports:
        for client in clients:
            target = f"svc/{namespace}/{row['service']}:{row['port']}"
            done = fleet.portway("trace", target, "--from", f"pod/{namespace}/{client}", "--probe", "-o", "json")
            told = json.loads(done.stdout)
            assert told["agrees"] and told["code"] == "FORWARDED", told


def _a_pod_of_each_node(fleet: Running, namespace: str) -> list[str]:
    pods = fleet.json("-n", namespace, "get", "pods")["items"]
    return list({pod["spec"]["nodeName"]: pod["metadata"]["name"] for pod in pods}.values())


def test_sock_shops_fixed_node_port_answers_on_every_node(application: tuple[Running, str, str]) -> None:
    fleet, name, _ = application
    if name != "sock-shop.yaml":
        pytest.skip("only sock-shop fixes a nodePort")
    for address in fleet.loopbacks:
        assert ask(address, 30001)["pod"].startswith("front-end-")
