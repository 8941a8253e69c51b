"""Frontends: one a port; its lines are the same for every table, but for conditions and shares."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec import Struct

from portway.routing.answers import answer_text
from portway.routing.door import routes_of
from portway.routing.haproxy import cors
from portway.routing.haproxy.ending import secured
from portway.routing.haproxy.handover import ENDING, again, handing_over, taken_over, taking_over
from portway.routing.haproxy.limiting import FILTER
from portway.routing.haproxy.place import Place
from portway.routing.haproxy.words import digest, plain, quoted
from portway.routing.hosts import clients_of
from portway.routing.table import HeaderEdit, Listener, Match, ValueMatch


class Condition(Struct, frozen=True):
    """A route that is found by trying: its virtual host, match and target."""

    host: str
    match: Match
    target: str
    preflights: bool = False
    """Whether it also takes those that ask for its method."""


class Share(Struct, frozen=True):
    """A target with several sections: each with the end of its part of the line."""

    target: str
    ends: tuple[tuple[str, int], ...]


_HTTP_LOG = (
    '{"kind":"request","at":%Ts.%ms,"took":%Ta,"client":"%ci","from":%cp,"address":"%fi","port":%fp,"status":%ST,"in":%U,"out":%B,'
    '"target":"%[var(txn.to)]","section":"%b","server":"%s","end":"%ts","tls":"%[ssl_bc_err]","listener":"%[var(txn.at)]","known":"%[var(txn.vh)]",'
    '"method":"%[var(txn.method),json(utf8ps)]","host":"%[var(txn.host),json(utf8ps)]",'
    '"path":"%[var(txn.path),json(utf8ps)]"}'
)


_ABSOLUTE = "!{ url -m beg / * } !{ req.ver 2.0 }"
"""A request of HTTP/1 that names its host in its target, past what routes say of Host."""
_CLAIMED = "^(proxy|forwarded|x[-_]forwarded[-_](for|proto|host|port))$"
"""As `head.forwarded` and HOP_BY_HOP leave out."""


def http_frontend(
    place: Place,
    port: int,
    listeners: Sequence[Listener],
    rules: Sequence[Condition],
    shares: Iterable[Share],
    late: Mapping[str, HeaderEdit],
) -> Iterator[str]:
    """Where requests are read."""
    tls = listeners[0].protocol != "HTTP"
    yield f"frontend http-{port}"
    clients = clients_of(listeners)
    for bind in (*_binds(place, port, listeners, tls), taking_over(place, port)):
        yield f"  bind {bind}"
    yield f"  log-format {quoted(_HTTP_LOG)}"
    if any(route.max_body for listener in listeners for route in routes_of(listener)):
        yield f"  {FILTER}"
    yield from (f"  {line}" for line in handing_over(place.folder, clients))
    yield from (f"  {line}" for line in _understood(tls))
    yield from (f"  {line}" for line in found(place, port, "http-request", "txn"))
    yield from (f"  {line}" for line in taken_over(clients))
    if tls and len(listeners) > 1:
        yield from (f"  {line}" for line in _misdirected(place, port))
    yield from (f"  {line}" for line in _parameters(rules))
    yield from (f"  {line}" for rule in rules for line in _condition(rule))
    yield f"  http-request return {_not_found('NO_HOST')} if !{{ var(txn.vh) -m found }} !{ENDING}"
    yield f"  http-request return {_not_found('NO_ROUTE')} if !{{ var(txn.to) -m found }} !{ENDING}"
    yield f"  use_backend again-{port} if {ENDING}"
    yield from (f"  {line}" for line in sent(place, "http-request", "txn", shares))
    if any(route.cors for listener in listeners for route in routes_of(listener)):
        yield from (f"  {line}" for line in cors.cors_lines(map(place.map, cors.NAMES), late))
    yield from again(place, port)


def _binds(place: Place, port: int, listeners: Sequence[Listener], tls: bool) -> Iterator[str]:
    """Behind a port that also passes connections through, a socket of our own takes its place."""
    ssl = secured(place.folder, port, listeners, "HTTPS") if tls else ""
    if any(at.protocol == "TLS" for at in listeners):
        yield f"{place.bind(f'https-{port}.sock')} accept-proxy{ssl}"
        return
    for address in place.addresses:
        yield f"{bound(address, port)}{ssl}"


def bound(address: str, port: int) -> str:
    """Of a bind."""
    return f"{address}:{port} v6only" if ":" in address else f"{address}:{port}"


def _understood(tls: bool) -> Iterator[str]:
    yield "http-request deny deny_status 400 if { method CONNECT }"  # a tunnel past all routes
    yield r"http-request deny deny_status 400 if { req.hdrs -m reg '\x00' }"
    yield "http-request deny deny_status 400 if { req.ver 1.0 } { req.hdr(transfer-encoding) -m found }"
    yield f"http-request set-uri / if {_ABSOLUTE} !{{ path -m found }}"
    yield f"http-request set-uri %[pathq] if {_ABSOLUTE}"
    yield "http-request set-var(txn.method) method"
    yield "http-request set-var(txn.path) path"
    yield "http-request set-var(txn.path) url if !{ var(txn.path) -m found }"  # *
    yield "http-request set-var(txn.host) req.hdr(host),lower,regsub(:[0-9]*$,)"
    yield "http-request deny deny_status 400 if { req.hdr_cnt(host) gt 1 }"
    yield "http-request deny deny_status 400 unless { req.ver 1.0 1.1 2.0 }"
    yield "http-request deny deny_status 400 if { req.ver 1.1 } !{ req.hdr(host) -m found }"
    yield f"http-request set-var(txn.name) {'ssl_fc_sni,lower' if tls else 'var(txn.host)'}"
    if tls:
        yield "http-request set-var(txn.name) fc_pp_authority,lower if !{ var(txn.name) -m found }"
    yield "http-request set-header Connection Upgrade if { req.hdr(connection) -i upgrade }"
    yield "http-request del-header Connection if !{ req.hdr(connection) -i upgrade }"
    yield f"http-request del-header {quoted(_CLAIMED)} -m reg"
    yield "http-request add-header X-Forwarded-For %[src]"
    yield f"http-request add-header X-Forwarded-Proto {'https' if tls else 'http'}"
    yield "http-request add-header X-Forwarded-Host %[req.hdr(host)]"
    yield "http-request add-header X-Forwarded-Port %[dst_port]"
    yield "http-request set-header X-Request-Id %[uuid] unless { req.hdr(x-request-id) -m found }"


def found(place: Place, port: int, rule: str, scope: str) -> Iterator[str]:
    """The way through the maps; each step is tried while the one before has found nothing."""

    def step(variable: str, *ways: str) -> Iterator[str]:
        return _step(rule, f"{scope}.{variable}", *ways)

    yield from step("at", *_listener_of(place, port, f"{scope}.name"))
    yield f"{rule} set-var({scope}.parent) var({scope}.host),regsub(^[^.]*,)"
    yield from step(
        "vh",
        f"var({scope}.at),concat(|,{scope}.host),map_str({place.map('hosts')})",
        f"var({scope}.at),concat(|*,{scope}.parent),map_str({place.map('hosts')})",
        f"var({scope}.host),concat(|,{scope}.at),map_end({place.map('hosts-wild')})",
        f"var({scope}.at),concat(|),map_str({place.map('hosts')})",
    )
    yield from step(
        "to",
        f"var({scope}.vh),concat(|,{scope}.path),map_str({place.map('exact')})",
        f"var({scope}.vh),concat(|,{scope}.path,/),map_beg({place.map('prefix')})",
    )


def _step(rule: str, variable: str, *ways: str) -> Iterator[str]:
    yield f"{rule} set-var({variable}) {ways[0]}"
    for way in ways[1:]:
        yield f"{rule} set-var({variable}) {way} if !{{ var({variable}) -m found }}"


def _listener_of(place: Place, port: int, name: str) -> tuple[str, str, str]:
    """The ways in which `listener_for` finds one by the name in a variable."""
    return (
        f"str({port}|),concat(,{name}),map_str({place.map('at')})",
        f"var({name}),concat(|{port}),map_end({place.map('at-wild')})",
        f"str({port}|),map_str({place.map('at')})",
    )


def _misdirected(place: Place, port: int) -> Iterator[str]:
    """As `is_misdirected`."""
    yield from _step("http-request", "txn.better", *_listener_of(place, port, "txn.host"))
    other = "{ var(txn.at) -m found } { var(txn.better) -m found } !{ var(txn.better),strcmp(txn.at) eq 0 }"
    said = f"content-type 'text/plain; charset=utf-8' string {quoted(answer_text('MISDIRECTED'))}"
    yield f"http-request return status 421 {said} if {other} !{ENDING}"


def _parameters(rules: Iterable[Condition]) -> Iterator[str]:
    """The first of a repeated parameter counts, where a test by itself would try all of them."""
    for name in sorted({query.name for rule in rules for query in rule.match.query}):
        yield f"http-request set-var({_parameter(name)}) url_param({plain(name)}),url_dec(1)"


def _parameter(name: str) -> str:
    return f"txn.q_{digest(name)}"


def _condition(rule: Condition) -> Iterator[str]:
    """One route that is tried; each is tried while none has matched."""
    tests = ["!{ var(txn.to) -m found }", f"{{ var(txn.vh) -m str {quoted(rule.host)} }}", _path(rule.match)]
    tests += [_value(f"req.fhdr({plain(header.name)})", header) for header in rule.match.headers]
    tests += [_value(f"var({_parameter(query.name)})", query) for query in rule.match.query]
    for method in _methods(rule):
        told = " ".join(test for test in (*tests, method) if test)
        yield f"http-request set-var(txn.to) str({rule.target}) if {told}"


def _methods(rule: Condition) -> list[str]:
    if not rule.match.method:
        return [""]
    itself = f"{{ method {quoted(rule.match.method)} }}"
    return [itself, cors.asks_for(rule.match.method)] if rule.preflights else [itself]


def _path(match: Match) -> str:
    if match.path_type == "Exact":
        return f"{{ var(txn.path) -m str {quoted(match.path)} }}"
    if match.path_type == "Prefix":
        prefix = match.path.rstrip("/")
        return f"{{ var(txn.path),concat(/) -m beg {quoted(prefix + '/')} }}" if prefix else ""
    return f"{{ var(txn.path) -m reg {quoted(f'^(?:{match.path})$')} }}"


def _value(sample: str, wanted: ValueMatch) -> str:
    if wanted.type == "Exact":
        return f"{{ {sample} -m str -- {quoted(wanted.value)} }}"
    return f"{{ {sample} -m reg -- {quoted(f'^(?:{wanted.value})$')} }}"


def _not_found(code: str) -> str:
    return f"status 404 content-type 'text/plain; charset=utf-8' string {quoted(answer_text(code))}"


def sent(place: Place, rule: str, scope: str, shares: Iterable[Share]) -> Iterator[str]:
    """To the section of the target that was found, each in turn where it has several."""
    for share in shares:
        mine = f"{{ var({scope}.to) -m str {quoted(share.target)} }}"
        yield f"{rule} set-var({scope}.slot) rand({share.ends[-1][1]}) if {mine}"
        for section, end in share.ends:
            yield f"use_backend {section} if {mine} {{ var({scope}.slot) -m int lt {end} }}"
    yield f"{rule} set-var({scope}.be) var({scope}.to),map_str({place.map('target')})"
    yield f"use_backend %[var({scope}.be)] if {{ var({scope}.be) -m found }}"
