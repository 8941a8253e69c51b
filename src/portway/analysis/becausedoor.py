"""Why a request ends at its door: what checks find at doors and routes with its host, or at the one that took it."""

from collections.abc import Iterator

from portway.analysis.because import findings_at
from portway.analysis.bundle import Bundle, Item
from portway.analysis.finding import Finding
from portway.analysis.reach import ROUTES
from portway.analysis.view import inside, word, words
from portway.analysis.webtrace import WebTrace
from portway.routing.hosts import covers

_SECRETS = "PW-R09"
"""A matter of taste, but where somebody asks why TLS is not served."""


def because_of_door(bundle: Bundle, found: WebTrace, host: str) -> tuple[Finding, ...]:
    """The findings that can be the cause, the worst first; `host` without its port, lower case."""
    if found.arrives:
        return ()
    if found.code == "NO_ENDPOINTS":
        names = {f"Service {share.service.partition(':')[0]}" for share in found.shares}
        return findings_at(bundle, ("endpoint", "service", "pod"), names)
    route, _, rule = found.route.rpartition(" ")
    others = {item.named for item in _having(bundle, host)} if found.host in ("", "*") else set[str]()
    findings = findings_at(bundle, ("door",), others | {route} - {""}, {_SECRETS})
    return tuple(one for one in findings if one.where.object != route or _is_in(rule, one.where.path))


def _is_in(rule: str, path: str) -> bool:
    """Whether a field is in the rule (of an Ingress: path) that took the request, or in none."""
    place = "spec." + rule.replace(".paths", ".http.paths")
    return path.startswith((f"{place}.", f"{place}[")) or not path.startswith(("spec.rules", "spec.defaultBackend"))


def _having(bundle: Bundle, host: str) -> Iterator[Item]:
    for item in bundle.of("Ingress", "Gateway", "ListenerSet", *ROUTES):
        if any(name and covers(name.lower(), host) for name in _hostnames(item)):
            yield item


def _hostnames(item: Item) -> Iterator[str]:
    if item.kind == "Ingress":
        yield from (word(one.get("host")) for _, one in inside(item, "spec.rules"))
    yield from (word(one.get("hostname")) for _, one in inside(item, "spec.listeners"))
    yield from words(item.get("spec.hostnames"))
