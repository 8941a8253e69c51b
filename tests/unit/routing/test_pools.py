"""Which pods a pool has."""

import pytest

from portway.routing.documents import Doc
from portway.routing.pools import with_endpoints
from portway.routing.table import Pool
from portway.testing.doordocs import endpoint_slice, service


def at(address: str, **conditions: bool) -> Doc:
    return {
        "addresses": [address],
        "conditions": conditions,
        "targetRef": {"kind": "Pod", "namespace": "shop", "name": address},
    }


GOING = {"ready": False, "serving": True, "terminating": True}


@pytest.mark.parametrize(
    ("slices", "addresses"),
    [
        ([], []),
        ([endpoint_slice("web", "10.0.0.2", "10.0.0.1"), endpoint_slice("web", "10.0.0.3")], ["1", "2", "3"]),
        ([endpoint_slice("web", at("10.0.0.1", ready=False), at("10.0.0.2", ready=True))], ["2"]),
        ([endpoint_slice("web", {"addresses": ["10.0.0.1"]})], ["1"]),
        ([endpoint_slice("web", at("10.0.0.1", **GOING), at("10.0.0.2", ready=False))], ["1"]),
        ([endpoint_slice("web", at("10.0.0.1", **GOING), at("10.0.0.2", ready=True))], ["2"]),
        ([endpoint_slice("web", "10.0.0.1", port_name="other")], []),
        ([endpoint_slice("web", "10.0.0.1"), endpoint_slice("web", "fd00::1", family="IPv6")], ["1"]),
    ],
)
def test_endpoints(slices: list[Doc], addresses: list[str]) -> None:
    web = {("shop", "web"): service("web", 80, ipFamilies=["IPv4", "IPv6"])}
    pool = with_endpoints(Pool("shop", "web", 80), lambda _: slices, web)
    assert [(e.address, e.port) for e in pool.endpoints] == [(f"10.0.0.{last}", 8080) for last in addresses]


def test_the_other_family_serves_when_the_first_one_has_nobody() -> None:
    slices = [endpoint_slice("web", at("10.0.0.1", ready=False)), endpoint_slice("web", "fd00::1", family="IPv6")]
    web = {("shop", "web"): service("web", 80, ipFamilies=["IPv4", "IPv6"])}
    assert [e.address for e in with_endpoints(Pool("shop", "web", 80), lambda _: slices, web).endpoints] == ["fd00::1"]
    assert with_endpoints(Pool("shop", "web", 80), lambda _: [], web).endpoints == ()


def test_headless_services_and_slices_that_people_wrote_are_pools_too() -> None:
    written = {
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["10.0.0.7"]}],
        "ports": [{"name": "web", "port": 3000}],
    }
    headless = {("shop", "web"): service("web", {"name": "web", "port": 8080}, clusterIP="None")}
    (found,) = with_endpoints(Pool("shop", "web", 8080, "web"), lambda _: [written], headless).endpoints
    assert (found.address, found.port) == ("10.0.0.7", 3000)


def test_pods_are_named() -> None:
    pool = with_endpoints(Pool("shop", "web", 80), lambda _: [endpoint_slice("web", at("10.0.0.1", ready=True))], {})
    assert pool.endpoints[0].pod == "shop/10.0.0.1"
