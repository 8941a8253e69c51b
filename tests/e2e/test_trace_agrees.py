"""What a trace says is what packets meet: random clusters in a fleet, from every place to everything one may dial.

EXAMPLES says on how many clusters. Each is asked after it has come to rest: no node has committed for a while, and what
the API server has is what the trace was told. Then expectations (`portway assert`) of one cluster, by both.
"""

import math
import os
import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Any
from xml.etree import ElementTree

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from portway.analysis.target import Place, Target, parse_target
from portway.analysis.trace import Terrain, Trace, trace
from portway.model import Backend, Service
from portway.testing.fates import NOT_PERMITTED, REFUSED, SILENT, UNREACHABLE, Asked, Many
from portway.testing.question import Question
from tests.e2e.asking import NODES
from tests.e2e.changing import SECONDS, Changing, changing
from tests.e2e.conftest import PEOPLE, somebody
from tests.e2e.worlds import PODS, SPACES, World, a_service, worlds
from tests.patience import until

QUESTIONS = 150
"""Pairs that are asked of a cluster."""
CHANCE = 1e-7
"""How likely it may be that one of several backends is never drawn."""
CLIENTS = (
    *(Place("outside"),) * 3,
    *(Place("node", name) for name in NODES),
    *(Place("pod", name, space) for space, name in PODS),
)


@pytest.fixture(scope="module")
def place() -> Iterator[Changing]:
    with somebody(PEOPLE[-1]) as person, changing(person, "agree") as fleet:
        yield fleet


@settings(
    max_examples=int(os.environ.get("EXAMPLES", "12")),
    derandomize="EXAMPLES" not in os.environ,
    database=None,
    report_multiple_bugs=False,
    phases=(Phase.generate,),
    suppress_health_check=list(HealthCheck),
)
@given(world=worlds(), seed=st.integers(0, 2**32))
def test_a_trace_says_what_packets_meet(place: Changing, world: World, seed: int) -> None:
    seen = place.become(world)
    every = [(client, goal) for client in CLIENTS for goal in map(parse_target, _goals(seen, place))]
    pairs = random.Random(seed).sample(every, min(QUESTIONS, len(every)))
    deadline = monotonic() + SECONDS
    while wrong := _wrong(place, seen, pairs):
        assert monotonic() < deadline, "\n".join([*wrong, msgspec.json.encode(world).decode()])
        seen = place.at_rest()


def _goals(seen: Terrain, fleet: Changing) -> Iterator[str]:
    """Everything that one may dial here, and a little beside."""
    yield from ("10.96.0.99:80", "[fd00:96::99]:80", "node-2:32767", "[fd00:18::12]:31999/udp")
    for member in fleet.members.values():
        for address in member.addresses:
            yield from (f"{_host(address)}:8080", f"{_host(address)}:5353/udp")
    for (namespace, _), service in seen.snapshot.services.items():
        if namespace in SPACES:
            yield from _frontends(seen, service)


def _frontends(seen: Terrain, service: Service) -> Iterator[str]:
    addresses = (*service.cluster_ips, *service.external_ips, *service.load_balancer_ips)
    nodes = [address for node in seen.snapshot.nodes.values() for address in node.addresses]
    for port in service.ports:
        protocol = port.protocol.lower()
        yield from (f"{_host(address)}:{port.port}/{protocol}" for address in addresses)
        yield f"svc/{service.namespace}/{service.name}:{port.name}"
        yield f"{service.name}.{service.namespace}:{port.port}/{protocol}"
        if port.node_port:
            yield from (f"{_host(address)}:{port.node_port}/{protocol}" for address in nodes)
    yield from (f"{_host(address)}:99" for address in (*service.cluster_ips, *service.load_balancer_ips))


def _host(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def _wrong(fleet: Changing, seen: Terrain, pairs: Sequence[tuple[Place, Target]]) -> list[str]:
    """Each pair whose packets met something else than the trace says."""
    traces = [found for pair in pairs if (found := trace(seen, *pair)).packet is not None]
    traces.sort(key=lambda found: found.origin)
    expectations = [_expected(fleet, found) for found in traces]
    asked = [
        Asked(_question(fleet, found), _tries(found, expected), SILENT in expected)
        for found, expected in zip(traces, expectations, strict=True)
    ]
    return [
        f"{found.origin} -> {found.target}: {found.code}, so {sorted(expected)}, but met {fates}; {found.packet}"
        for found, expected, fates in zip(traces, expectations, fleet.prober.fates(Many(tuple(asked))), strict=True)
        if not _agrees(found, expected, set(fates))
    ]


def _expected(fleet: Changing, found: Trace) -> set[str]:
    """What can become of a packet if the trace is right, in the prober's words."""
    assert found.packet is not None
    if found.arrives or found.code == "NODEPORT_UNSET":
        ends = found.backends or (Backend(found.packet.destination, found.packet.port),)
        return {_at(fleet, found, backend) for backend in ends}
    said = {"drop": {SILENT}, "reject": {REFUSED}}.get(found.disposition)
    return said or ({UNREACHABLE} if found.code == "NO_ROUTE" else {UNREACHABLE, SILENT})


def _at(fleet: Changing, found: Trace, backend: Backend) -> str:
    assert found.packet is not None
    if any((fate.backend.address, fate.allowed) == (backend.address, False) for fate in found.judged):
        return SILENT
    return fleet.listening.get((backend.address, found.packet.protocol, backend.port), REFUSED)


def _tries(found: Trace, expected: set[str]) -> int:
    count = len(found.backends)
    if len(expected) < 2 or count < 2:
        return 1
    return math.ceil(math.log(count / CHANCE) / -math.log(1 - 1 / count))


def _agrees(found: Trace, expected: set[str], met: set[str]) -> bool:
    if NOT_PERMITTED in met:
        # a process is told so of its own datagram that its node drops or refuses
        met = met - {NOT_PERMITTED} | (expected & {SILENT, REFUSED})
    one_of_them = found.sticky or {SILENT, UNREACHABLE} <= expected
    return bool(met) and (met <= expected if one_of_them else met == expected)


def _question(fleet: Changing, found: Trace) -> Question:
    kind, _, rest = found.origin.partition("/")
    space, _, name = rest.partition("/")
    network = {"outside": "outside", "node": rest}.get(kind) or fleet.members[space, name].network
    assert found.packet is not None
    return Question(network, found.packet.destination, found.packet.port, found.packet.protocol)


APPS = {"one": "web", "two": "web", "three": "closed", "host": "host"}
HELD = World(
    {name: APPS.get(name, "other") for _, name in PODS},
    frozenset(),
    (
        a_service("web", "NodePort", "web", {"port": 80, "targetPort": "http", "nodePort": 30010}),
        a_service("names", "ClusterIP", "web", {"port": 53, "targetPort": "dns", "protocol": "UDP"}),
        a_service("nobody", "ClusterIP", "nobody", {"port": 80}),
        a_service("closed", "ClusterIP", "closed", {"port": 80, "targetPort": 9090}),
        a_service("wrong", "ClusterIP", "web", {"port": 80, "targetPort": 8081}),
    ),
    (),
    (
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"namespace": "a", "name": "own-space"},
            "spec": {
                "podSelector": {"matchLabels": {"app": "closed"}},
                "ingress": [{"from": [{"podSelector": {}}]}],
            },
        },
    ),
)
OUTSIDE, FIVE, ONE = (
    {"host": {"name": "outside"}},
    *(
        {"k8sResource": {"kind": "pod", "namespace": space, "name": name}}
        for space, name in (("b", "five"), ("a", "one"))
    ),
)


def _expectation(name: str, src: Any, dst: Any, port: int, reachable: bool, protocol: str = "tcp") -> dict[str, Any]:
    code = 0 if reachable else 1
    return {"name": name, "src": src, "dst": dst, "targetPort": port, "exitCode": code, "protocol": protocol}


def _to(name: str) -> dict[str, Any]:
    return {"service": {"namespace": "a", "name": name}}


TRUE = (
    _expectation("visitors come in", OUTSIDE, {"nodePort": {}}, 30010, True),
    _expectation("a nodePort of nobody", OUTSIDE, {"nodePort": {"node": "node-1"}}, 30099, False),
    _expectation("by a name", FIVE, {"host": {"name": "web.a"}}, 80, True),
    _expectation("by UDP", FIVE, _to("names"), 53, True, "udp"),
    _expectation("refused", FIVE, _to("nobody"), 80, False),
    _expectation("denied", FIVE, _to("closed"), 80, False),
    _expectation("let in", ONE, _to("closed"), 80, True),
    _expectation("clusterIPs are of the inside", OUTSIDE, _to("web"), 80, False),
)
HOPS = (
    "outside → node-1:30010: FORWARDED at service a/web",
    "outside → node-1:30099: NODEPORT_UNSET at node node-1",
    "pod/b/five → web.a:80: FORWARDED at service a/web",
    "pod/b/five → svc/a/names:53: FORWARDED at service a/names",
    "pod/b/five → svc/a/nobody:80: NO_ENDPOINTS at service a/nobody",
    "pod/b/five → svc/a/closed:80: NO_RULE_MATCHES by NetworkPolicy a/own-space at three",
    "pod/a/one → svc/a/closed:80: FORWARDED at pod three",
    "outside → svc/a/web:80: NO_ROUTE at client outside",
)
"""Where each of them ends."""


class Told:
    """What `portway assert` said, in both of its forms."""

    def __init__(self, fleet: Changing, folder: Path, expectations: Sequence[dict[str, Any]], *options: str) -> None:
        file = folder / "tests.json"
        file.write_bytes(msgspec.json.encode(expectations))
        runs = [
            fleet.portway("assert", "-t", str(file), "-o", form, *options, check=False) for form in ("tap", "junit")
        ]
        assert all(run.stdout for run in runs), runs
        (self.code,) = {run.returncode for run in runs}
        self.tap = [line for line in runs[0].stdout.splitlines() if line.startswith(("ok", "not ok"))]
        cases = ElementTree.fromstring(runs[1].stdout).iter("testcase")
        self.failures = [found.get("message", "") for case in cases for found in case.iter("failure")]


def settled(ask: Callable[[], Told], right: Callable[[Told], bool]) -> Told:
    """What is said once it is right: a probe's packet may be too late on a busy machine."""

    def told() -> Told | None:
        found = ask()
        return found if right(found) else None

    found = until(told, "the right words")
    assert found is not None
    return found


@pytest.fixture(scope="module")
def held(place: Changing) -> Changing:
    place.become(HELD)
    return place


@pytest.mark.parametrize("options", [(), ("--probe",)])
def test_what_holds_holds_by_packets_too(held: Changing, shared_folder: Path, options: tuple[str, ...]) -> None:
    told = settled(lambda: Told(held, shared_folder, TRUE, *options), lambda told: told.failures == [])
    assert told.code == 0
    assert told.tap == [f"ok {number} - {one['name']}" for number, one in enumerate(TRUE, 1)]


def test_a_wrong_expectation_names_the_hop(held: Changing, shared_folder: Path) -> None:
    wrong = [one | {"exitCode": 1 - one["exitCode"]} for one in TRUE]
    told = settled(
        lambda: Told(held, shared_folder, wrong, "--probe"),
        lambda told: all(f"but {hop}" in said for said, hop in zip(told.failures, HOPS, strict=False)),
    )
    assert told.code == 1
    assert told.tap == [f"not ok {number} - {one['name']}" for number, one in enumerate(TRUE, 1)]
    for said, hop in zip(told.failures, HOPS, strict=True):
        assert said.startswith("wanted ") and f"but {hop}" in said


def test_only_a_packet_finds_that_nothing_listens(held: Changing, shared_folder: Path) -> None:
    deaf = [_expectation("the pods declare another port", FIVE, _to("wrong"), 80, True)]
    assert Told(held, shared_folder, deaf).code == 0
    said = (
        "wanted reachable, but pod/b/five → svc/a/wrong:80: a real packet was refused by the pod itself: nothing "
        "listens on 8081 there"
    )
    told = settled(lambda: Told(held, shared_folder, deaf, "--probe"), lambda told: told.failures == [said])
    assert told.code == 1


@pytest.fixture
def shared_folder() -> Iterator[Path]:
    """One that another person may read, which pytest's own are not."""
    with TemporaryDirectory(prefix="pw-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)
