"""What a pod finds under the names people write, and what it is told when it finds nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portway.dns import Zone, decode
from portway.dns.resolvconf import ResolvConf
from portway.dns.resolve import resolve

DNS = ("10.96.0.10",)
DOMAIN = "cluster.local"


def pod(namespace: str, *more: str) -> ResolvConf:
    return ResolvConf(DNS, (f"{namespace}.svc.{DOMAIN}", f"svc.{DOMAIN}", DOMAIN, *more), ("ndots:5",))


def service(namespace: str, name: str, **spec: object) -> decode.Service:
    return decode.service({"metadata": {"name": name, "namespace": namespace}, "spec": spec})


def _zone() -> Zone:
    made = Zone()
    for namespace in ("shop", "prod", "empty"):
        made.namespace(namespace, True)
    for each in (
        service("shop", "web", clusterIP="10.96.0.7", clusterIPs=["10.96.0.7", "fd00:96::7"]),
        service("prod", "billing", clusterIP="10.96.0.8"),
        service("prod", "cache", clusterIP="10.96.0.9"),
        service("shop", "cache", clusterIP="10.96.0.11"),
        service("shop", "db", clusterIP="None"),
        service("shop", "idle", clusterIP="None"),
        service("shop", "away", type="ExternalName", externalName="foo.example.com"),
        service("shop", "near", type="ExternalName", externalName=f"web.shop.svc.{DOMAIN}"),
    ):
        made.service(None, each)
    metadata = {"name": "db-1", "namespace": "shop", "labels": {"kubernetes.io/service-name": "db"}}
    made.endpoint_slice(
        None,
        decode.endpoint_slice({"metadata": metadata, "endpoints": [{"addresses": ["10.244.1.3"], "hostname": "db-0"}]}),
    )
    return made


ZONE = _zone()


@pytest.fixture(scope="module")
def zone() -> Zone:
    return ZONE


@pytest.mark.parametrize(
    ("name", "search", "whole", "addresses"),
    [
        ("web", pod("shop"), "web.shop", ("10.96.0.7", "fd00:96::7")),
        ("WEB", pod("shop"), "WEB.shop", ("10.96.0.7", "fd00:96::7")),
        ("web.shop", pod("prod"), "web.shop", ("10.96.0.7", "fd00:96::7")),
        ("web.shop.svc", pod("prod"), "web.shop", ("10.96.0.7", "fd00:96::7")),
        (f"web.shop.svc.{DOMAIN}", pod("prod", "corp.example"), "web.shop", ("10.96.0.7", "fd00:96::7")),
        (f"web.shop.svc.{DOMAIN}.", ResolvConf(DNS), "web.shop", ("10.96.0.7", "fd00:96::7")),
        ("cache", pod("prod"), "cache.prod", ("10.96.0.9",)),
        ("db-0.db", pod("shop"), "db-0.db.shop", ("10.244.1.3",)),
        ("db", pod("shop"), "db.shop", ("10.244.1.3",)),
        ("near", pod("shop"), "near.shop", ("10.96.0.7", "fd00:96::7")),
    ],
)
def test_found(zone: Zone, name: str, search: ResolvConf, whole: str, addresses: tuple[str, ...]) -> None:
    found = resolve(zone, name, search, DNS)
    assert (found.code, found.name, found.addresses) == ("DNS_RESOLVED", f"{whole}.svc.{DOMAIN}.", addresses)
    assert found.service is not None and found.service[1] in whole.lower()
    assert found.steps[-1].outcome == "ADDRESSES"


HOST = ResolvConf(("172.18.0.11",), ("corp.example",))


@pytest.mark.parametrize(
    ("name", "search", "code", "reason"),
    [
        ("billing", pod("shop"), "DNS_WRONG_NAMESPACE",
         "billing is not found: there is no Service shop/billing. Write billing.prod."),
        ("billing.shop", pod("shop"), "DNS_WRONG_NAMESPACE",
         "billing.shop is not found: there is no Service shop/billing. Write billing.prod."),
        ("web.shpo", pod("prod"), "DNS_WRONG_NAMESPACE",
         "web.shpo is not found: there is no Service shpo/web. Write web.shop."),
        (f"cache.empty.svc.{DOMAIN}", pod("empty"), "DNS_WRONG_NAMESPACE",
         f"cache.empty.svc.{DOMAIN} is not found: there is no Service empty/cache. Write cache.prod or cache.shop."),
        ("billing", ResolvConf(DNS), "DNS_WRONG_NAMESPACE",
         "billing is not found: its search list names no namespace. Write billing.prod."),
        ("wbe", ResolvConf(DNS, ("a..b",)), "SVC_NOT_FOUND", "There is no Service wbe in any namespace."),
        ("wbe", pod("shop"), "SVC_NOT_FOUND", "There is no Service shop/wbe, but there is web."),
        ("nothing.prod", pod("shop"), "SVC_NOT_FOUND", "There is no Service prod/nothing."),
        ("nothing.nowhere.svc", pod("shop"), "DNS_NO_NAMESPACE",
         "There is no namespace nowhere, and no Service nothing in any other."),
        ("idle", pod("shop"), "DNS_NO_ADDRESS",
         "Service shop/idle has no address: a headless one has those of its ready pods."),
        ("web-9.web.shop", pod("shop"), "DNS_NO_ADDRESS",
         "Service shop/web has no endpoint called as web-9.web.shop says."),
        ("away", pod("shop"), "DNS_ELSEWHERE",
         "Service shop/away is a name for another, which others are asked for."),
        ("www.example.com", pod("shop"), "DNS_ELSEWHERE",
         "www.example.com is no name of the cluster: the host's resolvers are asked for it."),
        ("example.com.", pod("shop"), "DNS_ELSEWHERE",
         "example.com is no name of the cluster: the host's resolvers are asked for it."),
        ("web.shop", ResolvConf(DNS), "DNS_NO_SEARCH",
         f"The search list there does not lead from web.shop to web.shop.svc.{DOMAIN}."),
        ("web.shop.", pod("shop"), "DNS_NO_SEARCH",
         f"The search list there does not lead from web.shop to web.shop.svc.{DOMAIN}."),
        ("web.shop", HOST, "DNS_NOT_ASKED",
         "Names are asked at 172.18.0.11 there, which knows no Services: dnsPolicy ClusterFirst "
         "(ClusterFirstWithHostNet for a pod with hostNetwork) asks the cluster's DNS."),
        ("we..b", pod("shop"), "DNS_NOT_A_NAME",
         "'we..b' is no domain name: labels have 1 to 63 bytes, names at most 255."),
    ],
)  # fmt: skip
def test_not_found(zone: Zone, name: str, search: ResolvConf, code: str, reason: str) -> None:
    found = resolve(zone, name, search, DNS)
    assert (found.code, found.reason, found.addresses) == (code, reason, ())


@pytest.mark.parametrize(
    ("name", "options", "first"),
    [
        ("web.shop", ("ndots:5",), "web.shop.prod.svc.cluster.local."),
        ("web.shop", ("ndots:1",), "web.shop."),
        ("web.shop", (), "web.shop."),
        ("web", (), "web.prod.svc.cluster.local."),
    ],
)
def test_the_order_is_the_resolvers(zone: Zone, name: str, options: tuple[str, ...], first: str) -> None:
    found = resolve(zone, name, ResolvConf(DNS, pod("prod").searches, options), DNS)
    assert found.steps[0].name == first


_WORDS = st.sampled_from(
    ["web", "shop", "svc", "cluster", "local", "db", "db-0", "away", "prod", "x", "_http", "é", ""]
)
_NAMES = st.lists(_WORDS, max_size=7).map(".".join) | st.text(max_size=20)


@given(_NAMES, st.lists(_NAMES, max_size=3), st.sampled_from(["ndots:0", "ndots:5", "ndots:x", "rotate"]))
def test_every_name_has_an_end_and_a_reason(name: str, searches: list[str], option: str) -> None:
    found = resolve(ZONE, name, ResolvConf(DNS, tuple(searches), (option,)), DNS)
    assert (found.code == "DNS_RESOLVED") == bool(found.addresses)
    assert found.reason.endswith(".")
    assert not found.addresses or found.service
