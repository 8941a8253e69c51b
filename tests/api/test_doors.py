"""Doors by the controllers, on a real API server: their objects come and go, statuses say what is."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio

from portway.client import Api, Key, Reflector
from portway.controllers.process import run_controllers
from portway.kubeapi.catalogue import by_kind
from portway.kubeapi.doorclasses import first_objects
from portway.kubeapi.errors import ApiError, Doc
from portway.kubeapi.fallbackpool import first_objects as pool_objects
from portway.kubeapi.kinds import Resource
from portway.reconcile.objects import annotations_of, condition_of, is_deleting, name_of, spec_of, status_of, timestamp
from portway.reconcile.resources import (
    CONFIG_MAPS,
    DEPLOYMENTS,
    ENDPOINT_SLICES,
    EVENTS,
    GATEWAY_CLASSES,
    GATEWAYS,
    HTTP_ROUTES,
    INGRESSES,
    NAMESPACES,
    NODES,
    PODS,
    SERVICES,
    TCP_ROUTES,
)
from portway.routing.documents import RESOURCES
from portway.testing import apiserver
from portway.testing.doordocs import (
    asks,
    authorities,
    backend,
    endpoint_slice,
    gateway,
    host_rule,
    http,
    https,
    ingress,
    ingress_path,
    route,
    rule,
    service,
    tls_policy,
    tls_secret,
)
from tests.patience import PATIENCE


def resource_of(document: Doc) -> Resource:
    kind = by_kind(document["apiVersion"], document["kind"])
    assert kind is not None
    return kind.resource


class World:
    """An API server and its controllers, and a node whose pods run once they may."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.pods: Reflector[Doc] = Reflector(api, PODS, on_change=self._pod_changed)
        self.may_run = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    def _pod_changed(self, key: Key, _: Doc | None, new: Doc | None) -> None:
        if new is not None and (is_deleting(new) or not status_of(new).get("podIP")):
            task = asyncio.create_task(self._run(key, is_deleting(new)))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _run(self, key: Key, ends: bool) -> None:
        with contextlib.suppress(ApiError):  # it is gone already
            if ends:
                await self.api.delete(PODS, *key, grace_seconds=0)
                return
            await self.may_run.wait()
            ready = {"type": "Ready", "status": "True", "lastTransitionTime": timestamp(0)}
            status = {"phase": "Running", "podIP": "10.244.1.1", "conditions": [ready]}
            await self.api.patch(PODS, *key, {"status": status}, subresource="status")

    async def create(self, *documents: Doc) -> None:
        for document in documents:
            await self.api.create(resource_of(document), document)

    async def until(self, resource: Resource, name: str, fits: Callable[[Doc], Any], namespace: str = "shop") -> Doc:
        """The document, once it is as asked."""
        found: Doc = {}
        try:
            async with asyncio.timeout(PATIENCE):
                while True:
                    try:
                        found = await self.api.get(resource, namespace if resource.namespaced else "", name)
                        if fits(found):
                            return found
                    except ApiError as error:
                        assert error.code == 404
                    await asyncio.sleep(0.01)
        except TimeoutError:
            raise AssertionError(found) from None

    async def forwards(self, *wanted: tuple[str, str, int]) -> None:
        """Until doors' own slices lead to these: (address, the door's port by its name, the pod's port)."""
        selector = "endpointslice.kubernetes.io/managed-by=doors.portway.dev"
        found: list[tuple[str, str, int]] = []
        try:
            async with asyncio.timeout(PATIENCE):
                while True:
                    slices, _ = await self.api.list(ENDPOINT_SLICES, "shop", label_selector=selector)
                    found = sorted(
                        (e["addresses"][0], port["name"], port["port"])
                        for piece in slices
                        for e in piece["endpoints"]
                        for port in piece["ports"]
                    )
                    if found == sorted(wanted):
                        return
                    await asyncio.sleep(0.01)
        except TimeoutError:
            raise AssertionError(found) from None

    async def until_gone(self, resource: Resource, name: str, namespace: str = "shop") -> None:
        async with asyncio.timeout(PATIENCE):
            while True:
                try:
                    await self.api.get(resource, namespace, name)
                except ApiError as error:
                    assert error.code == 404
                    return
                await asyncio.sleep(0.01)


@pytest_asyncio.fixture
async def world(tmp_path: Any) -> AsyncIterator[World]:
    with apiserver.start(tmp_path) as server:
        async with Api.unix(server.unix) as api:
            world = World(api)
            await world.create(*pool_objects(["172.18.1.0/24"]), *first_objects())
            await api.create(NAMESPACES, {"metadata": {"name": "shop"}})
            await api.create(NODES, {"metadata": {"name": "node-1"}})
            running = [
                asyncio.create_task(run_controllers(api, api_socket="/run/api.sock")),
                asyncio.create_task(world.pods.run()),
            ]
            yield world
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)


RULE = host_rule("", ingress_path("/", "web"))


def addresses(document: Doc) -> list[str]:
    return [p["ip"] for p in (status_of(document).get("loadBalancer") or {}).get("ingress") or ()]


def reason(document: Doc, condition: str) -> str:
    return str((condition_of(document, condition) or {}).get("reason"))


async def test_the_first_ingress_opens_the_door_and_the_last_one_closes_it(world: World) -> None:
    await world.create(service("web", 80), ingress("one", host_rule("a.com", ingress_path("/", "web"))))
    door = await world.until(SERVICES, "portway-ingress", addresses, "portway-system")
    assert [(p["port"], p["targetPort"]) for p in spec_of(door)["ports"]] == [(80, 80)]
    assert all("nodePort" not in port for port in spec_of(door)["ports"])
    deployment = await world.until(DEPLOYMENTS, "portway-ingress", spec_of, "portway-system")
    template = spec_of(deployment)["template"]
    assert annotations_of(template)["portway.dev/runtime"] == "process"
    assert spec_of(template)["containers"][0]["command"][1:] == [
        *("-m", "portway", "gateway", "ingress", "--api-socket", "/run/api.sock", "--engine", "auto")
    ]
    world.may_run.set()
    await world.until(INGRESSES, "one", lambda i: addresses(i) == addresses(door))
    await world.create(ingress("theirs", RULE, class_name="unknown"), ingress("two", RULE, class_name=None))
    two = await world.until(INGRESSES, "two", lambda i: addresses(i) == addresses(door))
    assert spec_of(two)["ingressClassName"] == "portway"
    assert addresses(await world.api.get(INGRESSES, "shop", "theirs")) == []
    await world.api.delete(INGRESSES, "shop", "one")
    await world.until(DEPLOYMENTS, "portway-ingress", spec_of, "portway-system")
    await world.api.delete(INGRESSES, "shop", "two")
    await world.until_gone(SERVICES, "portway-ingress", "portway-system")
    await world.until_gone(DEPLOYMENTS, "portway-ingress", "portway-system")


async def test_an_ingress_is_told_once_what_is_wrong(world: World) -> None:
    await world.create(ingress("bad", host_rule("a.com", ingress_path("/", "gone"))))
    async with asyncio.timeout(PATIENCE):
        while not (found := (await world.api.list(EVENTS, "shop", field_selector="reason=ServiceNotFound"))[0]):
            await asyncio.sleep(0.01)
    assert [(e["message"], e["count"]) for e in found] == [("Service shop/gone does not exist", 1)]
    assert found[0]["involvedObject"]["name"] == "bad"
    await world.create(service("gone", 80))


async def test_a_gateway_gets_a_door_of_its_own(world: World) -> None:
    await world.until(GATEWAY_CLASSES, "portway", lambda c: reason(c, "Accepted") == "Accepted")
    await world.create(service("web", 80), gateway("door"), route("web", "door", rule(to="web")))
    waiting = await world.until(
        GATEWAYS, "door", lambda g: reason(g, "Accepted") == "Accepted" and "addresses" in status_of(g)
    )
    assert reason(waiting, "Programmed") == "Pending"
    assert [at["attachedRoutes"] for at in status_of(waiting)["listeners"]] == [1]
    world.may_run.set()
    programmed = await world.until(GATEWAYS, "door", lambda g: reason(g, "Programmed") == "Programmed")
    made = await world.api.get(SERVICES, "shop", "door-portway")
    assert [a["value"] for a in status_of(programmed)["addresses"]] == addresses(made)
    accepted = await world.until(HTTP_ROUTES, "web", status_of)
    (parent,) = status_of(accepted)["parents"]
    assert parent["controllerName"] == "portway.dev/gateway"
    assert {c["type"]: c["status"] for c in parent["conditions"]} == {"Accepted": "True", "ResolvedRefs": "True"}

    patch = {"spec": {"listeners": [http(), http("more", 8080)]}}
    await world.api.patch(GATEWAYS, "shop", "door", patch)
    grown = await world.until(SERVICES, "door-portway", lambda s: len(spec_of(s)["ports"]) == 2)
    assert addresses(grown) == addresses(made)
    newer = await world.until(GATEWAYS, "door", lambda g: len(status_of(g)["listeners"]) == 2)
    assert {c["observedGeneration"] for c in status_of(newer)["conditions"]} == {2}

    await world.api.delete(GATEWAYS, "shop", "door")
    await world.until_gone(SERVICES, "door-portway")
    await world.until_gone(DEPLOYMENTS, "door-portway")
    await world.until(HTTP_ROUTES, "web", lambda r: status_of(r)["parents"] == [])


async def test_a_gateway_hears_of_the_config_map_that_it_wants(world: World) -> None:
    def said(gateway: Doc) -> tuple[str, ...]:
        (listener,) = status_of(gateway).get("listeners") or [{"conditions": []}]
        found = {condition["type"]: condition for condition in listener["conditions"]}
        return tuple(found[name]["reason"] for name in ("Accepted", "ResolvedRefs") if name in found)

    asking = gateway("door", https("a-tls"), tls={"frontend": {"default": asks("people")}})
    await world.create(tls_secret("a-tls", "a.com"), asking)
    refused, accepted = ("NoValidCACertificate", "InvalidCACertificateRef"), ("Accepted", "ResolvedRefs")
    await world.until(GATEWAYS, "door", lambda g: said(g) == refused)
    await world.create(authorities("people"))
    await world.until(GATEWAYS, "door", lambda g: said(g) == accepted)
    await world.api.patch(CONFIG_MAPS, "shop", "people", {"data": {"ca.crt": None}})
    await world.until(GATEWAYS, "door", lambda g: said(g) == refused)


async def test_a_policy_hears_of_the_config_map_that_it_wants(world: World) -> None:
    def accepted(policy: Doc) -> dict[str, str]:
        ancestors = status_of(policy).get("ancestors") or ()
        return {one["ancestorRef"]["name"]: one["conditions"][0]["reason"] for one in ancestors}

    policies = RESOURCES["BackendTLSPolicy"]
    to_web = route("web", "guarded", rule(to="web"))
    await world.create(gateway("guarded"), service("web", 80), to_web, tls_policy("guards", "web", authority="late"))
    await world.until(policies, "guards", lambda doc: accepted(doc) == {"guarded": "NoValidCACertificate"})
    await world.create(authorities("late"))
    await world.until(policies, "guards", lambda doc: accepted(doc) == {"guarded": "Accepted"})
    await world.api.delete(HTTP_ROUTES, "shop", "web")
    await world.until(policies, "guards", lambda doc: status_of(doc) == {"ancestors": []})


async def test_tcp_listeners_lead_straight_to_the_pods_behind_their_route(world: World) -> None:
    await world.create(
        service("db", {"port": 5432, "name": "pg", "targetPort": 5433}),
        endpoint_slice("db", "10.244.0.5", port=5433, port_name="pg"),
        gateway("door", http("db", 5432, protocol="TCP"), http("web", 80)),
        route("db", "door", rule(to=[backend("db", 5432)]), kind="TCPRoute"),
    )
    made = await world.until(SERVICES, "door-portway", addresses)
    assert {(p["name"], p["targetPort"]) for p in spec_of(made)["ports"]} == {("tcp-5432", "forwarded"), ("tcp-80", 80)}
    await world.until(TCP_ROUTES, "db", lambda r: status_of(r).get("parents"))

    await world.forwards(("10.244.0.5", "tcp-5432", 5433))
    await world.api.patch(ENDPOINT_SLICES, "shop", "db", {"endpoints": [{"addresses": ["10.244.0.6"]}]})
    await world.forwards(("10.244.0.6", "tcp-5432", 5433))
    await world.api.delete(TCP_ROUTES, "shop", "db")
    await world.forwards()


async def test_a_tcp_route_may_name_one_service_several_times(world: World) -> None:
    ports = [{"port": 5432, "name": "pg", "targetPort": 5433}, {"port": 6432, "name": "pool", "targetPort": 6433}]
    source = endpoint_slice("db", "10.244.0.5", port=5433, port_name="pg")
    source["ports"].append({**source["ports"][0], "name": "pool", "port": 6433})
    to = [backend("db", 5432), backend("db", 6432), backend("db", 5432)]
    await world.create(
        service("db", *ports),
        source,
        gateway("door", http("db", 5432, protocol="TCP")),
        route("db", "door", rule(to=to), kind="TCPRoute"),
    )
    await world.forwards(("10.244.0.5", "tcp-5432", 5433), ("10.244.0.5", "tcp-5432", 6433))


@pytest.mark.parametrize("leaves", ["the class", "the Gateway"])
async def test_a_gateway_that_is_no_longer_ours_has_no_door(world: World, leaves: str) -> None:
    await world.create(
        service("db", 5432),
        endpoint_slice("db", "10.244.0.5", port=5432),
        gateway("door", http("db", 5432, protocol="TCP"), http("web", 80)),
        route("db", "door", rule(to=[backend("db", 5432)]), kind="TCPRoute"),
        route("web", "door", rule(to=[backend("db", 5432)])),
    )
    await world.until(SERVICES, "door-portway", addresses)
    await world.until(DEPLOYMENTS, "door-portway", spec_of)
    await world.forwards(("10.244.0.5", "tcp-5432", 5432))
    for resource, name in ((TCP_ROUTES, "db"), (HTTP_ROUTES, "web")):
        await world.until(resource, name, lambda r: status_of(r).get("parents"))
    if leaves == "the class":
        await world.api.delete(GATEWAY_CLASSES, "", "portway")
    else:
        await world.api.patch(GATEWAYS, "shop", "door", {"spec": {"gatewayClassName": "theirs"}})
    await world.until_gone(SERVICES, "door-portway")
    await world.until_gone(DEPLOYMENTS, "door-portway")
    await world.forwards()
    for resource, name in ((TCP_ROUTES, "db"), (HTTP_ROUTES, "web")):
        await world.until(resource, name, lambda r: status_of(r).get("parents") == [])


async def test_what_has_a_doors_name_and_is_somebody_elses_stays_as_it_is(world: World) -> None:
    await world.create(service("door-portway", 7), gateway("door"))
    waiting = await world.until(GATEWAYS, "door", lambda g: reason(g, "Programmed") == "AddressNotAssigned")
    assert name_of(waiting) == "door"
    assert spec_of(await world.api.get(SERVICES, "shop", "door-portway"))["ports"][0]["port"] == 7
