"""CORS in a frontend. What the filters say is in maps, so that only a port's first and last CORS route is a reload.

    cors                target -> who/credentials/methods/headers/exposed/age/origins
    origins             host|port|scheme|origins, for hosts that are named, and those with `*` for one label
    origins-end         the same from the end, for hosts with `*` in front

`who` is `any` (everybody is told `*`), `each` (every origin is told itself) or `some` (those in the other two maps).
`origins` is named after what is in it, so that a change of a filter is one of its entry in `cors`, and whole.
A ResponseHeaderModifier behind a CORS filter is rules of its own behind those, of its route's target.
A port without such a route has none of these lines. At the others, `allow` ends a frontend's rules for requests and
answers of routes without CORS: `txn.cors`, the route's entry, is not there. So these rules have to be the last ones.
"""

from collections.abc import Iterable, Iterator, Mapping

from portway.routing.answers import answer_text
from portway.routing.cors import ANY, ASKED_HEADERS, ASKED_METHOD, PREFIX, echoes, exposed_names, parse_origin, says_any
from portway.routing.haproxy.handover import ENDING
from portway.routing.haproxy.words import digest, edit_lines, quoted
from portway.routing.table import Cors, HeaderEdit

Entries = list[tuple[str, str]]
NAMES = ("cors", "origins", "origins-end")
_PREFLIGHT = f"{{ method OPTIONS }} {{ req.fhdr(origin,1) -m len gt 0 }} {{ req.fhdr({ASKED_METHOD},1)"
_WHO, _CREDENTIALS, _METHODS, _HEADERS, _EXPOSED, _AGE, _ORIGINS = (f"var(txn.cors),field({n},/)" for n in range(1, 8))
_ECHO = "="
_ORIGIN = r"'^https?://(\[[^/\]]*\]|[^/:]+)(:[0-9]+)?$'"


def cors_entries(target: str, cors: Cors) -> dict[str, Entries]:
    """By map."""
    who = "any" if says_any(cors) else "each" if ANY in cors.origins else "some"
    permitted = (_ECHO if echoes(cors, allowed) else ",".join(allowed) for allowed in (cors.methods, cors.headers))
    credentials, exposed = "true" if cors.credentials else "", ",".join(exposed_names(cors))
    origins = digest(*cors.origins, *(["one label"] if cors.one_label else ()))
    value = (who, credentials, *permitted, exposed, str(cors.max_age), origins)
    found: dict[str, Entries] = {"cors": [(target, "/".join(value))], "origins": [], "origins-end": []}
    for pattern in dict.fromkeys(filter(None, map(parse_origin, cors.origins))):
        from_end = pattern.host.startswith(ANY) and not cors.one_label
        host = pattern.host.removeprefix(ANY) if from_end else pattern.host
        found["origins-end" if from_end else "origins"].append(
            (f"{host}|{pattern.port}|{pattern.scheme}|{origins}", "1")
        )
    return found


def asks_for(method: str) -> str:
    """Conditions: a preflight that asks for this method."""
    return f"{_PREFLIGHT} -m str {quoted(method)} }}"


def cors_lines(maps: Iterable[str], late: Mapping[str, HeaderEdit]) -> Iterator[str]:
    """A frontend's last rules; `maps`: the files of NAMES; `late`: edits behind CORS filters, by target."""
    of_target, exact, ends = maps
    yield f"http-request set-var(txn.cors) var(txn.to),map_str({of_target}) if !{ENDING}"
    yield "http-request allow if !{ var(txn.cors) -m found }"
    yield "http-request set-var(txn.origin) req.fhdr(origin,1)"
    yield from _told(exact, ends)
    asks = f"{_PREFLIGHT} -m len gt 0 }}"
    yield f"http-request set-var(txn.asked) req.fhdr({ASKED_METHOD},1) if {asks}"
    yield f"http-request set-var(txn.fields) req.fhdr({ASKED_HEADERS},1) if {{ var(txn.asked) -m found }}"
    refusal = f"content-type 'text/plain; charset=utf-8' string {quoted(answer_text('ORIGIN_REFUSED'))}"
    yield "http-request return status 204 if { var(txn.asked) -m found } { var(txn.told) -m found }"
    yield f"http-request return status 403 {refusal} if {{ var(txn.asked) -m found }}"
    yield from _answers()
    for target, edit in late.items():
        mine = f" if {{ var(txn.to) -m str {quoted(target)} }}"
        yield from (f"{line}{mine}" for line in edit_lines("http-after-response", edit))


def _told(exact: str, ends: str) -> Iterator[str]:
    """`told_origin` in txn.told."""
    some = f"{{ {_WHO} -m str some }} {{ var(txn.origin) -m reg -i {_ORIGIN} }}"
    yield f"http-request set-var(txn.told) str({ANY}) if {{ {_WHO} -m str any }}"
    itself = "http-request set-var(txn.told) var(txn.origin)"
    yield f"{itself} if {{ {_WHO} -m str each }} {{ var(txn.origin) -m len gt 0 }}"
    yield f"http-request set-var(txn.of) var(txn.origin),lower,field(3,/),regsub(:[0-9]*$,) if {some}"
    yield f"http-request set-var(txn.origins) {_ORIGINS} if {{ var(txn.of) -m found }}"
    yield "http-request set-var(txn.scheme) var(txn.origin),lower,field(1,:) if { var(txn.of) -m found }"
    yield "http-request set-var(txn.port) var(txn.origin),regsub(.*:,) if { var(txn.of) -m found }"
    for scheme, port in (("http", 80), ("https", 443)):
        own = f"{{ var(txn.scheme) -m str {scheme} }} !{{ var(txn.origin) -m reg ':[0-9]+$' }}"
        yield f"http-request set-var(txn.port) str({port}) if {own}"
    rest = "concat(|,txn.port,|),concat(,txn.scheme,|),concat(,txn.origins)"
    for key in (
        f"{rest},map_str({exact})",
        f"regsub(^[^.]*,*),{rest},map_str({exact})",
        f"{rest},map_end({ends})",
    ):
        yield f"{itself} if {{ var(txn.of) -m found }} !{{ var(txn.told) -m found }} {{ var(txn.of),{key} -m found }}"


def _answers() -> Iterator[str]:
    """As `with_cors`, of everybody's answers: the door's own are among them."""
    told, rule = "{ var(txn.told) -m found }", "http-after-response"
    yield f"{rule} allow if !{{ var(txn.cors) -m found }}"
    yield f"{rule} del-header {PREFIX} -m beg"
    varies = f"!{{ {_WHO} -m str any }} !{{ res.hdr(vary) -m str -i origin }}"
    yield f"{rule} add-header Vary Origin if {varies}"
    yield f"{rule} set-header Access-Control-Allow-Origin %[var(txn.told)] if {told}"
    yield f"{rule} set-header Access-Control-Allow-Credentials true if {told} {{ {_CREDENTIALS} -m str true }}"
    yield f"{rule} set-header Access-Control-Expose-Headers %[{_EXPOSED}] if {told} {{ {_EXPOSED} -m len gt 0 }}"
    for name, listed, asked in (("Methods", _METHODS, "txn.asked"), ("Headers", _HEADERS, "txn.fields")):
        allowed = f"{told} {{ var(txn.asked) -m found }}"
        echoed = f"{{ {listed} -m str {_ECHO} }}"
        field = f"{rule} set-header Access-Control-Allow-{name}"
        yield f"{field} %[{listed}] if {allowed} {{ {listed} -m len gt 0 }} !{echoed}"
        yield f"{field} %[var({asked})] if {allowed} {echoed} {{ var({asked}) -m len gt 0 }}"
    yield f"{rule} set-header Access-Control-Max-Age %[{_AGE}] if {told} {{ var(txn.asked) -m found }}"
