"""Which way one HTTP request takes behind a door: listener, host, route, Service, pods, and why it ends there."""

from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import urlsplit

from msgspec import Struct

from portway.kubeapi import ip
from portway.reconcile import doors
from portway.routing import backend_status, decide, host_of, listener_for
from portway.routing.decide import DONE
from portway.routing.table import Decision, Endpoint, Listener, Request, Route, RouteTable

MEANING = {
    "ROUTED": "a pod behind the route's Service answers",
    "REDIRECTED": "the door itself answers: look elsewhere",
    "NO_HOST": "the door answers 404: no Ingress or route has this host",
    "NO_ROUTE": "the door answers 404: the host is known, but no path, header, method or query of its routes matches",
    "BACKEND_INVALID": "the door answers an error: the route's backend does not exist or may not be used",
    "NO_ENDPOINTS": "the door answers 503: no pod is ready behind the route's Service",
    "BODY_TOO_LARGE": "the door answers 413: the body is larger than the route allows",
    "PREFLIGHT": "the door itself answers the preflight: this origin may ask (CORS)",
    "ORIGIN_REFUSED": "the door answers 403: a preflight from an origin that is none of the route's allowOrigins",
    "NO_DOOR": "no Ingress or Gateway listens there: on this port, with this protocol, at this address if it is one",
}
CLOSED = {
    "ROUTED": "a pod behind the TLSRoute's Service gets the connection",
    "NO_HOST": "the door closes the connection: no TLSRoute has this name",
    "BACKEND_INVALID": "the door closes the connection: the TLSRoute's backend does not exist or may not be used",
    "NO_ENDPOINTS": "the door closes the connection: no pod is ready behind the TLSRoute's Service",
}
"""What it is at listeners of protocol TLS, where nobody reads requests."""
_PORTS = {"http": 80, "https": 443}
_PROTOCOLS = {"http": ("HTTP",), "https": ("HTTPS", "TLS")}


class Url(Struct, frozen=True):
    """What a client asks for."""

    text: str
    scheme: str
    host: str
    """As a Host header has it, with the port if that is not the scheme's own."""
    port: int
    target: str
    """Path and query."""
    address: str = ""
    """That is dialled, when the host is one: only the door that has it can answer."""


class Share(Struct, frozen=True):
    """A backend of the route."""

    service: str
    """`namespace/name:port`; empty for a bad reference."""
    weight: int
    status: int
    """What the door answers to this share; 0: a pod answers."""
    reason: str = ""
    endpoints: tuple[Endpoint, ...] = ()


class WebTrace(Struct, frozen=True):
    """A request's way and its end."""

    url: str
    code: str
    arrives: bool
    status: int = 0
    door: str = ""
    service: tuple[str, str] = ("", "")
    """The door's Service: (namespace, name)."""
    port: int = 0
    listener: str = ""
    host: str = ""
    """The virtual host's name; `*`: any."""
    route: str = ""
    location: str = ""
    path: str = ""
    """That the pod sees."""
    shares: tuple[Share, ...] = ()
    others: tuple[str, ...] = ()
    """Further doors that listen there."""
    protocol: str = ""
    """The listener's."""
    client_certificate: bool = False
    """Whether the door wants one of the client, issued by an authority that its Gateway names."""

    @property
    def meaning(self) -> str:
        """The code in a sentence."""
        return CLOSED.get(self.code, MEANING[self.code]) if self.protocol == "TLS" else MEANING[self.code]


def parse_url(text: str) -> Url:
    """Reads `https://shop.example/cart`. Raises ValueError naming the form."""
    try:
        parts = urlsplit(text)
        port = parts.port
        if parts.scheme not in _PORTS or not parts.hostname or port == 0:
            raise ValueError
    except ValueError:
        raise ValueError(f"{text!r} is not a URL such as https://shop.example/cart?x=1") from None
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    address = ip.canonical(parts.hostname) if ip.parse(parts.hostname) else ""
    return Url(text, parts.scheme, parts.netloc.rpartition("@")[2], port or _PORTS[parts.scheme], target, address)


def asked_host(url: Url, headers: Iterable[tuple[str, str]]) -> str:
    """What a request is for, with a port where it says one: its Host, else what the URL names."""
    return {name.lower(): value for name, value in headers}.get("host") or url.host


def follow(
    table: RouteTable,
    url: Url,
    method: str = "GET",
    headers: Iterable[tuple[str, str]] = (),
    addresses: Mapping[tuple[str, str], Sequence[str]] = {},
) -> WebTrace:
    """The way at the door that routes the request; of several the first by name, Ingress last.

    `addresses` of Services; if none is a door's, any door may have the one that is dialled.
    """
    lowered = tuple((name.lower(), value) for name, value in headers)
    asked = asked_host(url, lowered)
    request = Request(method, asked, url.target, lowered)
    found = [(at, decide(table, at, request)) for at in _listeners(table, url, host_of(asked), addresses)]
    if not found:
        return WebTrace(url.text, "NO_DOOR", arrives=False)
    routed = [(at, decision) for at, decision in found if decision.route is not None]
    listener, decision = (routed or found)[0]
    others = tuple(at.door for at, _ in found if at.door != listener.door)
    return _told(table, url, listener, decision, others)


def _listeners(
    table: RouteTable, url: Url, host: str, addresses: Mapping[tuple[str, str], Sequence[str]]
) -> list[Listener]:
    names = sorted({at.door for at in table.listeners})
    if url.address and any(service_of(door) in addresses for door in names):
        names = [door for door in names if url.address in addresses.get(service_of(door), ())]
    fitting = [at for at in table.listeners if at.protocol in _PROTOCOLS[url.scheme]]
    taking = (listener_for(fitting, door, url.port, host) for door in names)
    return [listener for listener in taking if listener is not None]


def _told(table: RouteTable, url: Url, listener: Listener, decision: Decision, others: tuple[str, ...]) -> WebTrace:
    route = decision.route
    return WebTrace(
        url.text,
        decision.code,
        decision.code in DONE,
        0 if listener.protocol == "TLS" else decision.status,
        listener.door,
        service_of(listener.door),
        listener.port,
        listener.name,
        (decision.virtual_host.hostname or "*") if decision.virtual_host else "",
        route.name if route else "",
        decision.location,
        decision.path,
        _shares(table, route, decision) if route else (),
        others,
        listener.protocol,
        listener.clients is not None and listener.clients.is_required,
    )


def _shares(table: RouteTable, route: Route, decision: Decision) -> tuple[Share, ...]:
    shares = []
    for backend in decision.backends:
        pool = table.pools.get(backend.pool)
        service = f"{pool.namespace}/{pool.service}:{pool.port}" if pool else ""
        status = backend_status(table, route, backend)
        shares.append(Share(service, backend.weight, status, backend.reason, pool.endpoints if pool else ()))
    return tuple(shares)


def service_of(door: str) -> tuple[str, str]:
    """(namespace, name) of a door's Service."""
    if door == "ingress":
        return doors.NAMESPACE, doors.INGRESS_NAME
    _, namespace, name = door.split("/")
    return namespace, doors.object_name(name)


class DoorRow(Struct, frozen=True, rename="camel"):
    """A listener, for tables."""

    door: str
    address: str
    port: int
    protocol: str
    hosts: tuple[str, ...]
    routes: int


def rows(table: RouteTable, addresses: Mapping[tuple[str, str], tuple[str, ...]]) -> list[DoorRow]:
    """Every listener with its hosts; `addresses` of Services."""
    return [
        DoorRow(
            at.door,
            next(iter(addresses.get(service_of(at.door), ())), ""),
            at.port,
            at.protocol,
            tuple(host.hostname or "*" for host in at.hosts),
            sum(len(host.routes) for host in at.hosts),
        )
        for at in sorted(table.listeners, key=lambda at: (at.door, at.port, at.name))
    ]
