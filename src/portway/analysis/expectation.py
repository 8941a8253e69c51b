"""Expectations about who reaches what, in netassert's shape, with Services and nodePorts as goals.

- name: web answers outside
  type: k8s
  protocol: tcp
  targetPort: 30080
  exitCode: 0                     # 0: reachable, anything else: not
  src: {host: {name: outside}}    # outside, an address, or k8sResource
  dst: {nodePort: {node: node-1}}
- name: visitors do not reach the database
  targetPort: 5432
  exitCode: 1
  src: {k8sResource: {kind: deployment, name: visitor, namespace: default}}
  dst: {service: {name: db, namespace: shop}}
"""

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

from portway.analysis.insiders import owner
from portway.analysis.target import PROTOCOLS, Place, Target
from portway.analysis.trace import MEANING, Pod, Terrain, Trace, trace
from portway.kubeapi.errors import Doc


class BadExpectation(ValueError):
    """What is wrong, with the entry's place and what would be right."""


class Expectation(Struct, frozen=True):
    """One line of the file."""

    name: str
    source: Doc
    goal: Doc
    port: str
    protocol: str
    reachable: bool


class Outcome(Struct, frozen=True):
    """What became of one."""

    name: str
    held: bool
    text: str
    """Why not; or how the packet went."""
    reachable: bool = True
    """What was wanted."""
    ways: tuple[tuple[Place, Trace], ...] = ()
    """Every way that it is about, from where."""


_FIELDS = {"name", "type", "protocol", "targetPort", "timeoutSeconds", "attempts", "exitCode", "src", "dst"}


def parse(document: Any, file: str) -> tuple[Expectation, ...]:
    """The expectations of a file. Raises BadExpectation."""
    if not isinstance(document, list):
        raise BadExpectation(f"{file}: this must be a list of expectations")
    return tuple(_parsed(entry, f"{file}[{index}]") for index, entry in enumerate(document))


def _parsed(entry: Any, where: str) -> Expectation:
    if not isinstance(entry, dict):
        raise BadExpectation(f"{where}: this must be an object")
    for key in entry:
        if key not in _FIELDS:
            raise BadExpectation(f"{where}.{key}: there is no such field; there are {', '.join(sorted(_FIELDS))}")
    for key in ("name", "src", "dst", "targetPort"):
        if key not in entry:
            raise BadExpectation(f"{where}.{key} is missing")
    protocol = PROTOCOLS.get(str(entry.get("protocol", "tcp")).lower())
    if protocol is None:
        raise BadExpectation(f"{where}.protocol: {entry['protocol']!r} is no protocol; there are tcp, udp, sctp")
    for side, forms in (("src", ("host", "k8sResource")), ("dst", ("host", "k8sResource", "service", "nodePort"))):
        value = entry[side]
        if not isinstance(value, dict) or len(value) != 1 or next(iter(value)) not in forms:
            raise BadExpectation(f"{where}.{side}: exactly one of {', '.join(forms)}")
        if not isinstance(next(iter(value.values())), dict):
            raise BadExpectation(f"{where}.{side}.{next(iter(value))}: this must be an object with a name")
    reachable = entry.get("exitCode", 0) == 0
    return Expectation(str(entry["name"]), entry["src"], entry["dst"], str(entry["targetPort"]), protocol, reachable)


def evaluate(terrain: Terrain, wanted: Expectation) -> Outcome:
    """What traces say of it, from each pod that `src` names to every goal."""
    try:
        places = list(_places(terrain, wanted.source))
        targets = list(_targets(terrain, wanted))
    except BadExpectation as error:
        return Outcome(wanted.name, False, str(error))
    ways = tuple((place, trace(terrain, place, target)) for place in places for target in targets)
    wrong = next((found for _, found in ways if _reached(found, wanted) != wanted.reachable), None)
    text = f"{places[0]} → {targets[0].text}" if wrong is None else f"{want(wanted.reachable)}, but {_ended(wrong)}"
    return Outcome(wanted.name, wrong is None, text, wanted.reachable, ways)


def want(reachable: bool) -> str:
    """The beginning of what is said of an expectation that does not hold."""
    return f"wanted {'reachable' if reachable else 'unreachable'}"


def _reached(found: Trace, wanted: Expectation) -> bool:
    """One that must be reached must be so whichever backend is drawn."""
    denied = any(not fate.allowed for fate in found.judged)
    return found.arrives and not (denied and wanted.reachable)


def _ended(found: Trace) -> str:
    """The way, the hop at which it ends, and why."""
    way = f"{found.origin} → {found.target}"
    denied = [fate for fate in found.judged if not fate.allowed]
    if denied:
        at = ", ".join(dict.fromkeys(fate.backend.target or str(fate.backend) for fate in denied))
        return f"{way}: {denied[0].fate} at {at}: {MEANING[denied[0].code]}"
    hop = found.hops[-1]
    return f"{way}: {found.code} at {hop.kind} {hop.name}: {found.meaning}"


def _places(terrain: Terrain, source: Doc) -> Iterator[Place]:
    if "host" in source:
        name = str(source["host"].get("name", "outside"))
        yield (
            Place("node", name)
            if name in terrain.snapshot.nodes
            else Place("outside", "" if name == "outside" else name)
        )
        return
    pods = list(_pods(terrain, source["k8sResource"]))
    yield from (Place("pod", pod.name, pod.namespace) for pod in pods)


def _pods(terrain: Terrain, resource: Mapping[str, Any]) -> Iterator[Pod]:
    """The pods of a resource; by name those of a workload are called after it."""
    kind, name = str(resource.get("kind", "pod")).lower(), str(resource.get("name", ""))
    namespace = str(resource.get("namespace", "default"))
    found = False
    for pod in terrain.pods.values():
        if pod.namespace == namespace and (pod.name if kind == "pod" else owner(pod.name)) == name:
            found = True
            yield pod
    if not found:
        raise BadExpectation(f"there is no pod of {kind} {namespace}/{name}")


def _targets(terrain: Terrain, wanted: Expectation) -> Iterator[Target]:
    form, value = next(iter(wanted.goal.items()))
    protocol: Any = wanted.protocol
    if form == "service":
        key = (str(value.get("namespace", "default")), str(value.get("name", "")))
        yield Target(f"svc/{key[0]}/{key[1]}:{wanted.port}", wanted.port, protocol, service=key)
    elif form == "nodePort":
        nodes = [str(value["node"])] if value.get("node") else list(terrain.snapshot.nodes)
        yield from (Target(f"{node}:{wanted.port}", wanted.port, protocol, host=node) for node in nodes)
    elif form == "host":
        yield Target(f"{value.get('name')}:{wanted.port}", wanted.port, protocol, host=str(value.get("name", "")))
    else:
        for pod in _pods(terrain, value):
            address = pod.addresses[0] if pod.addresses else ""
            yield Target(f"{pod.namespace}/{pod.name}:{wanted.port}", wanted.port, protocol, host=address)
