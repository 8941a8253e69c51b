"""A URL followed through its door, and how that is drawn."""

from typing import Any

import pytest
from msgspec.structs import replace

from portway.analysis.webtrace import CLOSED, MEANING, follow, parse_url, rows
from portway.cli import webdrawing
from portway.routing.table import ClientValidation, RouteTable, ValueMatch
from portway.testing import doors as doors_of_7
from portway.testing.doordocs import (
    endpoint_slice,
    gateway,
    host_rule,
    http,
    ingress,
    ingress_path,
    route,
    rule,
    service,
    tls_secret,
)
from portway.testing.doorsuites import Suite, whole

SHOP = Suite(
    "shop",
    "",
    (
        service("cart", {"port": 80, "targetPort": 8080}),
        endpoint_slice("cart", "10.244.1.4", "10.244.2.4"),
        service("empty", 80),
        tls_secret("shop-tls", "shop.example"),
        ingress(
            "web",
            host_rule("shop.example", ingress_path("/cart", "cart"), ingress_path("/empty", "empty")),
            host_rule("bad.example", ingress_path("/", "gone")),
            tls=[{"hosts": ["shop.example"], "secretName": "shop-tls"}],
        ),
        gateway("door", http(), http("alt", 8080)),
        route("web", "door", rule(to="cart"), hostnames=["api.example"]),
    ),
    (),
)


@pytest.fixture(scope="module")
def table() -> RouteTable:
    return whole(SHOP)[1]


@pytest.mark.parametrize(
    ("url", "code", "door", "told"),
    [
        ("https://shop.example/cart?x=1", "ROUTED", "ingress", "Ingress shop/web rules[0].paths[0]"),
        ("http://shop.example/cart/x", "ROUTED", "ingress", "Ingress shop/web rules[0].paths[0]"),
        ("http://SHOP.example:80/cart", "ROUTED", "ingress", "Ingress shop/web rules[0].paths[0]"),
        ("http://api.example", "ROUTED", "gateway/shop/door", "HTTPRoute shop/web rules[0]"),
        ("http://api.example:8080/", "ROUTED", "gateway/shop/door", "HTTPRoute shop/web rules[0]"),
        ("http://shop.example/empty", "NO_ENDPOINTS", "ingress", "Ingress shop/web rules[0].paths[1]"),
        ("http://bad.example/", "BACKEND_INVALID", "ingress", "Ingress shop/web rules[1].paths[0]"),
        ("https://shop.example/nowhere", "NO_ROUTE", "ingress", ""),
        ("https://unknown.example/", "NO_HOST", "ingress", ""),
        ("http://shop.example:81/", "NO_DOOR", "", ""),
        ("https://shop.example:80/", "NO_DOOR", "", ""),
    ],
)
def test_where_a_url_leads(table: RouteTable, url: str, code: str, door: str, told: str) -> None:
    found = follow(table, parse_url(url))
    assert (found.code, found.door, found.route) == (code, door, told)
    assert found.arrives is (code == "ROUTED")
    assert found.meaning == MEANING[code]


ADDRESSES = {("portway-system", "portway-ingress"): ("10.9.9.1",), ("shop", "door-portway"): ("10.9.9.2", "fd00::2")}


@pytest.mark.parametrize(
    ("url", "door"),
    [
        ("http://10.9.9.1/cart", "ingress"),
        ("http://10.9.9.2/cart", "gateway/shop/door"),
        ("http://[fd00::2]:8080/cart", "gateway/shop/door"),
        ("http://10.9.9.3/cart", ""),
        ("http://shop.example/cart", "ingress"),
    ],
)
def test_an_address_is_asked_at_the_door_that_has_it(table: RouteTable, url: str, door: str) -> None:
    assert follow(table, parse_url(url), addresses=ADDRESSES).door == door


def test_without_addresses_any_door_may_have_it(table: RouteTable) -> None:
    others = {("shop", "cart"): ("10.96.0.7",)}
    found = follow(table, parse_url("http://10.9.9.2/"), headers=[("Host", "api.example")], addresses=others)
    assert (found.door, found.code) == ("gateway/shop/door", "ROUTED")


def test_drawn(table: RouteTable) -> None:
    assert webdrawing.draw(follow(table, parse_url("https://shop.example/cart"))) == [
        "[https://shop.example/cart] → [listener ingress/https] → [host shop.example] → "
        "[Ingress shop/web rules[0].paths[0]] → [shop/cart:80]",
        "    [pod 10.244.1.4:8080]",
        "    [pod 10.244.2.4:8080]",
        "  path     the pod sees /cart",
        "  ends     ROUTED: a pod behind the route's Service answers",
    ]
    assert webdrawing.draw(follow(table, parse_url("http://bad.example/")))[0].endswith("[BackendNotFound] ✗")


def test_connections_are_not_answered_but_closed() -> None:
    shares = doors_of_7.host("raw.example", doors_of_7.route("/", "web", "", name="TLSRoute shop/raw rules[0]"))
    fields: dict[str, Any] = {"protocol": "TLS", "hostname": "raw.example", "clients": ClientValidation("a PEM")}
    ended = doors_of_7.listener(shares, port=443, certificates=("shop/a",), **fields)
    found = follow(doors_of_7.table(ended), parse_url("https://raw.example"))
    assert webdrawing.draw(found) == [
        "[https://raw.example] → [listener shop/gateway/443] → [host raw.example] → [TLSRoute shop/raw rules[0]]",
        "    [shop/web:80]  weight 1",
        "    [pod 10.0.0.1:80]",
        "    [BackendNotFound]  weight 1 ✗ closed",
        "  asks     a certificate of the client, issued by an authority of the Gateway (spec.tls.frontend)",
        "  ends     ROUTED: a pod behind the TLSRoute's Service gets the connection",
    ]
    closed = follow(doors_of_7.table(replace(ended, hosts=())), parse_url("https://raw.example"))
    assert (closed.code, closed.status, closed.meaning) == ("NO_HOST", 0, CLOSED["NO_HOST"])


def test_doors_as_a_table(table: RouteTable) -> None:
    found = rows(table, {("portway-system", "portway-ingress"): ("172.18.1.1",)})
    assert [(row.door, row.address, row.port, row.routes) for row in found] == [
        ("gateway/shop/door", "", 80, 1),
        ("gateway/shop/door", "", 8080, 1),
        ("ingress", "172.18.1.1", 80, 3),
        ("ingress", "172.18.1.1", 443, 2),
    ]
    assert webdrawing.lines(found)[3].split() == [
        "ingress",
        "172.18.1.1",
        "80",
        "HTTP",
        "bad.example,shop.example",
        "3",
    ]
    assert webdrawing.lines([]) == []


@pytest.mark.parametrize(
    "text", ["ftp://a/", "http://", "http:///x", "http://a:0/", "http://a:99999/", "https://[::1/"]
)
def test_what_is_no_url_says_so(text: str) -> None:
    with pytest.raises(ValueError, match="is not a URL such as"):
        parse_url(text)


def test_headers_and_methods_count() -> None:
    match = doors_of_7.prefix("/", method="POST", headers=(ValueMatch("x-a", "1"),))
    table = doors_of_7.table(doors_of_7.listener(doors_of_7.host("", doors_of_7.route(match, "web"))))
    url = parse_url("http://any/")
    assert follow(table, url).code == "NO_ROUTE"
    assert follow(table, url, "POST", [("X-A", "1")]).code == "ROUTED"
