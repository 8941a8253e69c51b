"""Maps: the way of a request as keys and values."""

import re
from collections.abc import Iterable, Sequence

from portway.routing.haproxy import cors
from portway.routing.hosts import specificity
from portway.routing.table import Listener, Route, VirtualHost

_SENDABLE = re.compile(r"[!-~]+")
"""No request has another path, and no map another key."""

Entries = list[tuple[str, str]]
NAMES = ("at", "at-wild", "hosts", "hosts-wild", "exact", "prefix", "target", *cors.NAMES)


def listener_entries(listeners: Iterable[Listener]) -> tuple[Entries, Entries]:
    """(by name, by the end of a name, the longest first)."""
    exact: Entries = []
    wild: list[Listener] = []
    for at in listeners:
        if at.hostname.startswith("*."):
            wild.append(at)
        else:
            exact.append((f"{at.port}|{at.hostname}", at.name))
    wild.sort(key=lambda at: specificity(at.hostname), reverse=True)
    return exact, [(f"{at.hostname[1:]}|{at.port}", at.name) for at in wild]


def host_entries(listener: Listener) -> tuple[Entries, Entries]:
    """(by name, which is where wildcards of one label are too; by the end of a name, the longest first)."""
    exact: Entries = []
    wild: list[VirtualHost] = []
    for host in listener.hosts:
        if host.hostname.startswith("*.") and not host.one_label:
            wild.append(host)
        else:
            exact.append((f"{listener.name}|{host.hostname}", key(listener, host)))
    wild.sort(key=lambda host: specificity(host.hostname), reverse=True)
    return exact, [(f"{host.hostname[1:]}|{listener.name}", key(listener, host)) for host in wild]


def key(listener: Listener, host: VirtualHost) -> str:
    """A virtual host, as maps and conditions name it."""
    return f"{listener.name}|{host.hostname}"


def is_mappable(routes: Sequence[Route]) -> bool:
    """Whether "Exact, else the longest Prefix" chooses what the order of the routes does."""
    prefixes: set[str] = set()
    for route in routes:
        match = route.match
        if match.method or match.headers or match.query or match.path_type == "RegularExpression":
            return False
        path = match.path.rstrip("/") if match.path_type == "Prefix" else match.path
        above = [] if match.path_type == "Prefix" and path in prefixes else _above(path, match.path_type == "Exact")
        if any(one in prefixes for one in above):
            return False
        if match.path_type == "Prefix":
            prefixes.add(path)
    return True


def _above(path: str, itself: bool) -> list[str]:
    """Prefixes that take this path, without their last slash."""
    elements = path.split("/")
    found = ["/".join(elements[:count]) for count in range(1, len(elements))]
    return [*found, path] if itself else found


def path_entries(where: str, routes: Iterable[tuple[Route, str]]) -> tuple[Entries, Entries]:
    """(Exact, Prefix) of a virtual host: of several routes for one path the first."""
    exact: dict[str, str] = {}
    prefix: dict[str, str] = {}
    for route, target in routes:
        if not _SENDABLE.fullmatch(route.match.path):
            continue
        if route.match.path_type == "Exact":
            exact.setdefault(f"{where}|{route.match.path}", target)
        else:
            prefix.setdefault(f"{where}|{route.match.path.rstrip('/')}/", target)
    return list(exact.items()), list(prefix.items())


def map_text(entries: Iterable[tuple[str, str]]) -> str:
    """A map file."""
    return "".join(f"{key} {value}\n" for key, value in entries)
