"""Suites of Gateway API: the core of HTTPRoute, and GRPCRoute and TLSRoute."""

from portway.routing.documents import Doc
from portway.routing.table import Request
from portway.testing.doordocs import (
    allows,
    backend,
    by_header,
    endpoint_slice,
    exactly,
    gateway,
    grant,
    http,
    https,
    namespace,
    parent,
    path,
    route,
    rule,
    service,
    tls_secret,
)
from portway.testing.doors import get
from portway.testing.doorsuites import GATEWAY, SHOP, Row, Suite

_HOSTS = [
    http("exact", hostname="very.exact.com"),
    http("wild", hostname="*.wild.io"),
    http("other", hostname="*.other.io"),
]


_EXTENSION = {"group": "example.com", "kind": "Limit", "name": "x"}


def _edit(**edit: object) -> Doc:
    return {"type": "RequestHeaderModifier", "requestHeaderModifier": edit}


def _redirect(**redirect: object) -> Doc:
    return {"type": "RequestRedirect", "requestRedirect": redirect}


def _rewrite(**rewrite: object) -> Doc:
    return {"type": "URLRewrite", "urlRewrite": rewrite}


def _replaced(prefix: str) -> Doc:
    return {"type": "ReplacePrefixMatch", "replacePrefixMatch": prefix}


GATEWAY_SUITES = (
    Suite(
        "HTTPRoute: hostnames meet those of listeners",
        GATEWAY,
        (
            *SHOP,
            gateway("door", *_HOSTS),
            route("s1", "door", rule(path("/s1"), to="one"), hostnames=["no.com", "*.nowild.io", "very.exact.com"]),
            route(
                "s2", "door", rule(path("/s2"), to="two"), hostnames=["no.com", "wild.io", "a.wild.io", "a.b.wild.io"]
            ),
            route("s3", "door", rule(path("/s3"), to="three"), hostnames=["no.com", "*.exact.com"]),
            route("s4", "door", rule(path("/s4"), to="four"), hostnames=["*.other.io"]),
            route("s5", "door", rule(path("/s5"), to="five"), hostnames=["exact.but.wrong.com", "wild.io"]),
        ),
        (
            Row(get("/s1", "very.exact.com"), "one"),
            Row(get("/s1", "very.exact.com:1234"), "one"),
            Row(get("/s1", "no.com"), "404"),
            Row(get("/s1", "a.nowild.io"), "404"),
            Row(get("/s1", "a.wild.io"), "404"),
            Row(get("/none", "very.exact.com"), "404"),
            Row(get("/s2", "a.wild.io"), "two"),
            Row(get("/s2", "a.b.wild.io"), "two"),
            Row(get("/s2", "wild.io"), "404"),
            Row(get("/s2", "c.wild.io"), "404"),
            Row(get("/s2", "very.exact.com"), "404"),
            Row(get("/s3", "very.exact.com"), "three"),
            Row(get("/s3", "foo.exact.com"), "404"),
            Row(get("/s4", "a.other.io"), "four"),
            Row(get("/s4", "a.b.other.io"), "four"),
            Row(get("/s4", "other.io"), "404"),
            Row(get("/s5", "exact.but.wrong.com"), "404"),
            Row(get("/s5", "wild.io"), "404"),
        ),
    ),
    Suite(
        "HTTPRoute: a listener without hostname takes all of a route's",
        GATEWAY,
        (
            *SHOP,
            gateway("door"),
            route("a", "door", rule(to="two"), hostnames=["first.com", "sub.first.com", "second.com"]),
        ),
        tuple(Row(get("/", host), "two") for host in ("first.com", "sub.first.com", "second.com")),
    ),
    Suite(
        "HTTPRoute: the most specific listener takes the request",
        GATEWAY,
        (
            *SHOP,
            gateway(
                "door",
                http("a", hostname="bar.com"),
                http("b", hostname="foo.bar.com"),
                http("c", hostname="*.bar.com"),
                http("d", hostname="*.foo.com"),
            ),
            route("a", [parent("door", "a")], rule(to="one")),
            route("b", [parent("door", "b")], rule(to="two")),
            route("c", [parent("door", "c"), parent("door", "d")], rule(to="three")),
        ),
        (
            Row(get("/", "bar.com"), "one"),
            Row(get("/", "foo.bar.com"), "two"),
            Row(get("/", "baz.bar.com"), "three"),
            Row(get("/", "many.labels.bar.com"), "three"),
            Row(get("/", "many.labels.foo.com"), "three"),
            Row(get("/", "foo.com"), "404"),
            Row(get("/", "no.such.host"), "404"),
        ),
    ),
    Suite(
        "HTTPRoute: listeners are isolated from one another",
        GATEWAY,
        (
            *SHOP,
            gateway("door", http("any"), http("wild", hostname="*.a.com"), http("exact", hostname="x.a.com")),
            route("any", [parent("door", "any")], rule(path("/any"), to="one")),
            route("wild", [parent("door", "wild")], rule(path("/wild"), to="two")),
            route("exact", [parent("door", "exact")], rule(path("/exact"), to="three")),
        ),
        (
            Row(get("/any", "b.com"), "one"),
            Row(get("/wild", "b.com"), "404"),
            Row(get("/any", "y.a.com"), "404"),
            Row(get("/wild", "y.a.com"), "two"),
            Row(get("/wild", "x.a.com"), "404"),
            Row(get("/exact", "x.a.com"), "three"),
        ),
    ),
    Suite(
        "HTTPRoute: precedence of paths",
        GATEWAY,
        (
            *SHOP,
            gateway("door"),
            route(
                "paths",
                "door",
                rule(exactly("/match"), to="one"),
                rule(exactly("/match/exact"), to="two"),
                rule(exactly("/match/exact/one"), to="three"),
                rule(path("/match/"), to="four"),
                rule(path("/match/prefix/"), to="five"),
                rule(path("/match/prefix/one"), to="six"),
            ),
        ),
        (
            Row(get("/match"), "one"),
            Row(get("/match/exact"), "two"),
            Row(get("/match/exact/one"), "three"),
            Row(get("/match/other"), "four"),
            Row(get("/match/prefix"), "five"),
            Row(get("/match/prefix/other"), "five"),
            Row(get("/match/prefix/one"), "six"),
            Row(get("/match/prefix/one/any"), "six"),
        ),
    ),
    Suite(
        "HTTPRoute: matches of several rules and routes",
        GATEWAY,
        (
            *SHOP,
            gateway("door"),
            route(
                "first",
                "door",
                rule(path("/"), by_header(version="one"), to="one"),
                hostnames=["example.com", "example.net"],
            ),
            route("second", "door", rule(path("/v2"), by_header(version="two"), to="two"), hostnames=["example.com"]),
        ),
        (
            Row(get("/"), "one"),
            Row(get("/example"), "one"),
            Row(get("/example", version="one"), "one"),
            Row(get("/example", "example.net"), "one"),
            Row(get("/v2"), "two"),
            Row(get("/v2/"), "two"),
            Row(get("/v2/example"), "two"),
            Row(get("/v2example"), "one"),
            Row(get("/foo/v2"), "one"),
            Row(get("/", version="two"), "two"),
            Row(get("/v2", "example.net"), "one"),
        ),
    ),
    Suite(
        "HTTPRoute: headers, methods and queries",
        GATEWAY,
        (
            *SHOP,
            gateway("door"),
            route(
                "conditions",
                "door",
                rule(by_header(version="one"), to="one"),
                rule(by_header(version="two"), to="two"),
                rule(by_header(version="two", color="orange"), to="three"),
                rule({"method": "PATCH"}, to="four"),
                rule({"queryParams": [{"name": "animal", "value": "whale"}]}, to="five"),
                rule(path("/deep"), to="six"),
            ),
        ),
        (
            Row(get(version="one"), "one"),
            Row(get(version="two"), "two"),
            Row(get(version="two", color="orange"), "three"),
            Row(get(version="two", color="blue"), "two"),
            Row(get(color="orange"), "404"),
            Row(Request("PATCH", "example.com", "/"), "four"),
            Row(Request("PATCH", "example.com", "/", (("version", "one"),)), "four"),
            Row(get("/?animal=whale"), "five"),
            Row(get("/?animal=hydra"), "404"),
            Row(get("/deep?animal=whale", version="one"), "six"),
        ),
    ),
    Suite(
        "HTTPRoute: of equal matches the older route's wins, then the earlier name, then the earlier rule",
        GATEWAY,
        (
            *SHOP,
            gateway("door"),
            route("a-young", "door", rule(path("/age"), to="one"), created="2026-02-01T00:00:00Z"),
            route("z-old", "door", rule(path("/age"), to="two"), created="2026-01-01T00:00:00Z"),
            route("b", "door", rule(path("/name"), to="two")),
            route(
                "a",
                "door",
                rule(path("/name"), to="one"),
                rule(path("/rule"), to="three"),
                rule(path("/rule"), to="four"),
            ),
        ),
        (
            Row(get("/age"), "two"),
            Row(get("/name"), "one"),
            Row(get("/rule"), "three"),
        ),
    ),
    Suite(
        "HTTPRoute: filters",
        GATEWAY,
        (
            *SHOP,
            gateway("door"),
            route(
                "filters",
                "door",
                rule(path("/set"), to="one", filters=[_edit(set=[{"name": "X-Set", "value": "new"}])]),
                rule(path("/add"), to="one", filters=[_edit(add=[{"name": "X-Add", "value": "more"}])]),
                rule(path("/remove"), to="one", filters=[_edit(remove=["X-Remove"])]),
                rule(
                    path("/backend"),
                    to=[backend("one", filters=[_edit(set=[{"name": "X-Set", "value": "inner"}])])],
                    filters=[_edit(set=[{"name": "X-Set", "value": "outer"}])],
                ),
                rule(path("/host"), filters=[_redirect(hostname="example.org")]),
                rule(path("/status"), filters=[_redirect(hostname="example.org", statusCode=301)]),
                rule(path("/scheme"), filters=[_redirect(scheme="https")]),
                rule(path("/port"), filters=[_redirect(port=8080)]),
                rule(path("/old"), filters=[_redirect(path=_replaced("/new"))]),
                rule(path("/strip"), to="two", filters=[_rewrite(path=_replaced("/"))]),
                rule(
                    path("/full"),
                    to="two",
                    filters=[_rewrite(path={"type": "ReplaceFullPath", "replaceFullPath": "/one"})],
                ),
            ),
        ),
        (
            Row(get("/set", x_set="old"), "one", headers=(("x-set", "new"),)),
            Row(get("/add", x_add="some"), "one", headers=(("x-add", "some"), ("x-add", "more"))),
            Row(get("/remove", x_remove="it"), "one"),
            Row(get("/backend"), "one", headers=(("x-set", "inner"),)),
            Row(get("/host"), "http://example.org/host"),
            Row(get("/status"), "http://example.org/status"),
            Row(get("/scheme"), "https://example.com/scheme"),
            Row(get("/port"), "http://example.com:8080/port"),
            Row(get("/old/a"), "http://example.com/new/a"),
            Row(get("/strip/a"), "two", path="/a"),
            Row(get("/full/a?b"), "two", path="/one?b"),
        ),
    ),
    Suite(
        "HTTPRoute: backends that are not there are answered 500, those without endpoints 503",
        GATEWAY,
        (
            *SHOP,
            service("empty", 80),
            service("far/away", 80),
            service("far/open", 80),
            endpoint_slice("far/open", "10.0.1.1"),
            grant("far/lets", "HTTPRoute", "shop", "Service", "open"),
            gateway("door"),
            route(
                "bad",
                "door",
                rule(path("/gone"), to="gone"),
                rule(path("/kind"), to=[{"group": "example.com", "kind": "Bucket", "name": "b"}]),
                rule(path("/port"), to=[backend("one", 81)]),
                rule(path("/far"), to=[backend("far/away")]),
                rule(path("/open"), to=[backend("far/open")]),
                rule(path("/empty"), to="empty"),
                rule(path("/nothing")),
                rule(path("/zero"), to=[backend("one", weight=0)]),
                rule(path("/good"), to="one"),
                rule(path("/part"), to=[backend("one"), backend("gone", weight=3)]),
                rule(path("/more"), to="one", filters=[{"type": "ExtensionRef", "extensionRef": _EXTENSION}]),
            ),
        ),
        (
            Row(get("/gone"), "500"),
            Row(get("/kind"), "500"),
            Row(get("/port"), "500"),
            Row(get("/far"), "500"),
            Row(get("/open"), "open"),
            Row(get("/empty"), "503"),
            Row(get("/nothing"), "500"),
            Row(get("/zero"), "500"),
            Row(get("/good"), "one"),
            Row(get("/part"), "one"),
            Row(get("/more"), "500"),
        ),
    ),
    Suite(
        "HTTPRoute: routes of other namespaces",
        "gateway/infra/door",
        (
            namespace("infra"),
            namespace("shop", team="web"),
            namespace("far"),
            *SHOP,
            service("far/two", {"port": 80, "targetPort": 8080}),
            endpoint_slice("far/two", "10.0.1.2"),
            gateway(
                "infra/door",
                http("all", allowedRoutes=allows("All")),
                http("some", 8080, allowedRoutes=allows("Selector", team="web")),
                http("same", 8081),
            ),
            route("a", [parent("infra/door", "all")], rule(path("/a"), to="one")),
            route("b", [parent("infra/door", "some")], rule(path("/b"), to="one")),
            route("c", [parent("infra/door", "same")], rule(path("/c"), to="one")),
            route("far/d", [parent("infra/door", "some")], rule(path("/d"), to="two")),
            route("far/e", [parent("infra/door", port=80)], rule(path("/e"), to="two")),
        ),
        (
            Row(get("/a"), "one"),
            Row(get("/b"), "one", 8080),
            Row(get("/c"), "404", 8081),
            Row(get("/d"), "404", 8080),
            Row(get("/e"), "two"),
            Row(get("/e"), "404", 8080),
        ),
    ),
    *[
        Suite(
            f"HTTPRoute: part of two Gateways, asked at {door}",
            f"gateway/shop/{door}",
            (
                *SHOP,
                gateway("door"),
                gateway("other", http(port=8080)),
                route("both", "door other", rule(path("/both"), to="one")),
                route("one", "other", rule(path("/one"), to="two")),
            ),
            rows,
        )
        for door, rows in {
            "door": (Row(get("/both"), "one"), Row(get("/one"), "404")),
            "other": (Row(get("/both"), "one", 8080), Row(get("/one"), "two", 8080)),
        }.items()
    ],
    Suite(
        "HTTPS: certificates of this and of other namespaces",
        GATEWAY,
        (
            *SHOP,
            tls_secret("a-tls", "a.com"),
            tls_secret("far/b-tls", "b.com"),
            tls_secret("far/c-tls", "c.com"),
            tls_secret("broken-tls", "d.com", key="none"),
            grant("far/lets", "Gateway", "shop", "Secret", "b-tls"),
            gateway(
                "door",
                https("a-tls", name="a", hostname="a.com"),
                https("far/b-tls", name="b", hostname="b.com"),
                https("far/c-tls", name="c", hostname="c.com"),
                https("broken-tls", name="d", hostname="d.com"),
                https("gone-tls", name="e", hostname="e.com"),
            ),
            route("all", "door", rule(to="one")),
        ),
        (
            Row(get("/", "a.com"), "one", 443),
            Row(get("/", "b.com"), "one", 443),
            Row(get("/", "c.com"), "404", 443),
            Row(get("/", "d.com"), "404", 443),
            Row(get("/", "e.com"), "404", 443),
        ),
    ),
    Suite(
        "GRPCRoute: a call is a POST to its service and method",
        GATEWAY,
        (
            *SHOP,
            gateway("door"),
            route(
                "calls",
                "door",
                rule({"method": {"service": "shop.Cart", "method": "Add"}}, to="one"),
                rule({"method": {"service": "shop.Cart"}}, to="two"),
                rule({"method": {"method": "Ping"}}, to="three"),
                rule({"method": {"type": "RegularExpression", "service": "shop[.].*"}}, to="four"),
                kind="GRPCRoute",
            ),
        ),
        (
            Row(Request("POST", "example.com", "/shop.Cart/Add"), "one"),
            Row(Request("POST", "example.com", "/shop.Cart/Remove"), "four"),
            Row(Request("POST", "example.com", "/any.Thing/Ping"), "three"),
            Row(Request("POST", "example.com", "/shop.Carts/Add"), "four"),
            Row(Request("POST", "example.com", "/other.Thing/Get"), "404"),
        ),
    ),
    Suite(
        "TLSRoute: connections by the name that they ask for",
        GATEWAY,
        (
            *SHOP,
            gateway("door", http("tls", 443, protocol="TLS", tls={"mode": "Passthrough"})),
            route("a", "door", rule(to="one"), kind="TLSRoute", hostnames=["a.com"]),
            route("wild", "door", rule(to="two"), kind="TLSRoute", hostnames=["*.a.com"]),
        ),
        (
            Row(get("/", "a.com"), "one", 443),
            Row(get("/", "x.a.com"), "two", 443),
            Row(get("/", "b.com"), "404", 443),
        ),
    ),
    Suite(
        "TLSRoute: passed through and ended on one port, beside HTTPS",
        GATEWAY,
        (
            *SHOP,
            tls_secret("a-tls", "*.a.com"),
            gateway(
                "door",
                http("passed", 443, protocol="TLS", hostname="one.a.com", tls={"mode": "Passthrough"}),
                http("ended", 443, protocol="TLS", hostname="two.a.com", tls={"certificateRefs": [{"name": "a-tls"}]}),
                http(
                    "keyless", 443, protocol="TLS", hostname="four.a.com", tls={"certificateRefs": [{"name": "gone"}]}
                ),
                https("a-tls", hostname="*.a.com"),
            ),
            route("one", "door", rule(to="one"), kind="TLSRoute", hostnames=["one.a.com"]),
            route("two", "door", rule(to="two"), kind="TLSRoute", hostnames=["two.a.com"]),
            route("four", "door", rule(to="four"), kind="TLSRoute", hostnames=["four.a.com"]),
            route("three", "door", rule(to="three")),
        ),
        (
            Row(get("/", "one.a.com"), "one", 443),
            Row(get("/", "two.a.com"), "two", 443),
            Row(get("/", "three.a.com"), "three", 443),
        ),
    ),
)
