"""A request that ends at its door: which findings are named as the cause."""

import json

import pytest

from portway.analysis.becausedoor import because_of_door
from portway.analysis.webtrace import follow, parse_url
from portway.testing.checks import bundle_of
from portway.testing.doordocs import (
    endpoint_slice,
    gateway,
    host_rule,
    http,
    https,
    ingress,
    ingress_path,
    path,
    route,
    rule,
    service,
)
from portway.testing.doorsuites import Suite, whole

SHOP = Suite(
    "shop",
    "",
    (
        service("cart", {"port": 80, "targetPort": 8080}),
        endpoint_slice("cart", "10.244.1.4"),
        service("empty", 80) | {"spec": {"ports": [{"port": 80}], "selector": {"app": "empty"}}},
        ingress("web", host_rule("shop.example", ingress_path("/", "cart"), ingress_path("/gone", "gone"))),
        gateway("door", http(hostname="*.shop.example"), https("lost", hostname="safe.example")),
        route(
            "api",
            "door",
            rule(path("/cart"), to="cart"),
            rule(path("/a"), to="a"),
            rule(path("/b"), to="b"),
            rule(path("/empty"), to="empty"),
            hostnames=["api.shop.example"],
        ),
        route("lone", "door", rule(to="cart"), hostnames=["lone.example"]),
    ),
    (),
)


@pytest.mark.parametrize(
    ("url", "causes"),
    [
        ("http://api.shop.example/cart", []),
        ("http://api.shop.example/a", [("PW-R07", "spec.rules[1].backendRefs[0].name")]),
        ("http://api.shop.example/b", [("PW-R07", "spec.rules[2].backendRefs[0].name")]),
        ("http://shop.example/gone", [("PW-R07", "spec.rules[0].http.paths[1].backend.service.name")]),
        ("http://api.shop.example/empty", [("PW-U01", "spec.selector")]),
        ("http://LONE.example/", [("PW-U06", "spec.parentRefs[0]")]),
        ("https://safe.example/", [("PW-R09", "spec.listeners[1].tls.certificateRefs[0].name")]),
        ("http://nobody.example/", []),
    ],
)
def test_what_kept_it_from_a_pod_is_named(url: str, causes: list[tuple[str, str]]) -> None:
    bundle = bundle_of("\n---\n".join(map(json.dumps, SHOP.documents)), complete=True)
    found = follow(whole(SHOP)[1], asked := parse_url(url))
    named = because_of_door(bundle, found, asked.host.lower())
    assert [(one.code, one.where.path) for one in named] == causes
