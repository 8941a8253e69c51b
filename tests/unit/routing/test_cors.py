"""Who may read an answer, and what preflights are told."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from portway.routing.compute import compute
from portway.routing.cors import cors_headers, told_origin, with_cors
from portway.routing.haproxy import plan, render
from portway.routing.haproxy.cors import cors_entries
from portway.routing.haproxy.place import Place
from portway.routing.table import Cors, HeaderEdit, Request
from portway.testing import doordocs
from portway.testing.doors import host, listener, route, table

PLACE = Place("/run/door", ("127.0.0.1",))


def asking(origin: str = "https://shop.example", method: str = "PUT", fields: str = "") -> Request:
    """A preflight."""
    named = {"origin": origin, "access-control-request-method": method, "access-control-request-headers": fields}
    return Request("OPTIONS", "a", "/", tuple((name, value) for name, value in named.items() if value))


@pytest.mark.parametrize(
    ("pattern", "origin", "taken"),
    [
        ("https://shop.example", "https://shop.example", True),
        ("https://shop.example", "http://shop.example", False),
        ("https://shop.example", "https://shop.example:443", True),
        ("https://shop.example", "https://shop.example:8443", False),
        ("https://Shop.example:443", "https://shop.example", True),
        ("http://shop.example:8080", "http://shop.example:8080", True),
        ("https://*.bar.com", "https://a.b.bar.com", True),
        ("https://*.bar.com", "https://bar.com", False),
        ("https://*.bar.com", "https://evilbar.com", False),
        ("https://*", "https://any.example", True),
        ("https://*", "https://any.example:8443", False),
        ("https://*", "https://[::1]", True),
        ("http://*:8080", "http://any.example:8080", True),
        ("https://*", "null", False),
        ("*", "null", True),
        ("*", "", False),
        ("https://shop.example", "https://shop.example/", False),
    ],
)
def test_origins(pattern: str, origin: str, taken: bool) -> None:
    request = Request(headers=(("origin", origin),) if origin else ())
    assert told_origin(Cors((pattern,), credentials=True), request) == (origin if taken else "")


@pytest.mark.parametrize(
    ("origin", "taken"),
    [
        ("https://a.shop.example", True),
        ("https://a.b.shop.example", False),
        ("https://shop.example", False),
        ("https://a.shop.example:8443", False),
        ("https://evilshop.example", False),
    ],
)
def test_a_wildcard_of_an_ingress_is_one_label(origin: str, taken: bool) -> None:
    cors = Cors(("https://*.shop.example",), one_label=True)
    assert told_origin(cors, Request(headers=(("origin", origin),))) == (origin if taken else "")


_NGINX = "nginx.ingress.kubernetes.io/"
_NGINX_DEFAULT = Cors(
    ("*",),
    ("GET", "PUT", "POST", "DELETE", "PATCH", "OPTIONS"),
    (
        *("DNT", "Keep-Alive", "User-Agent", "X-Requested-With", "If-Modified-Since", "Cache-Control"),
        *("Content-Type", "Range", "Authorization"),
    ),
    max_age=1728000,
    one_label=True,
)
_NGINX_NAMED = replace(_NGINX_DEFAULT, origins=("https://shop.example",), credentials=True)


@pytest.mark.parametrize(
    ("notes", "cors", "complaints"),
    [
        ({"cors-allow-origin": "https://shop.example"}, None, []),
        ({"enable-cors": "false"}, None, []),
        ({"enable-cors": "true"}, _NGINX_DEFAULT, []),
        ({"enable-cors": "true", "cors-allow-credentials": "true"}, _NGINX_DEFAULT, []),
        ({"enable-cors": "true", "cors-allow-origin": "https://a, *"}, _NGINX_DEFAULT, []),
        ({"enable-cors": "true", "cors-allow-origin": "https://shop.example"}, _NGINX_NAMED, []),
        (
            {
                "enable-cors": "true",
                "cors-allow-origin": "https://*.a:8443 , http://b",
                "cors-allow-credentials": "false",
            },
            replace(_NGINX_DEFAULT, origins=("https://*.a:8443", "http://b")),
            [],
        ),
        (
            {
                "enable-cors": "true",
                "cors-allow-methods": "PUT, GET",
                "cors-allow-headers": "X-A,X-B",
                "cors-expose-headers": "*, X-C",
                "cors-max-age": "600",
            },
            replace(_NGINX_DEFAULT, methods=("PUT", "GET"), headers=("X-A", "X-B"), expose=("*", "X-C"), max_age=600),
            [],
        ),
        (
            {"enable-cors": "true", "cors-allow-origin": "shop.example,https://shop.example,null"},
            _NGINX_NAMED,
            [
                "cors-allow-origin: 'shop.example' is no origin such as https://shop.example or https://*.shop.example",
                "cors-allow-origin: 'null' is no origin such as https://shop.example or https://*.shop.example",
            ],
        ),
        (
            {"enable-cors": "true", "cors-allow-origin": "https://*"},
            replace(_NGINX_DEFAULT, origins=(), credentials=True),
            ["cors-allow-origin: 'https://*' is no origin such as https://shop.example or https://*.shop.example"],
        ),
        (
            {"enable-cors": "true", "cors-allow-methods": "GET;PUT", "cors-allow-headers": "*", "cors-max-age": "1d"},
            _NGINX_DEFAULT,
            [
                "cors-allow-methods: 'GET;PUT' is no list of names with commas between",
                "cors-allow-headers: '*' is no list of names with commas between",
                "cors-max-age: '1d' is no number of seconds",
            ],
        ),
    ],
)
def test_annotations_of_ingress_nginx(notes: dict[str, str], cors: Cors | None, complaints: list[str]) -> None:
    annotations = {f"{_NGINX}{name}": value for name, value in notes.items()}
    shop = doordocs.ingress("a", doordocs.host_rule("", doordocs.ingress_path("/", "web")), annotations=annotations)
    found = compute(doordocs.documents(doordocs.service("web"), shop))
    (made,) = found.listeners[0].hosts[0].routes
    assert made.cors == cors
    assert [one.message for one in found.complaints] == [f"annotation {_NGINX}{text}" for text in complaints]


def test_who_is_sent_to_https_may_read_that() -> None:
    annotations = {f"{_NGINX}enable-cors": "true", f"{_NGINX}force-ssl-redirect": "true"}
    shop = doordocs.ingress("a", doordocs.host_rule("", doordocs.ingress_path("/", "web")), annotations=annotations)
    (made,) = compute(doordocs.documents(doordocs.service("web"), shop)).listeners[0].hosts[0].routes
    assert made.redirect is not None and made.cors == _NGINX_DEFAULT


@pytest.mark.parametrize(
    ("cors", "request_", "told"),
    [
        (Cors(("*",)), Request(), [("Access-Control-Allow-Origin", "*")]),
        (Cors(("*",), credentials=True), Request(), [("Vary", "Origin")]),
        (Cors(), asking(), [("Vary", "Origin")]),
        (
            Cors(("*",), ("*",), ("*",), ("*",)),
            asking(fields="x-a, x-b"),
            [
                ("Access-Control-Allow-Origin", "*"),
                ("Access-Control-Expose-Headers", "*"),
                ("Access-Control-Allow-Methods", "*"),
                ("Access-Control-Allow-Headers", "*"),
                ("Access-Control-Max-Age", "5"),
            ],
        ),
        (
            Cors(("*",), ("*",), ("*",), ("*", "X-C"), credentials=True, max_age=60),
            asking(fields="x-a, x-b"),
            [
                ("Vary", "Origin"),
                ("Access-Control-Allow-Origin", "https://shop.example"),
                ("Access-Control-Allow-Credentials", "true"),
                ("Access-Control-Expose-Headers", "X-C"),
                ("Access-Control-Allow-Methods", "PUT"),
                ("Access-Control-Allow-Headers", "x-a, x-b"),
                ("Access-Control-Max-Age", "60"),
            ],
        ),
        (
            Cors(("*",), ("GET", "PUT"), ("*",), credentials=True),
            asking(),
            [
                ("Vary", "Origin"),
                ("Access-Control-Allow-Origin", "https://shop.example"),
                ("Access-Control-Allow-Credentials", "true"),
                ("Access-Control-Allow-Methods", "GET,PUT"),
                ("Access-Control-Max-Age", "5"),
            ],
        ),
    ],
)
def test_headers(cors: Cors, request_: Request, told: list[tuple[str, str]]) -> None:
    assert list(cors_headers(cors, request_)) == told


_WORDS = st.lists(st.sampled_from(["*", "GET", "X-A"]), max_size=2, unique=True).map(tuple)
_CORS = st.builds(Cors, st.sampled_from([("*",), (), ("https://shop.example",)]), _WORDS, _WORDS, _WORDS, st.booleans())
_ANSWERS = st.lists(
    st.tuples(st.sampled_from(["Vary", "ACCESS-CONTROL-ALLOW-ORIGIN", "x"]), st.sampled_from(["*", "origin", "a"]))
)
_REQUESTS = st.builds(asking, st.sampled_from(["", "https://shop.example", "x"]), st.sampled_from(["", "PUT"]))


@given(_CORS, _REQUESTS, _ANSWERS.map(tuple))
def test_no_answer_says_what_it_must_not(cors: Cors, request: Request, answer: tuple[tuple[str, str], ...]) -> None:
    told = with_cors(cors, request, answer)
    about = {name.lower(): value for name, value in told if name.lower().startswith("access-control-")}
    names = [name.lower() for name, _ in told]
    assert all(names.count(name) == 1 for name in about), "a backend's own are replaced"
    assert [one for one in told if one[0] == "x"] == [one for one in answer if one[0] == "x"]
    if cors.credentials:
        assert "*" not in about.values()
    if about.get("access-control-allow-origin") != "*":
        assert any("origin" in value.lower() for name, value in told if name == "Vary")
        assert not about or about["access-control-allow-origin"] == dict(request.headers)["origin"]


def test_without_a_filter_backends_speak_for_themselves() -> None:
    own = (("Access-Control-Allow-Origin", "*"),)
    assert with_cors(None, asking(), own) == own


def test_documents_say_who_may_read() -> None:
    cors = {
        "allowOrigins": ["https://*.example"],
        "allowMethods": ["GET"],
        "allowHeaders": ["X-A"],
        "exposeHeaders": ["X-B"],
        "allowCredentials": True,
    }
    shop = doordocs.route("web", "door", doordocs.rule(to="web", filters=[{"type": "CORS", "cors": cors}]))
    (listener,) = compute(doordocs.documents(doordocs.service("web"), doordocs.gateway("door"), shop)).listeners
    assert listener.hosts[0].routes[0].cors == Cors(("https://*.example",), ("GET",), ("X-A",), ("X-B",), True, 5)


@pytest.mark.parametrize(("order", "field"), [((0, 1), "response_headers"), ((1, 0), "late_headers")])
def test_filters_count_in_their_order(order: tuple[int, ...], field: str) -> None:
    modifier = {"set": [{"name": "Access-Control-Allow-Origin", "value": "*"}]}
    filters = (
        {"type": "ResponseHeaderModifier", "responseHeaderModifier": modifier},
        {"type": "CORS", "cors": {"allowOrigins": ["https://shop.example"]}},
    )
    shop = doordocs.route("web", "door", doordocs.rule(to="web", filters=[filters[at] for at in order]))
    (listener,) = compute(doordocs.documents(doordocs.service("web"), doordocs.gateway("door"), shop)).listeners
    (made,) = listener.hosts[0].routes
    edit = HeaderEdit(set=(("Access-Control-Allow-Origin", "*"),))
    assert {"response_headers": made.response_headers, "late_headers": made.late_headers} == {
        "response_headers": None, "late_headers": None, field: edit
    }  # fmt: skip


def test_maps_have_what_filters_say() -> None:
    cors = Cors(("https://shop.example", "http://*.example:80", "https://*"), ("*",), ("X-A", "X-B"), credentials=True)
    found = cors_entries("t", cors)
    ((_, value),) = found.pop("cors")
    said, _, origins = value.rpartition("/")
    assert said == "some/true/=/X-A,X-B//5"
    assert found == {
        "origins": [(f"shop.example|443|https|{origins}", "1")],
        "origins-end": [(f".example|80|http|{origins}", "1"), (f"|443|https|{origins}", "1")],
    }


def test_a_filter_changes_at_once_and_is_there_once() -> None:
    """Its origins are there before it names them, and go when nobody does; routes that say the same share them."""
    one, other = Cors(("https://one",)), Cors(("https://other",))
    old, new = (
        render(table(listener(host("", route("/a", "web", cors=cors), route("/b", "web", cors=one)))), PLACE)
        for cors in (one, other)
    )
    assert len(old.maps["origins"]) == 1
    steps = plan(old, new, PLACE)
    assert steps is not None
    assert [step.split()[:3] for step in steps.maps] == [
        ["add", "map", "/run/door/origins.map"],
        ["set", "map", "/run/door/cors.map"],
    ]
    assert steps.drops == ()
    back = plan(new, old, PLACE)
    assert back is not None and [step.split()[2] for step in back.drops] == ["/run/door/origins.map"]
