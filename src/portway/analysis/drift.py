"""What changed between two moments of a cluster: exposure gained and lost, ports that moved, what breaks meanwhile."""

from collections.abc import Iterator, Sequence
from typing import Literal

from msgspec import Struct

from portway.analysis.bundle import Bundle, Item, makes_pods
from portway.analysis.check import Settings
from portway.analysis.checks import built_in
from portway.analysis.exposure import Exposure, Way, by_key
from portway.analysis.finding import Finding
from portway.analysis.insiders import Clients
from portway.analysis.lint import lint
from portway.kubeapi.errors import Doc

Kind = Literal["exposure-gained", "exposure-lost", "reach-gained", "reach-lost", "moved", "added", "removed", "rollout"]
KINDS: tuple[Kind, ...] = (
    *("exposure-gained", "exposure-lost", "reach-gained", "reach-lost"),
    *("moved", "rollout", "added", "removed"),
)
"""In the order in which they are shown. exposure: from outside; reach: from inside."""
_MEANWHILE = ("PW-W01", "PW-W02", "PW-W04", "PW-P01", "PW-P03", "PW-R01", "PW-H02")


class Change(Struct, frozen=True):
    """One difference."""

    kind: Kind
    subject: str
    """`shop/web:http`."""
    text: str
    before: str = ""
    after: str = ""
    example: str = ""
    """A connection that is possible now and was not, or the other way round."""


def compare(before: Sequence[Exposure], after: Sequence[Exposure]) -> tuple[Change, ...]:
    """The differences of two moments, in the order of KINDS."""
    old, new = by_key(before), by_key(after)
    found: list[Change] = []
    for key in dict.fromkeys([*old, *new]):
        found += _of_port(old.get(key), new.get(key))
    return tuple(sorted(found, key=lambda one: (KINDS.index(one.kind), one.subject)))


def _of_port(old: Exposure | None, new: Exposure | None) -> Iterator[Change]:
    if old is None and new is not None:
        yield Change("added", new.named, f"{new.type} Service port {new.port}/{new.protocol}", after=_mapping(new))
    if new is None and old is not None:
        yield Change("removed", old.named, f"{old.type} Service port {old.port}/{old.protocol}", before=_mapping(old))
    yield from _outside(old, new)
    if old is not None and new is not None:
        yield from _moved(old, new)
        yield from _reach(old, new)


def _mapping(one: Exposure) -> str:
    node = f"{one.node_port} → " if one.node_port else ""
    return f"{node}{one.port} → {one.target_port}"


_DRAWN = ("nodePort", "loadBalancer")
"""Ways whose numbers and addresses may be drawn anew without being another way; of each family one."""


def _ways(one: Exposure | None) -> dict[str, Way]:
    """Those that lead in from outside, by what they are: a number that moves is no new way."""
    if one is None:
        return {}
    return {
        f"{way.entry} {way.address.count(':') > 1}" if way.entry in _DRAWN else f"{way.entry} {way.address}": way
        for way in one.ways
        if way.outside in ("open", "partly")
    }


def _outside(old: Exposure | None, new: Exposure | None) -> Iterator[Change]:
    before, after = _ways(old), _ways(new)
    named = new.named if new else old.named if old else ""
    for key, way in after.items():
        if key not in before:
            limit = (
                f"; limited by {', '.join(new.restricted_by)}" if new and new.restricted_by else "; nothing limits who"
            )
            text = f"reachable from outside by {way.entry} {way.address}{limit}"
            yield Change("exposure-gained", named, text, after=way.address, example=way.example or way.address)
    for key, way in before.items():
        if key not in after:
            now = next((w for w in new.ways if w.entry == way.entry), None) if new else None
            why = f": {now.code}" if now and now.code else ""
            text = f"no longer reachable from outside by {way.entry} {way.address}{why}"
            yield Change("exposure-lost", named, text, before=way.address, example=way.example or way.address)
    if old and new and before and after and old.restricted_by and not new.restricted_by:
        text = f"open to everybody outside: {', '.join(old.restricted_by)} no longer limits it"
        way = next(iter(after.values()))
        yield Change("exposure-gained", named, text, before=", ".join(old.restricted_by), example=way.example)


def _moved(old: Exposure, new: Exposure) -> Iterator[Change]:
    pairs = {
        "nodePort": (_node_port(old), _node_port(new)),
        "port": (str(old.port), str(new.port)),
        "targetPort": (old.target_port, new.target_port),
        "type": (old.type, new.type),
    }
    for label, (before, after) in pairs.items():
        if before != after:
            yield Change("moved", new.named, f"{label} {before} → {after}", before, after)


def _node_port(one: Exposure) -> str:
    return "none" if not one.node_port else "drawn" if one.drawn else str(one.node_port)


def _reach(old: Exposure, new: Exposure) -> Iterator[Change]:
    if old.clients == new.clients or old.clients.asked == 0 or new.clients.asked == 0:
        return
    if gained := _more(new.clients, old.clients):
        yield Change("reach-gained", new.named, f"now reachable from {_listed(gained)}", after=_listed(gained))
    if lost := _more(old.clients, new.clients):
        yield Change("reach-lost", new.named, f"no longer reachable from {_listed(lost)}", before=_listed(lost))


def _more(one: Clients, other: Clients) -> list[str]:
    """Who may in the first and may not in the second."""
    mine, yours = set(one.namespaces), set(other.namespaces)
    found = [f"namespace {name}" + _all_but(name, one.but, other.partly) for name in sorted(mine - yours)]
    found += sorted({name for name in other.but if _space(name) in mine} - set(one.but))
    known = {name for name in one.partly if _space(name) not in yours or name in other.but}
    return found + sorted(known - set(other.partly))


def _all_but(space: str, *lists: Sequence[str]) -> str:
    names = sorted({name for names in lists for name in names if _space(name) == space})
    return f" (but {', '.join(names)})" if names else ""


def _space(workload: str) -> str:
    return workload.partition("/")[0]


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")


def meanwhile(before: Bundle, after: Bundle) -> tuple[Change, ...]:
    """What breaks while pods of both moments run: new Services over old pods, and old Services over new pods."""
    if any(_documents(before, pods) == _documents(after, pods) for pods in (True, False)):
        return ()  # one half stays: each mixture is one of the moments
    checks = [check for check in built_in() if check.code in _MEANWHILE]
    settled = {_identity(one) for bundle in (before, after) for one in lint(bundle, checks, Settings()).findings}
    found: dict[str, Change] = {}
    for services, pods, text in (
        (after, before, "new Services over pods that are not replaced yet"),
        (before, after, "new pods behind Services that are not applied yet"),
    ):
        for one in lint(_mixed(services, pods), checks, Settings()).findings:
            if one.severity == "error" and _identity(one) not in settled:
                found.setdefault(one.message, Change("rollout", one.where.object, f"{text}: {one.message}"))
    return tuple(found.values())


def _identity(finding: Finding) -> tuple[str, str, str]:
    return finding.code, finding.where.object, finding.message


def _mixed(services: Bundle, pods: Bundle) -> Bundle:
    """One moment's workloads under everything else of the other."""
    items = [*_half(services, pods=False), *_half(pods, pods=True)]
    return Bundle(items, complete=services.complete, partial=services.partial or pods.partial)


def _half(bundle: Bundle, *, pods: bool) -> Iterator[Item]:
    """What makes pods, or everything else."""
    return (item for item in bundle.items if makes_pods(item) == pods)


def _documents(bundle: Bundle, pods: bool) -> dict[tuple[str, str, str], Doc]:
    return {(item.kind, *item.key): item.value for item in _half(bundle, pods=pods)}
