"""Where clusterIPs come from: ServiceCIDRs that come and go, IPAddresses that Services and others hold."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from portway.client import Api
from portway.controllers.process import run_controllers
from portway.kubeapi.errors import ApiError
from portway.reconcile.objects import condition_of, name_of, spec_of
from portway.reconcile.resources import IP_ADDRESSES, SERVICE_CIDRS, SERVICES
from portway.testing import apiserver
from tests.api.http import Http
from tests.patience import PATIENCE

Doc = dict[str, Any]
_ADDRESSES = "/apis/networking.k8s.io/v1/ipaddresses"
_RANGES = "/apis/networking.k8s.io/v1/servicecidrs"


def service(name: str, address: str = "", **spec: Any) -> Doc:
    return {"metadata": {"name": name}, "spec": {"ports": [{"port": 80}], "clusterIP": address, **spec}}


def held(http: Http, address: str) -> Doc | None:
    answer = http.get(f"{_ADDRESSES}/{address}")
    return answer.doc if answer.code == 200 else None


def test_an_address_says_who_holds_it_as_long_as_it_is_held(http: Http, namespace: str) -> None:
    services = f"/api/v1/namespaces/{namespace}/services"
    made = http.post(services, service("web", ipFamilyPolicy="PreferDualStack"))
    addresses = made.doc["spec"]["clusterIPs"]
    documents = [held(http, address) for address in addresses]
    parent = {"resource": "services", "namespace": namespace, "name": "web"}
    assert (
        len(addresses) == 2 and [document and document["spec"]["parentRef"] for document in documents] == [parent] * 2
    )
    assert [document and document["metadata"]["labels"] for document in documents] == [
        {"ipaddress.kubernetes.io/ip-family": family, "ipaddress.kubernetes.io/managed-by": "ipallocator"}
        for family in ("IPv4", "IPv6")
    ]
    http.patch(f"{services}/web", {"spec": {"ipFamilyPolicy": "SingleStack"}})
    assert held(http, addresses[0]) and not held(http, addresses[1])
    http.delete(f"{services}/web")
    assert not held(http, addresses[0])


def test_nothing_is_held_for_what_is_refused_tried_or_headless(http: Http, namespace: str) -> None:
    services = f"/api/v1/namespaces/{namespace}/services"
    before = len(http.get(_ADDRESSES).doc["items"])
    assert http.post(f"{services}?dryRun=All", service("tried")).code == 201
    assert http.post(services, service("refused") | {"spec": {"ports": []}}).code == 422
    assert http.post(services, service("headless", "None")).code == 201
    assert len(http.get(_ADDRESSES).doc["items"]) == before


def test_somebody_elses_address_is_nobody_elses(http: Http, namespace: str) -> None:
    services = f"/api/v1/namespaces/{namespace}/services"
    parent = {"group": "example.com", "resource": "gateways", "name": "door"}
    mine = {"metadata": {"name": "10.96.77.77"}, "spec": {"parentRef": parent}}
    assert http.post(_ADDRESSES, mine).code == 201
    refused = http.post(services, service("web", "10.96.77.77"))
    assert refused.code == 422 and "provided IP is already allocated" in refused.message
    http.delete(f"{_ADDRESSES}/10.96.77.77")
    assert http.post(services, service("web", "10.96.77.77")).code == 201
    assert http.post(_ADDRESSES, mine).code == 409


@pytest_asyncio.fixture
async def cluster(server: apiserver.Server) -> AsyncIterator[Api]:
    """With its controllers."""
    async with Api.unix(server.unix) as api:
        running = asyncio.create_task(run_controllers(api))
        yield api
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def becomes(api: Api, name: str, status: str) -> Doc:
    """The ServiceCIDR, once its condition Ready is that."""
    async with asyncio.timeout(PATIENCE):
        while True:
            found = await api.get(SERVICE_CIDRS, "", name)
            if (ready := condition_of(found, "Ready")) and ready["status"] == status:
                return ready
            await asyncio.sleep(0.01)


async def gone(api: Api, name: str) -> None:
    async with asyncio.timeout(PATIENCE):
        while name in [name_of(one) for one in (await api.list(SERVICE_CIDRS))[0]]:
            await asyncio.sleep(0.01)


async def range_of(api: Api, name: str, *cidrs: str) -> None:
    await api.create(SERVICE_CIDRS, {"metadata": {"name": name}, "spec": {"cidrs": list(cidrs)}})


async def create(api: Api, name: str, address: str = "", **spec: Any) -> str:
    made = await api.create(
        SERVICES, service(name, address, **spec) | {"metadata": {"name": name, "namespace": "default"}}
    )
    return str(spec_of(made)["clusterIP"])


async def test_a_range_that_is_added_is_given_from_and_waits_for_its_services(cluster: Api) -> None:
    with pytest.raises(ApiError, match="does not match the current range"):
        await create(cluster, "early", "192.0.2.9")
    await range_of(cluster, "more", "192.0.2.0/28", "2001:db8::/112")
    await becomes(cluster, "more", "True")
    assert await create(cluster, "chosen", "192.0.2.9") == "192.0.2.9"
    assert await create(cluster, "six", "2001:db8::7", ipFamilies=["IPv6"]) == "2001:db8::7"
    assert name_of(await cluster.get(IP_ADDRESSES, "", "192.0.2.9")) == "192.0.2.9"

    await cluster.delete(SERVICE_CIDRS, "", "more")
    ready = await becomes(cluster, "more", "False")
    assert ready["reason"] == "Terminating"
    with pytest.raises(ApiError, match="does not match the current range"):
        await create(cluster, "late", "192.0.2.10")
    await cluster.delete(SERVICES, "default", "chosen")
    await cluster.delete(SERVICES, "default", "six")
    await gone(cluster, "more")


async def test_a_range_inside_another_goes_at_once(cluster: Api) -> None:
    await range_of(cluster, "wide", "198.51.100.0/24")
    await range_of(cluster, "narrow", "198.51.100.0/28")
    await becomes(cluster, "narrow", "True")
    await becomes(cluster, "wide", "True")
    await create(cluster, "inside", "198.51.100.5")
    await cluster.delete(SERVICE_CIDRS, "", "narrow")
    await gone(cluster, "narrow")
    await cluster.delete(SERVICE_CIDRS, "", "wide")
    await becomes(cluster, "wide", "False")
    await range_of(cluster, "heir", "198.51.0.0/16")
    await gone(cluster, "wide")


async def test_a_range_that_goes_keeps_the_first_one(cluster: Api) -> None:
    await cluster.delete(SERVICE_CIDRS, "", "kubernetes")
    ready = await becomes(cluster, "kubernetes", "False")
    assert "still IPAddresses" in ready["message"]
