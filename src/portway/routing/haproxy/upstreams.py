"""How the servers of a section are spoken to.

HAProxy 2.6 checks one name of a backend's certificate, and none but DNS names. So where a policy has `subjectAltNames`,
a server is a socket at which the door's own process makes the connection and checks it (an **escort**).
"""

from collections.abc import Iterator, Mapping

from msgspec import Struct

from portway.routing.haproxy.place import Place
from portway.routing.haproxy.words import authorities_file, certificate_file, digest, server_address, server_name
from portway.routing.table import BackendTls, Endpoint, Pool, is_http2, is_secure


class Speech(Struct, frozen=True):
    """Of one section."""

    options: str = ""
    """Words of a server's line, behind its address."""
    escort: str = ""
    """How the paths of the escorts' sockets begin; empty: HAProxy goes there itself."""
    seen: str = ""
    """So do they for a worker that runs."""
    tls: BackendTls | None = None
    """What backends must prove to an escort."""
    http2: bool = False
    """An escort's connections are for HTTP/2."""


class Escorted(Struct, frozen=True):
    """What an escort does at its socket."""

    endpoint: Endpoint
    tls: BackendTls
    http2: bool = False


def speech(pool: Pool, place: Place) -> Speech:
    """How these are spoken to."""
    secure, http2 = is_secure(pool.protocol), is_http2(pool.protocol)
    if secure and pool.tls is not None and pool.tls.names:
        name = f"out-{digest(pool.protocol, *marks(pool.tls), length=32)}"
        return Speech(" proto h2" if http2 else "", f"{place.sockets}/{name}", place.seen(name), pool.tls, http2)
    alpn = " alpn h2" if http2 else ""
    tls = f" ssl{alpn}{_verified(pool.tls, place)}" if secure else ""
    return Speech(f"{tls}{' proto h2' if http2 else ''}")


def _verified(tls: BackendTls | None, place: Place) -> str:
    shown = f" crt {place.folder}/{certificate_file(tls.certificate)}" if tls is not None and tls.certificate else ""
    if tls is None or not tls.hostname:
        return f" verify none sni req.hdr(host),field(1,:){shown}"
    file = f"{place.folder}/{authorities_file(tls.authorities)}" if tls.authorities else place.trusted
    return f" verify required ca-file {file} sni str({tls.hostname}) verifyhost {tls.hostname}{shown}"


def marks(tls: BackendTls | None) -> tuple[str, ...]:
    """What tells it from others."""
    if tls is None:
        return ()
    names = [f"{type_}={name}" for type_, name in tls.names]
    return ("tls", tls.hostname, tls.authorities, tls.certificate, *names)


def server(endpoint: Endpoint, spoken: Speech) -> str:
    """Name, address and options, as a configuration's line and `add server` have them."""
    address = f"unix@{spoken.seen}{_end(endpoint)}" if spoken.escort else server_address(endpoint)
    return f"{server_name(endpoint)} {address}{spoken.options}"


def _end(endpoint: Endpoint) -> str:
    return f"-{digest(endpoint.address, str(endpoint.port))}.sock"


def escorts(servers: Mapping[str, tuple[Endpoint, ...]], speeches: Mapping[str, Speech]) -> dict[str, Escorted]:
    """What is to be done at which socket."""
    return dict(_escorts(servers, speeches))


def _escorts(
    servers: Mapping[str, tuple[Endpoint, ...]], speeches: Mapping[str, Speech]
) -> Iterator[tuple[str, Escorted]]:
    for section, spoken in speeches.items():
        if spoken.tls is not None:
            for endpoint in servers.get(section, ()):
                yield f"{spoken.escort}{_end(endpoint)}", Escorted(endpoint, spoken.tls, spoken.http2)
