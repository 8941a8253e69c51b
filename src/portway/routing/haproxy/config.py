"""The whole configuration."""

from collections.abc import Iterable, Iterator, Mapping

from msgspec import Struct, field
from msgspec.structs import replace

from portway.routing.door import routes_of
from portway.routing.haproxy import ending, handover, limiting, mirroring
from portway.routing.haproxy.cors import cors_entries
from portway.routing.haproxy.frontends import Condition, Share, http_frontend
from portway.routing.haproxy.maps import (
    NAMES,
    Entries,
    host_entries,
    is_mappable,
    key,
    listener_entries,
    path_entries,
)
from portway.routing.haproxy.mirroring import mirror_frontend
from portway.routing.haproxy.passing import ended_frontend, passing_frontend
from portway.routing.haproxy.place import Place
from portway.routing.haproxy.sections import Section, mirrors_of, passed_through, sections_of
from portway.routing.haproxy.upstreams import Speech, server, speech
from portway.routing.haproxy.words import authorities_file, certificate_file, digest
from portway.routing.hosts import clients_of
from portway.routing.table import Endpoint, HeaderEdit, Listener, Pool, Route, RouteTable, VirtualHost
from portway.routing.timings import Timings


class Rendered(Struct, frozen=True):
    """A table in the parts that change in different ways."""

    head: str
    """global, defaults, frontends: a change is a reload."""
    sections: Mapping[str, Section]
    """By name; so is a change of these."""
    lists: Mapping[str, str]
    """Certificate lists and scripts by file name; so is a change of these."""
    maps: Mapping[str, tuple[tuple[str, str], ...]]
    """By name."""
    servers: Mapping[str, tuple[Endpoint, ...]]
    """By section."""
    speeches: Mapping[str, Speech]
    """How the servers of a section are spoken to."""
    certificates: Mapping[str, str]
    """PEM, key and chain, by file name."""
    authorities: Mapping[str, str] = field(default_factory=dict)
    """PEM of those who may have signed certificates of backends or clients, by file name."""
    routes: Mapping[str, str] = field(default_factory=dict)
    """Names of routes by target, for the log."""
    entries: Mapping[str, str] = field(default_factory=dict)
    """What the log calls a listener, by its name."""


class _Ways(Struct):
    """What is gathered while a table is gone through."""

    sections: dict[str, Section] = field(default_factory=dict)
    maps: dict[str, Entries] = field(default_factory=lambda: {name: [] for name in NAMES})
    conditions: dict[int, list[Condition]] = field(default_factory=dict)
    shares: dict[int, dict[str, Share]] = field(default_factory=dict)
    late: dict[int, dict[str, HeaderEdit]] = field(default_factory=dict)
    """Edits of headers behind CORS filters, by port and target."""
    routes: dict[str, str] = field(default_factory=dict)


def render(table: RouteTable, place: Place, timings: Timings = Timings()) -> Rendered:  # noqa: B008  # frozen
    """A door's table. Raises ValueError for what HAProxy cannot be told."""
    ways = _Ways()
    ways.maps["at"], ways.maps["at-wild"] = listener_entries(table.listeners)
    for listener in table.listeners:
        exact, wild = host_entries(listener)
        ways.maps["hosts"] += exact
        ways.maps["hosts-wild"] += wild
        for host in listener.hosts:
            _host(table, listener, host, ways)
    ports = _by_port(table.listeners)
    scripts = _scripts(place, table)
    lua = [f"  lua-load {place.folder}/{name}" for name in scripts]
    copies = mirror_frontend(place) if mirroring.FILE in scripts else ()
    return Rendered(
        head="\n".join([*_global(place, timings, lua), *_frontends(place, ports, ways), *copies, ""]),
        sections=ways.sections,
        lists={
            **ending.crt_lists(place.folder, ports, table.certificates),
            **scripts,
            handover.FILE: "",
        },
        maps={name: tuple(dict.fromkeys(entries)) for name, entries in ways.maps.items()},
        servers={name: _servers(table, section) for name, section in ways.sections.items() if section.pool},
        speeches={n: speech(table.pools[s.pool], place) for n, s in ways.sections.items() if s.pool},
        certificates={
            certificate_file(name): f"{one.key.strip()}\n{one.chain.strip()}\n"
            for name, one in table.certificates.items()
        },
        authorities=_authorities(table.pools.values(), ports.values()),
        routes=ways.routes,
        entries={listener.name: listener.entry for listener in table.listeners},
    )


def _scripts(place: Place, table: RouteTable) -> dict[str, str]:
    """Lua that the table needs, by file name."""
    routes = [route for listener in table.listeners for route in routes_of(listener)]
    scripts = {}
    if any(route.mirrors for route in routes):
        scripts[mirroring.FILE] = mirroring.script(place)
    if any(route.max_body for route in routes):
        scripts[limiting.FILE] = limiting.script()
    return scripts


def with_endpoints_of(rendered: Rendered, old: RouteTable, table: RouteTable) -> Rendered | None:
    """What `render` would make of `table`, if only endpoints are otherwise than in `old`, which `rendered` is of."""
    if table.listeners != old.listeners or table.certificates != old.certificates:
        return None
    changed = {key for key, pool in table.pools.items() if pool is not old.pools.get(key)}
    if table.pools.keys() != old.pools.keys() or not all(
        _is_alike(old.pools[key], table.pools[key]) for key in changed
    ):
        return None
    sections = {name: s for name, s in rendered.sections.items() if s.pool in changed}
    return replace(rendered, servers={**rendered.servers, **{n: _servers(table, s) for n, s in sections.items()}})


def _is_alike(one: Pool, other: Pool) -> bool:
    return replace(one, endpoints=()) == replace(other, endpoints=())


def config_text(rendered: Rendered) -> str:
    """The file, with the servers of the moment."""
    return rendered.head + "\n".join(_section_lines(rendered)) + "\n"


def _section_lines(rendered: Rendered) -> Iterator[str]:
    for name, section in sorted(rendered.sections.items()):
        yield f"backend {name}"
        yield from (f"  {line}" for line in section.lines)
        for endpoint in rendered.servers.get(name, ()):
            yield f"  server {server(endpoint, rendered.speeches[name])}"


def _authorities(pools: Iterable[Pool], ports: Iterable[Iterable[Listener]]) -> dict[str, str]:
    found = {pool.tls.authorities for pool in pools if pool.tls is not None}
    found |= {clients.authorities for here in ports if (clients := clients_of(here)) is not None}
    return {authorities_file(pem): pem for pem in found if pem}


def _servers(table: RouteTable, section: Section) -> tuple[Endpoint, ...]:
    """Each address and port once."""
    return tuple({(e.address, e.port): e for e in table.pools[section.pool].endpoints}.values())


def _by_port(listeners: Iterable[Listener]) -> dict[int, list[Listener]]:
    ports: dict[int, list[Listener]] = {}
    for listener in listeners:
        ports.setdefault(listener.port, []).append(listener)
    return dict(sorted(ports.items()))


def _host(table: RouteTable, listener: Listener, host: VirtualHost, ways: _Ways) -> None:
    targets = [(route, _target(table, listener, host, route, ways)) for route in host.routes]
    where = key(listener, host)
    if listener.protocol == "TLS":
        ways.maps["prefix"] += [(f"{where}|/", target) for _, target in targets[:1]]
    elif is_mappable(host.routes):
        exact, prefix = path_entries(where, targets)
        ways.maps["exact"] += exact
        ways.maps["prefix"] += prefix
    else:
        rules = ways.conditions.setdefault(listener.port, [])
        rules += [Condition(where, route.match, target, route.cors is not None) for route, target in targets]


def _target(table: RouteTable, listener: Listener, host: VirtualHost, route: Route, ways: _Ways) -> str:
    """Named after all that a request's line of the log is to say, so that old and new never share a name."""
    passing = listener.protocol == "TLS"
    found = passed_through(table, route) if passing else sections_of(table, listener, route)
    ways.sections.update({section.name: section for section, _ in found})
    if not passing:
        ways.sections.update({section.name: section for section in mirrors_of(table, route)})
    target = digest(listener.name, route.name, *(f"{section.name}={weight}" for section, weight in found))
    ways.routes[target] = route.name
    for name, entries in cors_entries(target, route.cors).items() if route.cors else ():
        ways.maps[name] += entries
    if route.cors is not None and route.late_headers is not None:
        ways.late.setdefault(listener.port, {})[target] = route.late_headers
    if len(found) == 1:
        ways.maps["target"].append((target, found[0][0].name))
    elif found:
        ends, end = [], 0
        for section, weight in found:
            end += weight
            ends.append((section.name, end))
        ways.shares.setdefault(listener.port, {})[target] = Share(target, tuple(ends))
    return target


def _global(place: Place, timings: Timings, more: Iterable[str]) -> Iterator[str]:
    yield "global"
    yield f"  stats socket {place.folder}/worker.sock mode 600 level admin expose-fd listeners"
    yield "  stats timeout 1h"
    if place.user:
        yield from (f"  uid {place.user}", f"  gid {place.group}", f"  chroot {place.sockets}")
    yield f"  log {place.seen('log.sock')} len 16384 format raw local0 info"
    # of workers that a reload has replaced: they have connections, which may be long ones, and nothing else
    yield f"  hard-stop-after {_ms(timings.tunnel)}"
    yield "  ssl-default-bind-options ssl-min-ver TLSv1.2"
    yield from more
    yield "defaults"
    yield "  mode http"
    yield "  log global"
    yield "  option dontlognull"
    yield "  option idle-close-on-response"
    yield f"  timeout connect {_ms(timings.connect)}"
    yield f"  timeout client {_ms(timings.answer)}"
    yield f"  timeout server {_ms(timings.answer)}"
    yield f"  timeout tunnel {_ms(timings.tunnel)}"
    yield f"  timeout http-request {_ms(timings.head)}"
    yield f"  timeout http-keep-alive {_ms(timings.idle)}"
    yield "  retries 3"
    yield "  option redispatch 1"
    yield "  retry-on conn-failure empty-response"
    for status, text in _ERRORS.items():
        yield f"  http-error status {status} content-type 'text/plain; charset=utf-8' string '{text}'"


_ERRORS = {
    400: "not HTTP",
    408: "the request took too long",
    500: "an error in the door",
    502: "the backend closed the connection, or its answer is not HTTP, or has a head of more than 15 kB",
    503: "no endpoint of the backend can be reached",
    504: "the backend took too long",
}


def _ms(seconds: float) -> str:
    return f"{max(1, round(seconds * 1000))}ms"


def _frontends(place: Place, ports: Mapping[int, list[Listener]], ways: _Ways) -> Iterator[str]:
    for port, here in ports.items():
        requests = [at for at in here if at.protocol != "TLS"]
        shares = list(ways.shares.get(port, {}).values())
        if len(requests) < len(here):
            yield from passing_frontend(place, port, here, shares)
        if ending.ending(here, "TLS"):
            yield from ended_frontend(place, port, here, shares)
        if requests:
            conditions, late = ways.conditions.get(port, []), ways.late.get(port, {})
            yield from http_frontend(place, port, here, conditions, shares, late)
