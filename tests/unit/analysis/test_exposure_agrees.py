"""What audit says of random small clusters is what packets do: traces from every node's door and from every pod."""

from hypothesis import given, settings
from hypothesis import strategies as st

from portway.analysis import examples
from portway.analysis.exposure import exposures
from portway.analysis.imagined import imagine
from portway.analysis.insiders import Clients, owner
from portway.analysis.target import Place, Target
from portway.analysis.trace import Terrain, Trace, trace
from portway.testing.checks import bundle_of

_NAMES = ("a", "b", "c")
_WORKLOADS = (("shop", "a"), ("shop", "b"), ("shop", "c"), ("other", "a"), ("other", "b"))
_PEERS = st.sampled_from(
    [
        "podSelector: {}",
        "podSelector: {matchLabels: {app: a}}",
        "podSelector: {matchLabels: {app: b}}",
        "namespaceSelector: {}",
        "namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: other}}",
        "ipBlock: {cidr: 0.0.0.0/0}",
        "ipBlock: {cidr: 172.18.0.0/16}",
        "ipBlock: {cidr: 172.18.0.1/32}",
    ]
)
_RULES = st.lists(st.tuples(st.lists(_PEERS, max_size=2), st.sampled_from(["", "8080", "9090"])), max_size=2)


@st.composite
def _policies(draw: st.DrawFn) -> str:
    direction = draw(st.sampled_from(["Ingress", "Egress"]))
    field, peer = ("ingress", "from") if direction == "Ingress" else ("egress", "to")
    rules = [_rule(peer, *rule) for rule in draw(_RULES)]
    app = draw(st.sampled_from(["", *_NAMES]))
    selector = f"{{matchLabels: {{app: {app}}}}}" if app else "{}"
    spec = f"podSelector: {selector}\npolicyTypes: [{direction}]\n{field}: [{', '.join(rules)}]"
    return _in(examples.policy(spec, name=f"p{draw(st.integers(0, 99))}"), draw(st.sampled_from(["shop", "other"])))


def _rule(field: str, peers: list[str], port: str) -> str:
    parts = [f"{field}: [{', '.join(f'{{{peer}}}' for peer in peers)}]"] if peers else []
    parts += [f"ports: [{{port: {port}}}]"] if port else []
    return f"{{{', '.join(parts)}}}"


def _in(text: str, namespace: str) -> str:
    return text.replace("metadata: {name: ", f"metadata: {{namespace: {namespace}, name: ", 1)


def _world(local: bool, replicas: int, policies: list[str]) -> str:
    more = "type: NodePort" + ("\nexternalTrafficPolicy: Local" if local else "")
    service = examples.service("{port: 80, targetPort: 8080}", name="a", selector="app: a", more=more)
    apps = [
        _in(examples.workload(name=name, more=f"replicas: {replicas if name == 'a' else 1}"), namespace)
        for namespace, name in _WORKLOADS
    ]
    return examples.together(_in(service, "shop"), *apps, *policies)


def _passes(found: Trace) -> bool:
    return found.arrives and all(fate.allowed for fate in found.judged)


@settings(max_examples=80, deadline=None)
@given(st.booleans(), st.integers(1, 4), st.lists(_policies(), max_size=3))
def test_audit_says_what_packets_do(local: bool, replicas: int, policies: list[str]) -> None:
    terrain = imagine(bundle_of(_world(local, replicas, policies))).terrain
    (found,) = exposures(terrain)
    way = next(way for way in found.ways if way.entry == "nodePort")
    number = next(iter(terrain.snapshot.services.values())).ports[0].node_port
    ends = [
        trace(terrain, Place("outside"), Target(node.addresses[0], str(number), "TCP", host=node.addresses[0]))
        for node in terrain.snapshot.nodes.values()
    ]
    assert (way.outside == "open") == all(map(_passes, ends))
    assert (way.outside == "closed") == (not any(end.arrives for end in ends))
    assert _told(found.clients) == _reaching(terrain)


def _told(who: Clients) -> dict[str, bool]:
    """Each workload that is named by itself or by its namespace, and whether it may."""
    named = {f"{space}/{name}": space in who.namespaces for space, name in _WORKLOADS}
    return named | dict.fromkeys(who.partly, True) | dict.fromkeys(who.but, False)


def _reaching(terrain: Terrain) -> dict[str, bool]:
    """Whether each workload's first pod reaches the last pod behind the Service, asked by packets."""
    server = [pod for key, pod in terrain.policies.pods.items() if key[0] == "shop" and owner(key[1]) == "a"][-1]
    address = server.addresses[0]
    clients = {(space, owner(name)): name for space, name in reversed(list(terrain.policies.pods))}
    target = Target(address, "8080", "TCP", host=address)
    return {
        f"{space}/{workload}": _passes(trace(terrain, Place("pod", name, space), target))
        for (space, workload), name in clients.items()
    }
