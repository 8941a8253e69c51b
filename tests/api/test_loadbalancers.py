"""Services of type LoadBalancer and MetalLB's objects, with the real kubectl against server and controllers."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest_asyncio

from portway.client import Api
from portway.controllers.process import run_controllers
from portway.kubeapi.errors import Doc
from portway.reconcile.loadbalancers import FINALIZER
from portway.reconcile.resources import EVENTS, IP_ADDRESS_POOLS, NAMESPACES, SERVICES
from portway.testing import apiserver
from tests.api.http import Http
from tests.patience import PATIENCE

KUBECTL = Path(sys.executable).with_name("kubectl")
POOL = """
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {name: NAME, namespace: metallb-system}
spec: {addresses: ADDRESSES}
"""
ADVERTISEMENT = """
apiVersion: metallb.io/v1beta1
kind: L2Advertisement
metadata: {name: example, namespace: metallb-system}
spec:
  ipAddressPools: [first]
  interfaces: [eth0]
  nodeSelectors: [{matchLabels: {kubernetes.io/hostname: node-1}}]
"""


def service(name: str, *ports: int, annotations: dict[str, str] | None = None, **spec: Any) -> Doc:
    listed = [{"name": f"p{port}", "port": port} for port in ports or (80,)]
    return {
        "metadata": {"name": name, "namespace": "default", "annotations": annotations or {}},
        "spec": {"type": "LoadBalancer", "selector": {"app": name}, "ports": listed} | spec,
    }


def pool(name: str, *addresses: str) -> str:
    return POOL.replace("NAME", name).replace("ADDRESSES", json.dumps(addresses))


class World:
    """A server that begins with no pool, and its controllers."""

    def __init__(self, server: apiserver.Server, api: Api) -> None:
        self.server, self.api = server, api
        self.running: asyncio.Task[None] | None = None
        self.metrics = server.unix.with_name("controllers.sock")

    def start(self) -> None:
        self.running = asyncio.create_task(run_controllers(self.api, metrics_socket=self.metrics))

    async def stop(self) -> None:
        assert self.running
        self.running.cancel()
        await asyncio.gather(self.running, return_exceptions=True)

    async def kubectl(self, line: str, stdin: str = "") -> "subprocess.CompletedProcess[str]":
        command = [str(KUBECTL), "--kubeconfig", str(self.server.kubeconfig), *line.split()]
        return await asyncio.to_thread(
            subprocess.run, command, input=stdin, capture_output=True, text=True, timeout=120, check=False
        )

    async def apply(self, text: str) -> str:
        done = await self.kubectl("apply -f -", text)
        assert not done.returncode, done.stderr
        return done.stdout

    async def get(self, name: str) -> Doc:
        return await self.api.get(SERVICES, "default", name)

    async def addresses(self, name: str) -> list[str]:
        points = (await self.get(name))["status"]["loadBalancer"].get("ingress") or []
        return [point["ip"] for point in points]

    async def has(self, name: str, *expected: str) -> None:
        async with asyncio.timeout(PATIENCE):
            while await self.addresses(name) != list(expected):
                await asyncio.sleep(0.02)

    def metrics_now(self) -> str:
        """What the controllers say at /metrics."""
        return Http(self.metrics).get("/metrics").text

    async def told(self, name: str, reason: str, words: str) -> None:
        """Until an Event about the Service says so."""
        async with asyncio.timeout(PATIENCE):
            while True:
                events = (await self.api.list(EVENTS, "default"))[0]
                mine = [e for e in events if e["involvedObject"]["name"] == name and e["reason"] == reason]
                if any(words in event["message"] for event in mine):
                    return
                await asyncio.sleep(0.05)


@pytest_asyncio.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    with apiserver.start(tmp_path) as server:
        async with Api.unix(server.unix) as api:
            world = World(server, api)
            await world.api.create(NAMESPACES, {"metadata": {"name": "metallb-system"}})
            world.start()
            yield world
            await world.stop()


async def test_from_pending_to_an_address_and_back(world: World) -> None:
    await world.api.create(SERVICES, service("web"))
    await world.told("web", "AllocationFailed", "there is no IPAddressPool")
    assert "<pending>" in (await world.kubectl("get svc web")).stdout
    await world.apply(pool("first", "192.0.2.10-192.0.2.11"))
    await world.has("web", "192.0.2.10")
    stored = await world.get("web")
    assert stored["status"]["loadBalancer"]["ingress"] == [{"ip": "192.0.2.10", "ipMode": "VIP"}]
    assert stored["metadata"]["finalizers"] == [FINALIZER]
    assert stored["metadata"]["annotations"]["metallb.io/ip-allocated-from-pool"] == "first"
    await world.told("web", "IPAllocated", 'Assigned IP ["192.0.2.10"] from IPAddressPool first')
    for line in ('addresses_in_use_total{pool="first"} 1.0', 'addresses_total{pool="first"} 2.0'):
        async with asyncio.timeout(PATIENCE):
            while f"metallb_allocator_{line}\n" not in await asyncio.to_thread(world.metrics_now):
                await asyncio.sleep(0.02)

    await world.api.create(SERVICES, service("second"))
    await world.has("second", "192.0.2.11")
    await world.api.create(SERVICES, service("third"))
    await world.told("third", "AllocationFailed", "first has 2, all in use")
    # What is given back, who waits gets; the finalizer holds nobody up.
    await world.api.delete(SERVICES, "default", "web")
    await world.has("third", "192.0.2.10")

    # Another type: address, finalizer and annotation go.
    await world.api.patch(SERVICES, "default", "second", {"spec": {"type": "ClusterIP"}})
    async with asyncio.timeout(PATIENCE):
        while "finalizers" in (left := await world.get("second"))["metadata"]:
            await asyncio.sleep(0.02)
    assert left["status"] == {"loadBalancer": {}}
    assert "metallb.io/ip-allocated-from-pool" not in left["metadata"].get("annotations", {})


async def test_requests_sharing_classes_and_restarts(world: World) -> None:
    await world.apply(pool("first", "192.0.2.0/28", "2001:db8::/120"))
    await world.api.create(SERVICES, service("fixed", annotations={"metallb.universe.tf/loadBalancerIPs": "192.0.2.5"}))
    await world.api.create(SERVICES, service("older", loadBalancerIP="192.0.2.6"))
    await world.api.create(SERVICES, service("dual", ipFamilyPolicy="RequireDualStack"))
    await world.has("fixed", "192.0.2.5")
    await world.has("older", "192.0.2.6")
    await world.has("dual", "192.0.2.0", "2001:db8::")
    sharing = {"metallb.io/allow-shared-ip": "one", "metallb.io/loadBalancerIPs": "192.0.2.7"}
    for name, port in (("tcp", 80), ("https", 443), ("clash", 443)):
        await world.api.create(SERVICES, service(name, port, annotations=sharing))
    await world.has("tcp", "192.0.2.7")
    await world.has("https", "192.0.2.7")
    await world.told("clash", "AllocationFailed", 'Service "default/https", which has port TCP/443 there already')
    # Who shares an address may leave a port to others: they are given it then.
    await world.api.patch(SERVICES, "default", "https", {"spec": {"ports": [{"name": "p", "port": 8443}]}})
    await world.has("clash", "192.0.2.7")
    await world.has("https", "192.0.2.7")
    await world.api.create(SERVICES, service("foreign", loadBalancerClass="example.com/other"))
    await world.api.create(SERVICES, service("mine", loadBalancerClass="portway.dev/load-balancer"))
    await world.has("mine", "192.0.2.1")
    assert "finalizers" not in (await world.get("foreign"))["metadata"]

    # A restart changes nothing: the very documents stay, revision by revision.
    names = ("fixed", "older", "dual", "tcp", "https", "mine")
    before = [(await world.get(name))["metadata"]["resourceVersion"] for name in names]
    await world.stop()
    world.start()
    await world.api.create(SERVICES, service("late"))
    await world.has("late", "192.0.2.2")
    assert [(await world.get(name))["metadata"]["resourceVersion"] for name in names] == before
    # The pool shrinks: who is outside moves, the others stay.
    await world.apply(pool("first", "192.0.2.2-192.0.2.7"))
    await world.has("mine", "192.0.2.3")
    await world.has("late", "192.0.2.2")
    await world.told("dual", "ClearAssignment", "192.0.2.0, 2001:db8:: is withdrawn")
    async with asyncio.timeout(PATIENCE):
        while (found := await world.api.get(IP_ADDRESS_POOLS, "metallb-system", "first"))["status"] != {
            "assignedIPv4": 5, "assignedIPv6": 0, "availableIPv4": 1, "availableIPv6": 0,
        }:  # fmt: skip
            await asyncio.sleep(0.05)
    assert found["metadata"]["generation"] == 2


async def test_kubectl_with_metallbs_objects(world: World) -> None:
    assert "ipaddresspool.metallb.io/first created" in await world.apply(pool("first", "192.168.10.0/24"))
    assert "l2advertisement.metallb.io/example created" in await world.apply(ADVERTISEMENT)
    head, row = (await world.kubectl("get ipaddresspools -n metallb-system")).stdout.splitlines()
    assert head.split() == ["NAME", "AUTO", "ASSIGN", "AVOID", "BUGGY", "IPS", "ADDRESSES"]
    assert row.split()[:4] == ["first", "true", "false", '["192.168.10.0/24"]']
    row = (await world.kubectl("get l2advertisements -n metallb-system --no-headers")).stdout
    assert row.split()[:3] == ["example", '["first"]', '["eth0"]']
    status = """{"apiVersion": "metallb.io/v1beta1", "kind": "ServiceL2Status", "metadata": {"name": "l2-1",
        "namespace": "metallb-system", "labels": {"metallb.io/node": "node-1"}}}"""
    assert "servicel2status.metallb.io/l2-1 created" in await world.apply(status)
    said = await world.kubectl(
        "patch servicel2status l2-1 -n metallb-system --subresource=status --type=merge -p "
        '{"status":{"node":"node-1","serviceName":"web","serviceNamespace":"default"}}'
    )
    assert not said.returncode, said.stderr
    head, row = (await world.kubectl("get servicel2statuses -n metallb-system")).stdout.splitlines()
    assert head.split() == ["NAME", "ALLOCATED", "NODE", "SERVICE", "NAME", "SERVICE", "NAMESPACE"]
    assert row.split() == ["l2-1", "node-1", "web", "default"]
    assert "ranges FIRST-LAST" in (await world.kubectl("explain ipaddresspool.spec.addresses")).stdout
    for addresses, words in (
        (["192.168.10.200-192.168.11.1"], "spec.addresses[0]: Invalid value: \"192.168.10.200-192.168.11.1\": "
         "overlaps 192.168.10.0-192.168.10.255 of pool first"),
        (["10.0.0.9-10.0.0.1"], "its first address comes after its last; did you mean 10.0.0.1-10.0.0.9?"),
        (["10.0.0.1"], "must be a CIDR or a range; for one address write 10.0.0.1/32"),
        (["10.0.0.1-fd00::1"], "its ends are of different IP families"),
        (["10.0.0.0/24", "10.0.0.7/32"], "spec.addresses[1]: Invalid value: \"10.0.0.7/32\": overlaps 10.0.0.0/24"),
        ([], "spec.addresses: Required value"),
    ):  # fmt: skip
        refused = await world.kubectl("apply -f -", pool("bad", *addresses))
        assert refused.returncode and words in refused.stderr
    bad = await world.kubectl("apply -f -", ADVERTISEMENT.replace("eth0", "a/b"))
    assert 'spec.interfaces[0]: Invalid value: "a/b"' in bad.stderr
    assert (await world.kubectl("delete ipaddresspool first -n metallb-system")).returncode == 0
    assert "created" in await world.apply(pool("other", "192.168.10.200-192.168.11.1"))
