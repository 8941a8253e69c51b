"""Parts die; traffic to the rest goes on, nothing stored is lost, and everything comes back by itself."""

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import dns.message
import dns.query
import dns.rcode
import pytest

from tests.e2e.conftest import SHOP, Running, ask, portway
from tests.patience import PATIENCE, until
from tests.people import Person

WEB = 32100


@pytest.fixture(scope="module")
def fleet(person: Person) -> Iterator[Running]:
    """A fleet to be broken; not the one of the other tests."""
    portway(person, "up", "--name", "broken", "-f", str(SHOP), "--detach")
    yield Running(person, "broken")
    portway(person, "down", "--name", "broken")


def _kill(fleet: Running, name: str) -> int:
    pid = fleet.processes[name]
    os.kill(pid, signal.SIGKILL)
    return pid


def _back(fleet: Running, name: str, old: int) -> Callable[[], bool]:
    return lambda: fleet.processes.get(name, old) != old


def test_the_api_server_dies(fleet: Running) -> None:
    fleet.kubectl("create", "configmap", "kept", "--from-literal=a=1")
    before = fleet.json("get", "configmap", "kept")["metadata"]
    old = _kill(fleet, "apiserver")
    assert ask(fleet.loopbacks[0], WEB)["namespace"] == "shop"
    until(_back(fleet, "apiserver", old), "a new API server")
    after = fleet.json("get", "configmap", "kept")["metadata"]
    assert (after["uid"], after["resourceVersion"]) == (before["uid"], before["resourceVersion"])
    fleet.kubectl("create", "configmap", "later", "--from-literal=a=1")
    later = fleet.json("get", "configmap", "later")["metadata"]
    assert int(later["resourceVersion"]) > int(before["resourceVersion"])
    version = [
        "curl",
        "-sS",
        "-m",
        "20",
        "--cacert",
        str(fleet.folder / "pki" / "ca.crt"),
        "https://172.18.0.1:6443/version",
    ]
    until(lambda: fleet.portway("exec", "node-1", "--", *version, check=False).returncode == 0, "pods reach it again")
    _works(fleet)


def test_the_controllers_die(fleet: Running) -> None:
    old = _kill(fleet, "controllers")
    until(_back(fleet, "controllers", old), "new controllers")
    _works(fleet)


def test_an_agent_dies(fleet: Running) -> None:
    old = _kill(fleet, "node-1-agent")
    assert ask(fleet.loopbacks[0], WEB)["namespace"] == "shop", "rules outlive their agent"
    until(_back(fleet, "node-1-agent", old), "a new agent")
    _works(fleet)


def test_a_kubelet_dies_with_its_stand_ins(fleet: Running) -> None:
    addresses = {pod["metadata"]["uid"]: pod["status"]["podIP"] for pod in _pods(fleet)}
    old = _kill(fleet, "node-2-kubelet")
    until(_back(fleet, "node-2-kubelet", old), "a new kubelet")
    _works(fleet)
    again = {pod["metadata"]["uid"]: pod["status"]["podIP"] for pod in _pods(fleet)}
    kept = again.keys() & addresses.keys()
    assert len(kept) >= 6
    assert all(again[uid] == addresses[uid] for uid in kept), "adopted pods keep their addresses"


def test_the_relay_dies(fleet: Running) -> None:
    old = _kill(fleet, "relay")
    until(_back(fleet, "relay", old), "a new relay")
    _works(fleet)


def _pods(fleet: Running) -> list[dict[str, dict[str, str]]]:
    items: list[dict[str, dict[str, str]]] = fleet.json("-n", "shop", "get", "pods")["items"]
    return items


def _works(fleet: Running) -> None:
    """Every node reaches all the pods, and a change made now is followed by everyone."""
    replicas = 7 - int(fleet.json("-n", "shop", "get", "deployment", "web")["spec"]["replicas"])
    fleet.kubectl("-n", "shop", "scale", "deployment", "web", f"--replicas={replicas}")
    for address in fleet.loopbacks:
        until(lambda a=address: len(_answering(a)) == replicas, f"{address} reaches {replicas} pods")  # type: ignore[misc]


def _answering(address: str) -> set[str]:
    return {ask(address, WEB)["pod"] for _ in range(40)}


def test_the_nameserver_dies(fleet: Running) -> None:
    """Its sockets are others' too: what is asked meanwhile waits in them."""
    old = _kill(fleet, "nameserver")
    for _ in range(3):
        assert _resolved(fleet) == "NOERROR"
    assert _back(fleet, "nameserver", old)()
    until(lambda: _named(fleet), "names inside")


def test_the_kubelet_of_kube_dns_dies(fleet: Running) -> None:
    node = fleet.json("-n", "kube-system", "get", "pods", "-l", "k8s-app=kube-dns")["items"][0]["spec"]["nodeName"]
    old = _kill(fleet, f"{node}-kubelet")
    until(_back(fleet, f"{node}-kubelet", old), "a new kubelet")
    until(lambda: _named(fleet), "names inside")


def _resolved(fleet: Running) -> str:
    """What one datagram from this machine is answered."""
    address, port = fleet.dns
    query = dns.message.make_query("web.shop.svc.cluster.local", "A")
    return dns.rcode.to_text(dns.query.udp(query, address, port=port, timeout=PATIENCE).rcode())


def _named(fleet: Running) -> bool:
    """A pod's programs find web by asking the Service kube-dns, through the data plane."""
    asked = "curl -sS --max-time 20 http://web"
    pod = fleet.json("-n", "shop", "get", "pods", "-l", "app=web")["items"][0]["metadata"]["name"]
    return '"namespace": "shop"' in fleet.portway("exec", f"pod/shop/{pod}", *asked.split(), check=False).stdout


@pytest.mark.parametrize("victim", ["portway-keeper", "world", "portway-world"])
def test_the_end_of_keeper_or_world_leaves_nothing(person: Person, victim: str) -> None:
    portway(person, "up", "--name", "gone", "-f", str(SHOP), "--detach")
    fleet = Running(person, "gone")
    pids = list(fleet.processes.values())
    address = fleet.loopbacks[0]
    own = {pod["metadata"]["name"] for pod in _pods(fleet)}
    _kill(fleet, victim)
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids), "all processes are gone")
    until(lambda: not fleet.folder.exists(), "its files are gone")
    with contextlib.suppress(OSError):
        # its addresses are free: another test's fleet may have them by now
        assert ask(address, WEB)["pod"] not in own


def test_two_fleets_side_by_side(fleet: Running, person: Person) -> None:
    portway(person, "up", "--name", "second", "--nodes", "1", "-f", str(SHOP), "--detach")
    second = Running(person, "second")
    try:
        assert not set(second.loopbacks) & set(fleet.loopbacks)
        ours, theirs = ask(fleet.loopbacks[0], WEB), ask(second.loopbacks[0], WEB)
        assert ours["pod"] != theirs["pod"]
    finally:
        portway(person, "down", "--name", "second")
    assert ask(fleet.loopbacks[0], WEB)["namespace"] == "shop"


def test_not_ready_in_time_is_exit_1_with_reasons(person: Person) -> None:
    """What a busy machine has not come to when the time is over, it has with the next."""
    words = (
        "not ready after 3 s (1/1 nodes, 0/2 pods):",
        "pod default/lost: container main: ",
        "/no/such/command",
        "pod default/nowhere: Unschedulable: 0/1 nodes are available",
    )

    def told() -> bool:
        done = portway(person, "up", "--name", "stuck", "--nodes", "1", "-f", "-", "--detach", "--timeout", "3",
                       check=False, text=STUCK)  # fmt: skip
        assert done.returncode == 1
        return all(word in done.stderr for word in words)

    try:
        until(told, "what is not ready, and why")
    finally:
        portway(person, "down", "--name", "stuck")


STUCK = """
apiVersion: v1
kind: Pod
metadata: {name: lost, annotations: {portway.dev/runtime: process}}
spec:
  containers: [{name: main, image: x, command: [/no/such/command]}]
---
apiVersion: v1
kind: Pod
metadata: {name: nowhere}
spec:
  nodeSelector: {disk: ssd}
  containers: [{name: main, image: x}]
"""


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("kind: [", ": did not find expected node content"),
        ("a: 1", "stdin:1:1: apiVersion is missing (a string such as v1)"),
        ("apiVersion: v1\nkind: Pod\nmetadata: {}", "stdin:3:1: Pod: metadata.name is missing"),
        ("- 1", "stdin:1:1: expected an object with apiVersion and kind, found a list"),
        ("a: 1\na: 2", 'stdin:2:1: key "a" already set in map'),
    ],
)
def test_bad_files_stop_before_anything_starts(person: Person, text: str, says: str) -> None:
    done = portway(person, "up", "--name", "never", "-f", "-", "--detach", check=False, text=text)
    assert done.returncode == 1
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert not (Path(person.environment["PORTWAY_STATE"]) / "never").exists()
