"""A node's proxy as a process of its own: kube-proxy itself where KUBE_PROXY names its binary, and `portway serve`.

Both get the same: a network namespace, an API server in it that holds the cluster (our own, filled before it starts),
a KubeProxyConfiguration (`BINARY --config FILE`, nftables mode), and the time from their start until the last commit
after which every Service is in their table. A change is measured from the request that writes an EndpointSlice to the
last commit that follows it, so it includes the API server's part, the watch and whatever the proxy waits for.
"""

import asyncio
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from bench import peer, synthetic
from portway.agent.nf_tables import NfTables
from portway.client import Api
from portway.reconcile.resources import ENDPOINT_SLICES
from portway.store import Key, Put, Store
from portway.testing import apiserver
from portway.testing.netns import Namespace, World

NODE_ADDRESS = "192.0.2.1"
_CIDRS = ("10.64.0.0/12",)
"""Not that of the measured Services: they are put into the database as they are, and default/kubernetes needs one."""
_MAPS = (("inet", "portway", "frontends4"), ("ip", "kube-proxy", "service-ips"))
"""Where each keeps its frontends."""
_SETTLED = 0.5
_PATIENCE = float(os.environ.get("PATIENCE", "900"))


class Ready(Struct, frozen=True):
    """A proxy that has programmed everything: seconds from its start, of processors, and MB of memory."""

    seconds: float
    cpu: float
    resident: float
    most: float


class Proxy(Struct):
    """One that runs. `started` is in time.monotonic."""

    node: Namespace
    pid: int
    started: float
    socket: Path
    services: int
    log: Path

    def ready(self) -> Ready:
        """Wait until all Services are in its table. Raises TimeoutError with what it said."""
        try:
            committed = self.node.run(_all_there, self.services, self.started)
        except TimeoutError as error:
            raise TimeoutError(f"{error}; it said:\n{self.log.read_text()[-2000:]}") from None
        return Ready(committed - self.started, _cpu(self.pid), _status(self.pid, "VmRSS"), _status(self.pid, "VmHWM"))

    def quiet(self) -> None:
        """Wait until nothing has been committed for a while."""
        self.node.run(_quiet)

    def changes(self, chosen: peer.Services, count: int) -> list[float]:
        """Seconds of each of `count` changes: an endpoint goes, and comes back."""
        return self.node.run(_changes, self.socket, chosen, count)


def commands() -> dict[str, tuple[str, ...]]:
    """What to measure by name: nothing unless KUBE_PROXY names a binary."""
    binary = os.environ.get("KUBE_PROXY")
    if not binary:
        return {}
    return {"kube-proxy": (binary,), "portway serve": (sys.executable, "-m", "portway", "serve")}


@contextmanager
def running(command: Sequence[str], chosen: peer.Services) -> Iterator[Proxy]:
    """The proxy in a namespace of its own with these Services."""
    with World() as world:
        node = world.namespace("node")
        node.command("ip", "addr", "add", f"{NODE_ADDRESS}/32", "dev", "lo")
        node.write("/proc/sys/net/ipv4/ip_forward", "1")
        with serving(command, chosen, world, node) as proxy:
            yield proxy


@contextmanager
def serving(command: Sequence[str], chosen: peer.Services, world: World, node: Namespace) -> Iterator[Proxy]:
    """The proxy in that namespace; it and its API server end with the context, its rules stay."""
    with of_cluster(command, _documents(chosen), _SETTINGS, world, node, len(chosen)) as proxy:
        yield proxy


@contextmanager
def of_cluster(
    command: Sequence[str],
    documents: Iterable[tuple[str, bytes]],
    settings: dict[str, Any],
    world: World,
    node: Namespace,
    services: int = 0,
) -> Iterator[Proxy]:
    """`serving` for any cluster: its documents, each with its collection, and fields of a KubeProxyConfiguration."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pw-bench-")))
        asyncio.run(_fill(apiserver.config_in(folder).data, documents))
        stack.callback(world.end, world.spawn(node, _become_api_server, folder))
        api = folder / "api.sock"
        apiserver.until(lambda: _answers(api), f"the API server does not answer: {folder / 'apiserver.log'}")
        (folder / "config.conf").write_text(json.dumps(_configuration(folder / "kubeconfig", settings)))
        started, log = time.monotonic(), folder / "proxy.log"
        pid = world.spawn(node, _become, [*command, "--config", str(folder / "config.conf")], log)
        stack.callback(world.end, pid)
        yield Proxy(node, pid, started, api, services, log)


def measured(chosen: peer.Services, of: Callable[[Proxy], Any]) -> dict[str, Any]:
    """What `of` says of each proxy, by its name; {} where there is none to measure or the cluster is too large."""
    results = {}
    for name, command in commands().items() if synthetic.with_peer(chosen) else ():
        with running(command, chosen) as proxy:
            results[name] = of(proxy)
    return results


_SETTINGS = {"clusterCIDR": "10.128.0.0/9", "nodePortAddresses": [f"{NODE_ADDRESS}/32"]}


def _configuration(kubeconfig: Path, settings: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "nftables",
        "clientConnection": {"kubeconfig": str(kubeconfig), "contentType": "application/json"},
        "hostnameOverride": synthetic.NODE,
        "nftables": {"minSyncPeriod": "1ms", "syncPeriod": "1h0m0s"},  # 0s would mean kube-proxy's default, 1 s
        "conntrack": {"maxPerCore": 0, "min": 0},
        **settings,
    }


async def _fill(path: Path, documents: Iterable[tuple[str, bytes]]) -> None:
    """The database that an API server finds when it starts."""
    store = Store(path)
    try:
        batch: list[Put] = []
        for collection, raw in documents:
            document = json.loads(raw)
            metadata = document["metadata"]
            metadata["uid"] = f"{collection}-{metadata['name']}"
            key = Key(collection, metadata.get("namespace", ""), metadata["name"])
            batch.append(Put(key, msgspec.json.encode(document), 0))
            if len(batch) == 1000:
                await store.commit(*batch)
                batch = []
        await store.commit(*batch)
    finally:
        await store.close()


def _documents(chosen: peer.Services) -> Iterator[tuple[str, bytes]]:
    node = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": synthetic.NODE},
        "status": {"addresses": [{"type": "InternalIP", "address": NODE_ADDRESS}]},
    }
    yield "nodes", json.dumps(node).encode()
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "bench"}, "status": {"phase": "Active"}}
    yield "namespaces", json.dumps(namespace).encode()
    yield from (("services", raw) for raw in synthetic.service_bytes(chosen))
    yield from (("discovery.k8s.io/endpointslices", raw) for raw in synthetic.slice_bytes(chosen))


def _become_api_server(folder: Path) -> None:
    apiserver.Server(apiserver.config_in(folder, service_cidrs=_CIDRS), folder).become()


def _become(command: Sequence[str], log: Path) -> None:
    output = os.open(log, os.O_WRONLY | os.O_CREAT, 0o600)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.execvp(command[0], list(command))


def _answers(api: Path) -> bool:
    async def ready() -> bool:
        async with Api.unix(api) as client:
            await client.list(ENDPOINT_SLICES, "nobody")
            return True

    try:
        return asyncio.run(ready())
    except Exception:
        return False


class _Commits(threading.Thread):
    """Notes when the tables of this namespace were last committed to."""

    def __init__(self, pause: float) -> None:
        super().__init__(daemon=True)
        self._pause = pause
        self.last = 0.0
        """In time.monotonic; 0: never since the start."""
        self.ending = False

    def run(self) -> None:
        kernel = NfTables()
        known = kernel.generation()
        while not self.ending:
            if (now := kernel.generation()) != known:
                known, self.last = now, time.monotonic()
            time.sleep(self._pause)
        kernel.close()

    def settled(self, since: float) -> bool:
        """Whether something was committed after `since`, and nothing for a while."""
        return self.last > since and time.monotonic() - self.last > _SETTLED


def _all_there(services: int, started: float) -> float:
    """When the commit came after which there were so many frontends, in time.monotonic."""
    commits, looked = _Commits(0.01), started
    commits.start()
    if _frontends() >= services:  # it was faster than this process
        return time.monotonic()
    deadline = started + _PATIENCE
    while time.monotonic() < deadline:
        if commits.settled(looked):
            looked = commits.last
            if _frontends() >= services:
                return looked
        time.sleep(0.05)
    raise TimeoutError(f"not all of {services} Services are served after {_PATIENCE:g} s")


def _quiet() -> None:
    kernel = NfTables()
    known, changed = kernel.generation(), time.monotonic()
    while time.monotonic() - changed < _SETTLED:
        time.sleep(0.02)
        if (now := kernel.generation()) != known:
            known, changed = now, time.monotonic()
    kernel.close()


def _frontends() -> int:
    """How many there are, whoever serves."""
    return max(_elements(*where) for where in _MAPS)


def _elements(family: str, table: str, name: str) -> int:
    listed = subprocess.run(["nft", "list", "map", family, table, name], capture_output=True, text=True, check=False)
    return len(re.findall(r" : (?:goto|jump) ", listed.stdout))


def _changes(api: Path, chosen: peer.Services, count: int) -> list[float]:
    commits = _Commits(0.0005)
    commits.start()

    async def every() -> list[float]:
        async with Api.unix(api) as client:
            return [await _change(client, commits, synthetic.changed(chosen, number)) for number in range(count)]

    try:
        return asyncio.run(every())
    finally:
        commits.ending = True
        commits.join()


async def _change(client: Api, commits: _Commits, raw: bytes) -> float:
    began = time.monotonic()
    await client.replace(ENDPOINT_SLICES, json.loads(raw))
    while not commits.settled(began):
        if time.monotonic() - began > _PATIENCE:
            raise TimeoutError(f"a change is not programmed after {_PATIENCE:g} s")
        await asyncio.sleep(0.01)
    return commits.last - began


def _cpu(pid: int) -> float:
    """Seconds that it and the children it waited for have used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def _status(pid: int, name: str) -> float:
    """A figure of /proc/PID/status, MB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{name}:"))
