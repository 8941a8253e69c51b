"""CORS by each engine: every answer says what `routing.cors` says, whoever gives it."""

import asyncio
from collections.abc import Iterable
from itertools import cycle, product

import pytest
from msgspec.structs import replace

from portway.routing import decide
from portway.routing.cors import with_cors
from portway.routing.edits import edited_headers
from portway.routing.table import Cors, HeaderEdit, Redirect, Request, RouteTable
from portway.testing.doors import exact, host, listener, prefix, route, with_endpoints
from portway.testing.doors import table as table_of
from tests.gateway.backends import Backend
from tests.gateway.conftest import Run
from tests.ports import free_port

pytestmark = pytest.mark.asyncio(loop_scope="module")

PORT = free_port()
WEB = "shop/web:80/TCP"
SHOP = Cors(origins=("https://shop.example",), methods=("PUT",), headers=("X-Cart",))


def _asking(origin: str, method: str = "PUT", path: str = "/", **fields: str) -> Request:
    """A preflight."""
    more = [(name.replace("_", "-"), value) for name, value in fields.items()]
    asked = [("origin", origin), ("access-control-request-method", method), *more]
    return Request("OPTIONS", "a", path, tuple((name, value) for name, value in asked if value))


def _from(origin: str, path: str = "/", method: str = "GET") -> Request:
    return Request(method, "a", path, (("origin", origin),) if origin else ())


async def _asked(*requests: Request) -> list[tuple[int, list[tuple[str, str]]]]:
    """(status, all headers in lower case) of each, asked one after the other on one connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", PORT)
    found = []
    async with asyncio.timeout(60):
        for request in requests:
            lines = [f"{name}: {value}" for name, value in (("host", request.host), *request.headers)]
            writer.write("\r\n".join([f"{request.method} {request.target} HTTP/1.1", *lines, "", ""]).encode())
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = [(n.lower(), v.strip()) for n, _, v in (line.partition(":") for line in head[1:] if line)]
            await reader.readexactly(int(dict(headers).get("content-length", 0)))
            found.append((int(head[0].split()[1]), headers))
    writer.close()
    return found


def _about_cors(headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    lowered = ((name.lower(), value) for name, value in headers)
    return sorted(one for one in lowered if one[0] == "vary" or one[0].startswith("access-control-"))


def _door(backends: list[Backend], *filters: Cors | None) -> RouteTable:
    """Filter n at /n."""
    routes = [route(prefix(f"/{number}"), "web", cors=cors) for number, cors in enumerate(filters)]
    return with_endpoints(table_of(listener(host("", *routes), port=PORT)), {WEB: [one.endpoint for one in backends]})


_ORIGINS = (
    ("https://shop.example",),
    ("https://*.shop.example", "http://*:8080"),
    ("https://*", "http://one"),
    ("http://shop.example:80", "https://SHOP.example:8443", "https://shop.example:443"),
    ("*",),
    (),
)
_NAMES = ((), ("*",), ("X-Cart", "x|y"), ("*", "X-#"))
_METHODS = ((), ("*",), ("GET", "PUT"))
_SENT = (
    *("https://shop.example", "https://shop.example:443", "HTTPS://Shop.Example", "http://shop.example"),
    *("https://a.b.shop.example", "http://any:8080", "http://one:80", "https://[::1]", "https://evilshop.example"),
    *("https://shop.example:8443", "https://shop.example/", "https://shop.example:", "null", "x", ""),
)
_BACKENDS_OWN = (
    "Access-Control-Allow-Origin:evil",
    "access-control-max-age:1",
    "Vary:Accept",
    "vary:accept,ORIGIN",
    "x:y",
)


def _filters() -> list[Cors]:
    choices = zip(cycle(_METHODS), cycle(_NAMES), cycle(_NAMES[1:]), cycle((5, 3600)), strict=False)
    of_ingresses = [Cors(origins, ("GET", "PUT"), one_label=True) for origins in _ORIGINS]
    return of_ingresses + [
        Cors(origins, methods, headers, expose, credentials, age)
        for (origins, credentials, _), (methods, headers, expose, age) in zip(
            product(_ORIGINS, (False, True), range(4)), choices, strict=False
        )
    ]


async def test_every_answer_is_as_decided(run: Run, web: list[Backend]) -> None:
    filters = _filters()
    table = _door(web, *filters)
    await run.apply(table)
    own, requests = cycle(_BACKENDS_OWN), []
    for (number, _), origin in product(enumerate(filters), _SENT):
        header = next(own)
        requests += [
            _from(origin, f"/{number}?header={header}"),
            _from(origin, f"/{number}", "OPTIONS"),
            _asking(origin, "PUT", f"/{number}", access_control_request_headers="x-cart, y"),
            _asking(origin, "GET", f"/{number}"),
        ]
    for request, (status, headers) in zip(requests, await _asked(*requests), strict=True):
        decision = decide(table, table.listeners[0], request)
        assert decision.route is not None
        name, _, value = request.target.partition("?header=")[2].partition(":")
        backends = [(name, value)] if name and decision.code == "ROUTED" else []
        told = with_cors(decision.route.cors, request, backends)
        assert (status, _about_cors(headers)) == (decision.status or 200, _about_cors(told)), (decision.route, request)


async def test_a_route_takes_preflights_that_ask_for_its_method(run: Run, web: list[Backend]) -> None:
    """The others go where they always went."""
    routes = [route(exact("/cart", method="PUT"), "web", cors=SHOP), route(prefix("/"), "web")]
    table = table_of(listener(host("", *routes), port=PORT))
    await run.apply(with_endpoints(table, {WEB: [one.endpoint for one in web]}))
    for one in web:
        one.requests.clear()
    answers = await _asked(
        _asking("https://shop.example", "PUT", "/cart"),
        _asking("https://evil.example", "PUT", "/cart"),
        _asking("https://shop.example", "POST", "/cart?post"),
        _asking("https://shop.example", "PUT", "/other"),
    )
    assert [status for status, _ in answers] == [204, 403, 200, 200]
    assert [bool(_about_cors(headers)) for _, headers in answers] == [True, True, False, False]
    assert sorted(seen for one in web for seen in one.requests) == ["OPTIONS /cart?post", "OPTIONS /other"]


async def test_the_log_tells_preflights(run: Run, web: list[Backend]) -> None:
    await run.apply(_door(web, SHOP))
    await _asked(_asking("https://shop.example", path="/0/yes"), _asking("https://x", path="/0/no"))
    yes, no = await run.told("/0/yes"), await run.told("/0/no")
    assert [(one.code, one.status, one.route, one.backend) for one in (yes, no)] == [
        ("PREFLIGHT", 204, "HTTPRoute shop//0", None),
        ("ORIGIN_REFUSED", 403, "HTTPRoute shop//0", None),
    ]


@pytest.mark.parametrize("there", [False, True], ids=["no endpoint", "nobody listens there"])
async def test_the_doors_own_errors_can_be_read(run: Run, there: bool) -> None:
    await run.apply(_door([Backend("gone", free_port(), [], set())] if there else [], SHOP, None))
    answers = await _asked(_from("https://shop.example", "/0"), _from("https://shop.example", "/1"))
    assert [(status, _about_cors(headers)) for status, headers in answers] == [
        (503, [("access-control-allow-origin", "https://shop.example"), ("vary", "Origin")]),
        (503, []),
    ]


async def test_filters_change_without_a_reload(run: Run, web: list[Backend]) -> None:
    await run.apply(_door(web, SHOP, None))
    other = replace(SHOP, origins=("https://*.example",), expose=("x#;`",))
    applied = await run.apply(_door(web, other, SHOP))
    assert run.name != "haproxy" or applied.how == "runtime"
    (_, first), (_, second) = await _asked(_from("https://a.example", "/0"), _from("https://shop.example", "/1"))
    assert dict(first)["access-control-expose-headers"] == "x#;`"
    assert dict(second)["access-control-allow-origin"] == "https://shop.example"


async def test_redirects_are_read_by_scripts_and_preflights_are_not_redirected(run: Run) -> None:
    moved = route("/", cors=SHOP, redirect=Redirect(hostname="new.example"))
    await run.apply(table_of(listener(host("", moved), port=PORT)))
    (preflight, _), (status, headers) = await _asked(_asking("https://shop.example"), _from("https://shop.example"))
    assert (preflight, status) == (204, 302)
    assert dict(headers)["access-control-allow-origin"] == "https://shop.example"


_OWN = HeaderEdit(
    set=(("Access-Control-Allow-Origin", "https://modified.example"), ("X-Set", "1")),
    add=(("Access-Control-Allow-Private-Network", "true"), ("Vary", "Accept")),
    remove=("Access-Control-Expose-Headers",),
)
_REQUESTS = (_from("https://shop.example"), _from(""), _asking("https://shop.example"), _asking("https://evil.example"))


@pytest.mark.parametrize("ready", [True, False])
@pytest.mark.parametrize("late", [False, True], ids=["before", "behind"])
async def test_a_modifier_of_headers_and_cors_count_in_their_order(
    run: Run, web: list[Backend], late: bool, ready: bool
) -> None:
    cors = replace(SHOP, expose=("X-Set",))
    filters = {"cors": cors, "late_headers" if late else "response_headers": _OWN}
    made = table_of(listener(host("", route("/", "web", **filters), route("/plain", "web")), port=PORT))
    await run.apply(with_endpoints(made, {WEB: [one.endpoint for one in web if ready]}))
    for request, (status, headers) in zip(_REQUESTS, await _asked(*_REQUESTS), strict=True):
        is_pods = decide(made, made.listeners[0], request).code == "ROUTED" and ready
        given = edited_headers((), (None if late or not is_pods else _OWN,))
        told = with_cors(cors, request, given)
        assert _about_cors(headers) == _about_cors(edited_headers(told, (_OWN if late else None,))), (status, request)
        assert ("x-set" in dict(headers)) is (late or is_pods)
