"""`portway serve` on a node, in kube-proxy's place: over TLS with a client certificate, as a person starts it."""

import asyncio
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic
from typing import Any, TypeVar

import pytest
from prometheus_client.parser import text_string_to_metric_families

from portway import agent
from portway.client import Api, Unreachable
from portway.kubeapi.announcing import LEASES, address_lease
from portway.kubeapi.errors import ApiError
from portway.kubeapi.kinds import Resource
from portway.reconcile.resources import (
    ENDPOINT_SLICES,
    EVENTS,
    IP_ADDRESS_POOLS,
    L2_ADVERTISEMENTS,
    NAMESPACES,
    NODES,
    SERVICES,
)
from portway.testing import apiserver
from portway.testing.netns import Unavailable
from tests import people
from tests.contract.cluster import PODS, PORT, Cluster, cluster, pod_address
from tests.patience import PATIENCE

T = TypeVar("T")
Doc = dict[str, Any]
SERVICE_CIDRS = Resource("networking.k8s.io", "v1", "servicecidrs", namespaced=False)
NODE = "172.18.0.11"
KUBE_PROXY = "add table ip kube-proxy\nadd chain ip kube-proxy services\n"


class Place:
    """A cluster whose node-1 has an API server on its loopback and nobody serving yet."""

    def __init__(self, made: Cluster, folder: Path) -> None:
        self.cluster, self.folder = made, folder
        self.node = made.places["node-1"]
        self.log = folder / "serve.log"
        made.world.spawn(self.node, _become_apiserver, folder)

    def ask(self, work: Callable[[Api], Awaitable[T]]) -> T:
        """Do something with the API."""

        async def asking() -> T:
            async with Api.unix(self.folder / "api.sock") as api:
                return await work(api)

        return asyncio.run(asking())

    def portway(self, *arguments: str) -> int:
        """Start `portway …` on node-1; its process id."""
        return self.cluster.world.spawn(self.node, _portway, self.log, arguments)

    def serve(self, *more: str) -> int:
        """Start `portway serve`."""
        kubeconfig = str(self.folder / "kubeconfig")
        return self.portway(
            "serve", "--kubeconfig", kubeconfig, "--hostname-override", "node-1", "--conntrack-max-per-core", "0", *more
        )

    def end_of(self, pid: int) -> int:
        """Wait for its end; the exit code. What it said is in `log`."""
        ended = os.WEXITED | os.WNOHANG | os.WNOWAIT
        self.expect(lambda: os.waitid(os.P_PID, pid, ended) is not None, f"process {pid} ends")
        return self.cluster.world.wait(pid)

    def get(self, place: str, address: str, port: int, path: str) -> tuple[int, dict[str, str], str]:
        """Status, headers and body of an HTTP answer; status 0 when nobody listens."""
        return self.cluster.places[place].run(_get, address, port, path)

    def answers(self) -> set[str]:
        """Which pods answer at the nodePort, seen from outside; failures too."""
        return {answer.partition(" sees")[0] for answer in self.cluster.ask("outside", NODE, 30080, "TCP", 12)}

    def expect(self, wanted: Callable[[], bool], what: str) -> None:
        """Wait until it is so."""
        deadline = monotonic() + PATIENCE
        while not wanted():
            assert monotonic() < deadline, f"{what}\n{self.log.read_text()}"


def _become_apiserver(folder: Path) -> None:
    apiserver.Server(apiserver.config_in(folder), folder).become()


def _portway(log: Path, arguments: tuple[str, ...]) -> None:
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.execv(sys.executable, [sys.executable, "-m", "portway", *arguments])


def _get(address: str, port: int, path: str) -> tuple[int, dict[str, str], str]:
    connection = http.client.HTTPConnection(address, port, timeout=PATIENCE)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read().decode()
    except ConnectionError:  # refused; or reset by who was just closing
        return 0, {}, ""
    finally:
        connection.close()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Everything but the proxy."""
    with _place(tmp_path_factory.mktemp("serve")) as ready:
        yield ready


@contextmanager
def _place(folder: Path, user: bool | None = None) -> Iterator[Place]:
    """With Service shop/web and pods a and c behind it."""
    try:
        with cluster(user) as made:
            ready = Place(made, folder)
            ready.log.touch()
            ready.expect(lambda: _listens(ready), "the API server answers")
            ready.ask(_create_objects)
            yield ready
    except Unavailable as reason:
        pytest.skip(f"no network namespaces here: {reason}")


def _listens(place: Place) -> bool:
    try:
        place.ask(lambda api: api.list(NODES))
    except (Unreachable, ApiError):
        return False
    return True


def _slice(service: str, pods: str) -> Doc:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": f"{service}-1", "namespace": "shop", "labels": {"kubernetes.io/service-name": service}},
        "addressType": "IPv4",
        "ports": [{"name": "tcp", "protocol": "TCP", "port": PORT}],
        "endpoints": [{"addresses": [pod_address(pod, "IPv4")], "nodeName": PODS[pod][0]} for pod in pods],
    }


def _service(name: str, node_port: int, **spec: object) -> Doc:
    ports = [{"name": "tcp", "protocol": "TCP", "port": 80, "nodePort": node_port}]
    metadata = {"name": name, "namespace": "shop"}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"ports": ports, **spec}}


def _node(**spec: object) -> Doc:
    addresses = [{"type": "InternalIP", "address": NODE}]
    metadata = {"name": "node-1"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": metadata,
        "spec": spec,
        "status": {"addresses": addresses},
    }


async def _create_objects(api: Api) -> None:
    await api.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
    await api.create(NODES, _node())
    await api.create(SERVICES, _service("web", 30080, type="NodePort"))
    await api.create(ENDPOINT_SLICES, _slice("web", "ac"))


@pytest.fixture
def serving(place: Place) -> Iterator[int]:
    """`portway serve`, in charge of node-1; what it made is removed afterwards."""
    place.log.write_text("")
    place.ask(lambda api: api.replace(ENDPOINT_SLICES, _slice("web", "ac")))
    pid = place.serve("--cluster-cidr", "10.244.0.0/16")
    try:
        place.expect(lambda: place.answers() == {"a", "c"}, "the Service answers")
        yield pid
    finally:
        with suppress(ProcessLookupError):  # the test may have ended it
            os.kill(pid, signal.SIGTERM)
            place.end_of(pid)
        assert place.end_of(place.portway("serve", "--cleanup")) == 0
    assert place.node.command("nft", "list", "tables") == ""


def test_it_follows_changes_and_leaves_the_rules_when_it_ends(place: Place, serving: int) -> None:
    place.ask(lambda api: api.replace(ENDPOINT_SLICES, _slice("web", "b")))
    place.expect(lambda: place.answers() == {"b"}, "only b is left")
    os.kill(serving, signal.SIGTERM)
    assert place.end_of(serving) == 0
    assert place.answers() == {"b"}
    assert "Traceback" not in place.log.read_text()


def test_probes_of_the_proxy(place: Place, serving: int) -> None:
    status, headers, body = place.get("outside", NODE, 10256, "/healthz")
    assert (status, headers["Content-Type"], headers["X-Content-Type-Options"]) == (200, "application/json", "nosniff")
    assert json.loads(body).keys() == {"lastUpdated", "currentTime", "nodeEligible", "healthy", "status"}
    status, headers, body = place.get("outside", NODE, 10256, "/")
    assert (status, headers["X-Content-Type-Options"], body) == (404, "nosniff", "404 page not found\n")
    taint = {"key": "ToBeDeletedByClusterAutoscaler", "effect": "NoSchedule"}
    place.ask(lambda api: api.patch(NODES, "", "node-1", {"spec": {"taints": [taint]}}))
    place.expect(lambda: place.get("outside", NODE, 10256, "/healthz")[0] == 503, "a node that leaves gets no traffic")
    assert place.get("outside", NODE, 10256, "/livez")[0] == 200
    place.ask(lambda api: api.patch(NODES, "", "node-1", {"spec": {"taints": None}}))
    place.expect(lambda: place.get("outside", NODE, 10256, "/healthz")[0] == 200, "a node that stays does")


def test_metrics(place: Place, serving: int) -> None:
    assert place.get("outside", NODE, 10249, "/metrics")[0] == 0, "only on loopback"
    before = _samples(place)
    place.ask(lambda api: api.replace(ENDPOINT_SLICES, _slice("web", "bc")))
    place.expect(lambda: place.answers() == {"b", "c"}, "the change is programmed")
    kind = "kubeproxy_sync_proxy_rules"
    rising = [
        f"{kind}_{name}" for name in ("duration_seconds_count", "endpoint_changes_total", "last_timestamp_seconds")
    ]

    def counted() -> bool:
        """A moment after the rules are there."""
        after = _samples(place)
        return all(after[name] > before[name] > 0 for name in rising) and after[f"{kind}_endpoint_changes_pending"] == 0

    place.expect(counted, "the sync is counted")
    assert _samples(place)[f"{kind}_nftables_sync_failures_total"] == 0
    assert place.get("node-1", "127.0.0.1", 10249, "/proxyMode")[2] == "nftables"


def _samples(place: Place) -> dict[str, float]:
    _, _, text = place.get("node-1", "127.0.0.1", 10249, "/metrics")
    return {sample.name: sample.value for f in text_string_to_metric_families(text) for sample in f.samples}


def test_health_check_node_port(place: Place, serving: int) -> None:
    local = {"type": "LoadBalancer", "externalTrafficPolicy": "Local", "healthCheckNodePort": 31555}
    place.ask(lambda api: api.create(SERVICES, _service("local", 30081, **local)))
    place.ask(lambda api: api.create(ENDPOINT_SLICES, _slice("local", "abc")))

    def told() -> tuple[int, int, str]:
        status, headers, body = place.get("outside", NODE, 31555, "/any/path")
        return (status, json.loads(body)["localEndpoints"], headers["X-Load-Balancing-Endpoint-Weight"]) if body else (
            0, 0, ""
        )  # fmt: skip

    place.expect(lambda: told() == (200, 2, "2"), "two of three are here")
    place.ask(lambda api: api.replace(ENDPOINT_SLICES, _slice("local", "c")))
    place.expect(lambda: told() == (503, 0, "0"), "none is here")
    place.ask(lambda api: api.delete(SERVICES, "shop", "local"))
    place.expect(lambda: told()[0] == 0, "nobody listens any more")
    place.ask(lambda api: api.delete(ENDPOINT_SLICES, "shop", "local-1"))


def test_a_health_check_node_port_that_another_process_has(place: Place, serving: int) -> None:
    other = place.cluster.world.spawn(place.node, _hold_port, 31556)
    place.expect(lambda: place.get("outside", NODE, 31556, "/")[0] == 418, "somebody else has the port")
    local = {"type": "LoadBalancer", "externalTrafficPolicy": "Local", "healthCheckNodePort": 31556}
    place.ask(lambda api: api.create(SERVICES, _service("taken", 30082, **local)))
    try:
        place.expect(lambda: bool(_warnings(place, "taken")), "people are told")
        (warning,) = _warnings(place, "taken")
        assert warning["involvedObject"]["kind"] == "Service"
        assert (warning["type"], warning["reason"]) == ("Warning", "FailedToStartServiceHealthcheck")
        assert warning["message"] == (
            'node node-1 failed to start healthcheck "shop/taken" on port 31556: Address already in use'
        )
        assert place.answers() == {"a", "c"}, "everything else goes on"
    finally:
        place.cluster.world.end(other)
    place.ask(lambda api: api.delete(SERVICES, "shop", "taken"))


def _warnings(place: Place, service: str) -> list[Doc]:
    events, _ = place.ask(lambda api: api.list(EVENTS, "shop"))
    return [event for event in events if event["involvedObject"]["name"] == service]


def _hold_port(port: int) -> None:
    with socket.create_server(("", port)) as listening:
        while True:
            connection, _ = listening.accept()
            with connection:
                connection.recv(1000)
                connection.send(b"HTTP/1.1 418 Taken\r\nContent-Length: 0\r\n\r\n")


@pytest.mark.parametrize("where", ["file", "-"])
def test_access_log(place: Place, where: str) -> None:
    """Who came through the nodePort, and a nodePort that nobody has; counted at /metrics."""
    place.log.write_text("")
    place.ask(lambda api: api.replace(ENDPOINT_SLICES, _slice("web", "ac")))
    place.node.write("/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_time_wait", "1")
    path = place.folder / "access.jsonl" if where == "file" else place.log
    pid = place.serve("--cluster-cidr", "10.244.0.0/16", "--access-log", str(path) if where == "file" else "-")
    try:
        place.expect(lambda: place.answers() == {"a", "c"}, "the Service answers")
        assert place.cluster.ask("outside", NODE, 30999)["refused"] == 1
        place.expect(
            lambda: {"FORWARDED", "NODEPORT_UNSET"} <= {one["reason"] for one in _lines(path)}, "both are told"
        )
        let_in = next(one for one in _lines(path) if one["verdict"] == "FORWARDED")
        assert (let_in["node"], let_in["entry"], let_in["service"]["name"]) == ("node-1", "nodePort", "web")
        assert (let_in["client"]["ip"], let_in["frontend"]) == ("172.18.0.1", {"ip": NODE, "port": 30080})
        counter = 'portway_service_connections_total{namespace="shop",port="tcp",protocol="TCP",service="web"}'
        place.expect(lambda: counter in place.get("node-1", "127.0.0.1", 10249, "/metrics")[2], "it is counted")
    finally:
        os.kill(pid, signal.SIGTERM)
        assert place.end_of(pid) == 0
        assert place.end_of(place.portway("serve", "--cleanup")) == 0
    if where == "file":
        argv = [sys.executable, "-m", "portway", "logs", "--file", str(path), "-n", "shop", "svc/web"]
        shown = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
        assert "node-1:30080" in shown and "web:tcp" in shown


def _lines(path: Path) -> list[Doc]:
    """Those that are whole, and JSON: standard output is shared with what the process says."""
    lines = path.read_text().splitlines() if path.exists() else []
    return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]


def test_service_cidrs_are_followed(place: Place, serving: int) -> None:
    """Addresses that no Service has are not sent out into the world."""
    assert place.cluster.ask("a", "10.96.200.200", 80)["silent"] == 1
    more = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "ServiceCIDR",
        "metadata": {"name": "more"},
        "spec": {"cidrs": ["10.99.0.0/24"]},
    }
    ruleset = ("nft", "list", "table", "inet", "portway")
    assert "10.99.0.0/24" not in place.node.command(*ruleset)
    place.ask(lambda api: api.create(SERVICE_CIDRS, more))
    place.expect(lambda: "10.99.0.0/24" in place.node.command(*ruleset), "the new range is known")
    place.ask(lambda api: api.delete(SERVICE_CIDRS, "", "more"))
    place.expect(lambda: "10.99.0.0/24" not in place.node.command(*ruleset), "and forgotten")


def _run_without_service_cidrs(config: agent.AgentConfig) -> None:
    """The agent on a server that has no such resource: an older Kubernetes."""
    absent = Resource("networking.k8s.io", "v1", "servicecidrsofthefuture", namespaced=False)
    vars(sys.modules["portway.agent.watches"])["SERVICE_CIDRS"] = absent
    agent.run(config)


def test_an_api_server_without_service_cidrs(place: Place) -> None:
    place.ask(lambda api: api.replace(ENDPOINT_SLICES, _slice("web", "b")))
    config = agent.AgentConfig(
        node_name="node-1", api_socket=str(place.folder / "api.sock"), service_cidrs=("10.96.0.0/16",)
    )
    pid = place.cluster.world.spawn(place.node, _run_without_service_cidrs, config)
    try:
        place.expect(lambda: place.answers() == {"b"}, "the Service answers")
        assert "10.96.0.0/16" in place.node.command("nft", "list", "table", "inet", "portway"), "what it was told"
    finally:
        place.cluster.world.end(pid)
        assert place.node.run(agent.cleanup)


def test_in_a_user_namespace(tmp_path: Path) -> None:
    """As who is root in `unshare -Urn` only: whatever sysctls it may not write, it serves."""
    with _place(tmp_path, user=True) as place:
        pid = place.portway(
            "serve", "--kubeconfig", str(tmp_path / "kubeconfig"), "--hostname-override", "node-1",
            "--cluster-cidr", "10.244.0.0/16", "--conntrack-max-per-core", "100000000",
        )  # fmt: skip
        place.expect(lambda: place.answers() == {"a", "c"}, "the Service answers")
        place.expect(lambda: place.get("outside", NODE, 10256, "/healthz")[0] == 200, "it is healthy")
        os.kill(pid, signal.SIGTERM)
        assert place.end_of(pid) == 0
        said = place.log.read_text().splitlines()
        assert sum("nf_conntrack_max is not set" in line for line in said) == 1
        assert "Traceback" not in place.log.read_text()
        assert place.end_of(place.portway("cleanup")) == 0
        assert place.node.command("nft", "list", "tables") == ""


def test_who_may_not_program_the_kernel_is_told_so_in_one_line(tmp_path: Path) -> None:
    try:
        with people.ordinary_user(tmp_path) as person:
            command = [*person.command, "serve", "--hostname-override", "node-1"]
            done = subprocess.run(command, env=person.environment, cwd="/", capture_output=True, text=True, check=False)
    except people.Unavailable as reason:
        pytest.skip(str(reason))
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("portway: cannot program this network namespace (")
    assert "run as root on the node, or with CAP_NET_ADMIN" in line


def test_it_does_not_fight_kube_proxy(place: Place) -> None:
    place.log.write_text("")
    place.node.command("nft", "-f", "-", text=KUBE_PROXY)
    try:
        assert place.end_of(place.serve()) == 1
        first, second = place.log.read_text().splitlines()
        assert first == (
            "portway: here are already rules of kube-proxy in nftables mode (table ip kube-proxy); "
            "two proxies undo each other."
        )
        assert "kube-proxy --cleanup" in second
        assert "portway" not in place.node.command("nft", "list", "tables")
    finally:
        place.node.command("nft", "delete table ip kube-proxy")


def _who(place: Place, address: str) -> set[str]:
    """Which pods answer at that address's nodePort, seen from the node."""
    return {answer.partition(" sees")[0] for answer in place.cluster.ask("node-1", address, 30080, "TCP", 6)}


def test_its_configuration_can_be_kube_proxys(place: Place) -> None:
    place.log.write_text("")
    place.ask(lambda api: api.replace(ENDPOINT_SLICES, _slice("web", "b")))
    file = place.folder / "config.conf"
    file.write_text(
        f"""
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
clientConnection: {{kubeconfig: {place.folder / "kubeconfig"}}}
hostnameOverride: node-1
clusterCIDR: 10.244.0.0/16
nodePortAddresses: [198.51.100.0/24]
healthzBindAddress: 172.18.0.11:12345
metricsBindAddress: ""
conntrack: {{maxPerCore: 0}}
oomScoreAdj: -999
"""
    )
    place.node.command("ip", "addr", "add", "198.51.100.7/32", "dev", "lo")  # the Node does not tell of it
    pid = place.portway("serve", "--config", str(file))
    place.expect(lambda: place.get("outside", NODE, 12345, "/healthz")[0] == 200, "it is healthy")
    place.expect(lambda: _who(place, "198.51.100.7") == {"b"}, "it serves")
    assert _who(place, NODE) == {"refused"}, "nodePorts answer at the addresses that were chosen only"
    os.kill(pid, signal.SIGINT)
    assert place.end_of(pid) == 0
    assert "not used here: oomScoreAdj" in place.log.read_text()
    assert place.end_of(place.portway("cleanup")) == 0


def test_load_balancers_are_announced_beside_the_rules(place: Place) -> None:
    """The thread of the announcer starts, says what it waits for, and holds nobody up at the end."""
    pid = place.serve("--announce-load-balancers")
    place.ask(_with_a_pool)
    place.expect(lambda: "172.18.0.240 is announced from here" in place.log.read_text(), "nobody announces")
    os.kill(pid, signal.SIGTERM)
    assert place.end_of(pid) == 0
    assert place.ask(_holder) == "", place.log.read_text()


async def _with_a_pool(api: Api) -> None:
    await api.create(NAMESPACES, {"metadata": {"name": "metallb-system"}})
    metadata = {"namespace": "metallb-system", "name": "p"}
    await api.create(IP_ADDRESS_POOLS, {"metadata": metadata, "spec": {"addresses": ["172.18.0.240/32"]}})
    await api.create(L2_ADVERTISEMENTS, {"metadata": metadata, "spec": {}})
    spec = {"type": "LoadBalancer", "ports": [{"port": 80}]}
    made = await api.create(SERVICES, {"metadata": {"namespace": "default", "name": "balanced"}, "spec": spec})
    ingress = [{"ip": "172.18.0.240", "ipMode": "VIP"}]
    await api.replace(SERVICES, made | {"status": {"loadBalancer": {"ingress": ingress}}}, "status")


async def _holder(api: Api) -> str:
    lease = await api.get(LEASES, "kube-system", address_lease("172.18.0.240"))
    return str(lease["spec"].get("holderIdentity", ""))
