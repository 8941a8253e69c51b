"""`portway serve` and what only reads, at kube-apiserver itself under RBAC: through its death and its return.

Runs where KUBE_APISERVER and ETCD name binaries. They run in node-1's namespace, on its loopback.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from portway.apiserver import pki
from portway.client import Api, Unreachable
from portway.kubeapi.errors import ApiError
from portway.kubeapi.kinds import Resource
from portway.reconcile.resources import ENDPOINT_SLICES, NAMESPACES, NODES, SERVICES
from portway.testing import kube_apiserver
from portway.testing.netns import Unavailable
from tests.contract.cluster import PODS, PORT, Cluster, cluster, pod_address

if kube_apiserver.binaries() is None:
    pytest.skip("KUBE_APISERVER and ETCD name no binaries to run", allow_module_level=True)

Doc = dict[str, Any]
PORTS = kube_apiserver.Ports()
ROLES = Resource("rbac.authorization.k8s.io", "v1", "clusterroles", namespaced=False)
BINDINGS = Resource("rbac.authorization.k8s.io", "v1", "clusterrolebindings", namespaced=False)
TOKENS = "proxy-token,system:kube-proxy,1\nreader-token,reader,2\n"
READING = [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list", "watch"]}]
RBAC = "rbac.authorization.k8s.io"


class Place:
    """A cluster whose node-1 has a kube-apiserver on its loopback, which can be killed."""

    def __init__(self, made: Cluster, folder: Path) -> None:
        self.cluster, self.folder, self.node = made, folder, made.places["node-1"]
        self.admin = self.config("admin", "")
        self._run("etcd", kube_apiserver.etcd(folder, PORTS))
        self._api = self.begin()

    def config(self, name: str, token: str) -> Path:
        """A kubeconfig of one of TOKENS; without a token: the administrator's."""
        text = pki.kubeconfig(self.folder / "pki", f"https://127.0.0.1:{PORTS.api}")
        if token:
            text = text[: text.index("users:")] + f"users:\n- name: portway\n  user: {{token: {token}}}\n"
            text += (
                "contexts:\n- name: portway\n  context: {cluster: portway, user: portway}\ncurrent-context: portway\n"
            )
        path = self.folder / f"{name}.conf"
        path.write_text(text)
        return path

    def log(self, name: str) -> Path:
        """What a program said."""
        return self.folder / f"{name}.log"

    def _run(self, name: str, command: list[str]) -> int:
        return self.cluster.world.spawn(self.node, _become, self.log(name), command)

    def begin(self) -> int:
        """Start kube-apiserver, and wait until it answers; its process id."""
        flags = [f"--token-auth-file={self.folder / 'tokens.csv'}"]
        pid = self._run("kube-apiserver", kube_apiserver.api(self.folder, PORTS, *flags))
        self.expect(lambda: self.does(lambda api: api.list(SERVICES)), "kube-apiserver answers", 60)
        return pid

    def kill(self) -> None:
        """kill -9 kube-apiserver; etcd stays."""
        self.cluster.world.end(self._api)

    def again(self) -> None:
        """Start it again."""
        self._api = self.begin()

    def ask(self, work: Callable[[Api], Awaitable[Any]]) -> Any:
        """Do something as the administrator."""
        return self.node.run(_asked, self.admin, work)

    def does(self, work: Callable[[Api], Awaitable[Any]]) -> bool:
        """Whether that could be done."""
        return bool(self.node.run(_could, self.admin, work))

    def portway(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """`portway …` on node-1, to its end."""
        return self.node.run(_portway, arguments)

    def answers(self) -> set[str]:
        """Which pods answer at the nodePort, seen from outside; failures too."""
        return {said.partition(" sees")[0] for said in self.cluster.ask("outside", "172.18.0.11", 30080, "TCP", 12)}

    def expect(self, wanted: Callable[[], bool], what: str, seconds: float = 20) -> None:
        """Wait until it is so."""
        deadline = monotonic() + seconds
        while not wanted():
            said = "".join(log.read_text()[-3000:] for log in self.folder.glob("*.log"))
            assert monotonic() < deadline, f"{what}\n{said}"


def _become(log: Path, command: list[str]) -> None:
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.execv(command[0], command)


def _asked(kubeconfig: Path, work: Callable[[Api], Awaitable[Any]]) -> Any:
    async def asking() -> Any:
        async with Api.from_kubeconfig(kubeconfig) as api:
            return await work(api)

    return asyncio.run(asking())


def _could(kubeconfig: Path, work: Callable[[Api], Awaitable[Any]]) -> bool:
    try:
        _asked(kubeconfig, work)
    except (ApiError, Unreachable):
        return False
    return True


def _portway(arguments: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "portway", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def _slice(pods: str) -> Doc:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": "web-1", "namespace": "shop", "labels": {"kubernetes.io/service-name": "web"}},
        "addressType": "IPv4",
        "ports": [{"name": "tcp", "protocol": "TCP", "port": PORT}],
        "endpoints": [{"addresses": [pod_address(pod, "IPv4")], "nodeName": PODS[pod][0]} for pod in pods],
    }


async def _fill(api: Api) -> None:
    """Service shop/web with pods a and c behind it, node-1, and what `reader` may do."""
    ports = [{"name": "tcp", "port": 80, "nodePort": 30080}]
    metadata = {"name": "web", "namespace": "shop"}
    role = {"apiVersion": f"{RBAC}/v1", "kind": "ClusterRole", "metadata": {"name": "reading"}, "rules": READING}
    binding = {
        "apiVersion": f"{RBAC}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "reading"},
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": "reading"},
        "subjects": [{"apiGroup": RBAC, "kind": "User", "name": "reader"}],
    }
    await api.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node-1"}}
    await api.create(NODES, node | {"status": {"addresses": [{"type": "InternalIP", "address": "172.18.0.11"}]}})
    spec = {"type": "NodePort", "ports": ports}
    await api.create(SERVICES, {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec})
    await api.create(ENDPOINT_SLICES, _slice("ac"))
    await api.create(ROLES, role)
    await api.create(BINDINGS, binding)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A kube-apiserver with shop/web."""
    folder = tmp_path_factory.mktemp("kube-apiserver")
    pki.create(folder / "pki")
    (folder / "tokens.csv").write_text(TOKENS)
    try:
        with cluster() as made:
            ready = Place(made, folder)
            # RBAC's own roles and the first Namespaces are made a moment after it answers.
            ready.expect(lambda: ready.does(lambda api: api.get(NAMESPACES, "", "default")), "it has its namespaces")
            ready.ask(_fill)
            yield ready
    except Unavailable as reason:
        pytest.skip(f"no network namespaces here: {reason}")


def test_serve_outlives_it_and_follows_it_again(place: Place) -> None:
    log, kubeconfig = place.log("serve"), str(place.config("proxy", "proxy-token"))
    words = ["serve", "--kubeconfig", kubeconfig, "--hostname-override", "node-1", "--conntrack-max-per-core", "0"]
    command = [sys.executable, "-m", "portway", *words, "--cluster-cidr", "10.244.0.0/16"]
    serving = place.cluster.world.spawn(place.node, _become, log, command)
    place.expect(lambda: place.answers() == {"a", "c"}, "the Service answers")
    place.ask(lambda api: api.replace(ENDPOINT_SLICES, _slice("b")))
    place.expect(lambda: place.answers() == {"b"}, "a change arrives")
    place.kill()
    place.expect(lambda: "Connect call failed" in log.read_text(), "it notices that nobody is there")
    assert place.answers() == {"b"}
    place.again()
    place.ask(lambda api: api.replace(ENDPOINT_SLICES, _slice("c")))
    place.expect(lambda: place.answers() == {"c"}, "a later change arrives")
    os.kill(serving, signal.SIGTERM)
    assert place.cluster.world.wait(serving) == 0
    assert "Traceback" not in log.read_text()
    assert place.portway("serve", "--cleanup").returncode == 0
    assert place.node.command("nft", "list", "tables") == ""


def test_what_only_reads_needs_no_other_permission(place: Place) -> None:
    live = ["--kubeconfig", str(place.config("reader", "reader-token"))]
    place.ask(lambda api: api.replace(ENDPOINT_SLICES, _slice("ac")))
    before = place.ask(_versions)
    traced = place.portway("trace", "172.18.0.11:30080", *live)
    assert (traced.returncode, traced.stderr) == (0, ""), traced
    assert "shop/web" in traced.stdout and "10.244.1.1:8080" in traced.stdout
    linted = place.portway("lint", *live, "-o", "json", "--fail-on", "none")
    assert (linted.returncode, linted.stderr) == (0, ""), linted
    found = {finding["where"]["object"] for finding in json.loads(linted.stdout)["findings"]}
    assert found == {"Service default/kubernetes"}, "it was told to announce no endpoints of its own"
    audited = place.portway("audit", *live, "-o", "json")
    assert (audited.returncode, audited.stderr) == (0, ""), audited
    assert {row["service"] for row in json.loads(audited.stdout)["exposures"]} == {"kubernetes", "web"}
    taken = place.portway("snapshot", *live)
    assert (taken.returncode, taken.stderr) == (0, ""), taken
    assert '"name":"web"' in taken.stdout.replace(" ", "")
    assert place.ask(_versions) == before, "nothing was written"


async def _versions(api: Api) -> dict[str, str]:
    """What there is, and in which version."""
    found = {}
    for kind in (NAMESPACES, NODES, SERVICES, ENDPOINT_SLICES, ROLES):
        for document in (await api.list(kind))[0]:
            metadata = document["metadata"]
            found[f"{kind.plural}/{metadata.get('namespace', '')}/{metadata['name']}"] = metadata["resourceVersion"]
    return found


def test_who_may_read_less_is_told_what_is_lacking(place: Place) -> None:
    audited = place.portway("audit", "--kubeconfig", str(place.config("nobody", "proxy-token")))
    assert "Traceback" not in audited.stderr
    assert "is forbidden" in audited.stderr, audited
