"""Hostnames: what a Host header names, and which of several patterns takes it."""

from collections.abc import Iterable

from portway.routing.table import Certificate, ClientValidation, Listener, RouteTable, VirtualHost


def host_of(authority: str) -> str:
    """The hostname of a Host header or `:authority`, lower case, without its port; brackets of IPv6 stay."""
    host, colon, port = authority.rpartition(":")
    return (host if colon and (port.isdigit() or not port) else authority).lower()


def covers(pattern: str, host: str, *, one_label: bool = False) -> bool:
    """Whether a hostname, a `*.` wildcard or an empty pattern (any host) takes this host.

    A wildcard stands for at least one label; with `one_label` (Ingress, certificates) for exactly one.
    """
    if not pattern.startswith("*."):
        return pattern in ("", host)
    label = host.removesuffix(pattern[1:])
    return label not in ("", host) and not (one_label and "." in label)


def specificity(pattern: str) -> tuple[bool, int]:
    """Orders patterns that cover the same host: an exact one, then the longest wildcard, then the empty one."""
    return (not pattern.startswith("*") and bool(pattern), len(pattern))


def virtual_host(hosts: Iterable[VirtualHost], host: str) -> VirtualHost | None:
    """The one that takes this host: no other is asked, even if none of its routes matches."""
    taking = [v for v in hosts if covers(v.hostname, host, one_label=v.one_label)]
    return max(taking, key=lambda v: specificity(v.hostname), default=None)


def listener_for(listeners: Iterable[Listener], door: str, port: int, host: str) -> Listener | None:
    """Who takes a connection or request at a port of a door, by SNI (HTTPS, TLS) or Host (HTTP), lower case."""
    taking = [at for at in listeners if (at.door, at.port) == (door, port) and covers(at.hostname, host)]
    return max(taking, key=lambda at: specificity(at.hostname), default=None)


def is_misdirected(listeners: Iterable[Listener], listener: Listener, host: str) -> bool:
    """Whether a request on a TLS connection of this listener is for another listener of the port: answered 421.

    Clients reuse connections for names that a certificate also has (coalescing), and each listener has its own terms.
    Source: Gateway API, Listener.hostname; RFC 9110 15.5.20.
    """
    better = listener_for(listeners, listener.door, listener.port, host)
    return listener.protocol == "HTTPS" and better is not None and better.name != listener.name


def clients_of(listeners: Iterable[Listener]) -> ClientValidation | None:
    """What clients of a port must show, at whichever of its listeners TLS ends.

    Raises ValueError if these disagree: connections that were made for one are used for others (HTTP/2, sessions).
    """
    wanted = {at.clients for at in listeners if at.ends_tls}
    if len(wanted) > 1:
        raise ValueError("listeners of one port want different certificates of their clients")
    return next(iter(wanted), None)


def certificate_for(table: RouteTable, listener: Listener, sni: str) -> Certificate | None:
    """The first certificate that names this host, else the listener's first; None: there is none to show."""
    certificates = [table.certificates[name] for name in listener.certificates if name in table.certificates]
    naming = [c for c in certificates if sni and any(covers(name, sni, one_label=True) for name in c.hosts if name)]
    exact = [c for c in naming if sni in c.hosts]
    return next(iter([*exact, *naming, *certificates]), None)
