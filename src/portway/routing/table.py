"""The values that routing decisions read and engines run."""

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct, field

ListenerProtocol = Literal["HTTP", "HTTPS", "TLS"]
"""HTTPS and TLS choose by SNI; TLS passes through what the backend ends, or ends TLS and hands on what is inside."""
PathType = Literal["Exact", "Prefix", "RegularExpression"]
UpstreamProtocol = Literal["http", "h2c", "https", "h2", "tls"]
"""How backends are spoken to (`appProtocol` of the Service port; `h2`: HTTP/2 by TLS; `tls`: a TLSRoute's, who get
bytes as they are)."""


def is_secure(protocol: UpstreamProtocol) -> bool:
    """Whether the door speaks TLS with the backend; what is passed through is the client's own."""
    return protocol in ("https", "h2")


def is_http2(protocol: UpstreamProtocol) -> bool:
    """Whether a connection to the backend is for many requests at once."""
    return protocol in ("h2c", "h2")


class Endpoint(Struct, frozen=True, order=True):
    """One ready pod behind a pool."""

    address: str
    port: int
    pod: str = ""
    """`namespace/name`, for logs and traces; empty when unknown."""


class BackendTls(Struct, frozen=True):
    """What a backend that is spoken to by TLS must prove, and what the door shows it in turn.

    Source: BackendTLSPolicy `spec.validation`; Gateway `spec.tls.backend.clientCertificateRef`.
    """

    hostname: str = ""
    """Sent as SNI; without `names` a name that the backend's certificate must have. Empty: nothing is verified."""
    authorities: str = ""
    """PEM of all that `caCertificateRefs` lead to; empty: those of this machine (`wellKnownCACertificates: System`)."""
    names: tuple[tuple[Literal["Hostname", "URI"], str], ...] = ()
    """`subjectAltNames`: one of them must be in the certificate, instead of `hostname`."""
    certificate: str = ""
    """A key of `RouteTable.certificates`, shown to a backend that asks for one; empty: none."""


class Pool(Struct, frozen=True):
    """A Service port as a door sees it."""

    namespace: str
    service: str
    port: int
    """The Service's port, not targetPort."""
    port_name: str = ""
    protocol: UpstreamProtocol = "http"
    endpoints: tuple[Endpoint, ...] = ()
    """Ready ones, sorted; empty: requests are answered 503."""
    tls: BackendTls | None = None
    """Of protocols https and h2; None: nothing is verified."""


class ValueMatch(Struct, frozen=True):
    """A header or query parameter that a request must have."""

    name: str
    """Headers: lower case."""
    value: str
    type: Literal["Exact", "RegularExpression"] = "Exact"


class Match(Struct, frozen=True):
    """What a request must be like, all of it at once."""

    path: str = "/"
    path_type: PathType = "Prefix"
    """Prefix is by path elements: /aaa matches /aaa and /aaa/b, not /aaab."""
    method: str = ""
    """Empty: any."""
    headers: tuple[ValueMatch, ...] = ()
    query: tuple[ValueMatch, ...] = ()


class HeaderEdit(Struct, frozen=True):
    """`requestHeaderModifier` / `responseHeaderModifier`: set, then add, then remove."""

    set: tuple[tuple[str, str], ...] = ()
    add: tuple[tuple[str, str], ...] = ()
    remove: tuple[str, ...] = ()


class PathEdit(Struct, frozen=True):
    """`ReplaceFullPath` or `ReplacePrefixMatch` (of the prefix that the matched rule has)."""

    type: Literal["ReplaceFullPath", "ReplacePrefixMatch"]
    value: str


class Redirect(Struct, frozen=True):
    """`requestRedirect`: what is empty or None stays as the request has it."""

    scheme: str = ""
    hostname: str = ""
    port: int | None = None
    """None: the scheme's well-known one if a scheme is given, else the listener's port (Gateway API's rule)."""
    path: PathEdit | None = None
    status: int = 302


class Rewrite(Struct, frozen=True):
    """`urlRewrite`."""

    hostname: str = ""
    path: PathEdit | None = None


class Timeouts(Struct, frozen=True):
    """Seconds; 0 means none. `timeouts.request`, `timeouts.backendRequest`."""

    request: float = 0.0
    backend_request: float = 0.0


class Cors(Struct, frozen=True):
    """The `CORS` filter, as HTTPCORSFilter writes it: who answers a preflight, and what others are told."""

    origins: tuple[str, ...] = ()
    """`https://shop.example`, `https://*.example`, `http://*:8080`, `*`; `parse_origin` reads them."""
    methods: tuple[str, ...] = ()
    """`*`: any."""
    headers: tuple[str, ...] = ()
    expose: tuple[str, ...] = ()
    credentials: bool = False
    max_age: int = 5
    """Seconds."""
    one_label: bool = False
    """Ingress: a `*.` stands for exactly one label; Gateway API: for one or more."""


class Mirror(Struct, frozen=True):
    """`requestMirror`: a share of the requests is copied to a pool, whose answers nobody reads."""

    pool: str
    numerator: int = 1
    denominator: int = 1
    """`fraction`, or `percent` of 100: of so many requests `numerator` are copied, each by chance."""


class WeightedBackend(Struct, frozen=True):
    """Where a share of a route's requests goes."""

    pool: str
    """A key of `RouteTable.pools`; empty: the reference is bad and its share is answered 500 (Ingress: 503)."""
    weight: int = 1
    reason: str = ""
    """Why the reference is bad: `BackendNotFound`, `RefNotPermitted`, `InvalidKind`, `UnsupportedProtocol`…"""
    request_headers: HeaderEdit | None = None
    response_headers: HeaderEdit | None = None


class Route(Struct, frozen=True):
    """One match and what becomes of the requests that it takes."""

    name: str
    """Who asked for it, for logs and traces: `Ingress shop/web rules[0].paths[1]`, `HTTPRoute shop/web rules[2]`."""
    match: Match = Match()
    backends: tuple[WeightedBackend, ...] = ()
    """With none and no redirect: answered 500 (`status_without_backend`)."""
    redirect: Redirect | None = None
    rewrite: Rewrite | None = None
    request_headers: HeaderEdit | None = None
    response_headers: HeaderEdit | None = None
    """Of what pods answer."""
    mirrors: tuple[Mirror, ...] = ()
    cors: Cors | None = None
    late_headers: HeaderEdit | None = None
    """A `responseHeaderModifier` that stands behind the CORS filter: of every answer that this has a word in."""
    timeouts: Timeouts = Timeouts()
    max_body: int = 0
    """Bytes of a request's body; more is answered 413; 0: no limit."""
    status_without_backend: int = 500
    """What a share whose reference is bad is answered: Gateway API 500, Ingress 503."""


class VirtualHost(Struct, frozen=True):
    """The routes of one hostname of a listener, in the order in which they are tried: the first that matches wins."""

    hostname: str
    """Lower case; `*.` in front: a wildcard; empty: any host that no other virtual host takes."""
    one_label: bool = False
    """Ingress: the wildcard stands for exactly one label; Gateway API: for one or more."""
    routes: tuple[Route, ...] = ()


class ClientValidation(Struct, frozen=True):
    """What clients of a listener that ends TLS must show (Gateway `spec.tls.frontend`, FrontendTLSValidation)."""

    authorities: str
    """PEM of all that `caCertificateRefs` lead to."""
    is_required: bool = True
    """`AllowValidOnly`: nobody else comes in; False: `AllowInsecureFallback`, they are asked, and all are served."""


class Listener(Struct, frozen=True):
    """A port of a door."""

    name: str
    """`ingress/http`, `shop/gateway/https`: unique in a table."""
    door: str
    """`ingress`, or `gateway/NAMESPACE/NAME`."""
    port: int
    protocol: ListenerProtocol = "HTTP"
    hostname: str = ""
    """Several listeners may share a port: the most specific hostname takes the request (SNI first, then Host)."""
    certificates: tuple[str, ...] = ()
    """Keys of `RouteTable.certificates`; the first one serves who names no host that another one covers.

    A listener of protocol TLS with certificates ends TLS (mode Terminate) and hands on the bytes inside.
    """
    clients: ClientValidation | None = None
    """The same at all listeners of a port that end TLS; None: clients are asked for nothing."""
    hosts: tuple[VirtualHost, ...] = ()
    entry: Literal["Ingress", "Gateway"] = "Gateway"
    """How the access log calls it."""

    @property
    def ends_tls(self) -> bool:
        """Whether it has the TLS of its clients end here."""
        return self.protocol == "HTTPS" or (self.protocol == "TLS" and bool(self.certificates))


class Certificate(Struct, frozen=True):
    """A kubernetes.io/tls Secret that was found whole."""

    chain: str
    """PEM, leaf first."""
    key: str
    """PEM. Never shown or logged."""
    hosts: tuple[str, ...] = ()
    """DNS names of the leaf, wildcards as they are."""


class RouteTable(Struct, frozen=True):
    """All doors of a cluster at one moment."""

    listeners: tuple[Listener, ...] = ()
    pools: Mapping[str, Pool] = field(default_factory=dict)
    """By `namespace/service:port/protocol`."""
    certificates: Mapping[str, Certificate] = field(default_factory=dict)
    """By `namespace/name` of the Secret."""


class Request(Struct, frozen=True):
    """A request's head, as a decision reads it."""

    method: str = "GET"
    host: str = ""
    """As sent, possibly with a port."""
    target: str = "/"
    """Path and query, as sent."""
    headers: tuple[tuple[str, str], ...] = ()
    """Names in lower case, repeated ones repeated."""


class Decision(Struct, frozen=True):
    """What a door does with a request, and why."""

    code: str
    """`ROUTED`, `REDIRECTED`, `NO_HOST` (404), `NO_ROUTE` (404), `BACKEND_INVALID` (500 or 503), `NO_ENDPOINTS` (503),
    `BODY_TOO_LARGE` (413), `PREFLIGHT` (204), `ORIGIN_REFUSED` (403, a preflight).
    """
    status: int = 0
    """What the door itself answers; 0: the backend does."""
    virtual_host: VirtualHost | None = None
    route: Route | None = None
    backends: tuple[WeightedBackend, ...] = ()
    """The candidates, by weight; those without endpoints included."""
    location: str = ""
    """Of a redirect."""
    path: str = ""
    """Path and query that the backend gets."""
    host: str = ""
    """The Host that the backend gets."""
