"""A bad object closes its own pods and nobody else's, and never stops the node from following the others."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from portway.kubeapi import decode_policy
from portway.kubeapi.decode import Undecodable
from portway.model import Connection
from portway.nftables import PolicyConfig, PolicyProgram
from portway.policy import PolicyInputs, judge, verdict
from portway.policy.lookup import class_of

NODE, OWN, OTHERS, OUTSIDE = "node-1", "10.244.1.2", ("10.244.1.3", "10.244.1.4", "fd00:244:1::4"), "192.0.2.9"
BAD = {"matchLabels": {"kubernetes.io/metadata.name": "bad"}}
SELECTOR = {"matchLabels": {"app": "web"}, "matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["a"]}]}
BLOCK = {"ipBlock": {"cidr": "9.0.0.0/8", "except": ["9.1.0.0/16"]}}
PORTS = [{"protocol": "TCP", "port": 80, "endPort": 90}, {"protocol": "UDP", "port": "dns"}]
NETWORK = {
    "metadata": {"namespace": "bad", "name": "p"},
    "spec": {
        "podSelector": SELECTOR,
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [{"from": [{"namespaceSelector": SELECTOR, "podSelector": {}}, BLOCK], "ports": PORTS}],
        "egress": [{"to": [{"podSelector": {}}], "ports": [{"protocol": "SCTP"}]}],
    },
}
AT_80 = {"tcp": {"destinationPort": {"number": 80}}}
RANGE = {"udp": {"destinationPort": {"range": {"start": 1, "end": 9}}}}
FAR = [{"networks": ["9.0.0.0/8"]}, {"nodes": {}}]
CLUSTER = {
    "metadata": {"name": "c"},
    "spec": {
        "tier": "Admin",
        "priority": 5,
        "subject": {"pods": {"namespaceSelector": BAD, "podSelector": SELECTOR}},
        "ingress": [{"action": "Deny", "from": [{"namespaces": {}}], "protocols": [AT_80]}],
        "egress": [
            {"action": "Pass", "to": FAR, "protocols": [{"destinationNamedPort": "web"}]},
            {"action": "Accept", "to": [{"domainNames": ["*.example.com"]}], "protocols": [RANGE]},
        ],
    },
}
POD = {
    "metadata": {"namespace": "bad", "name": "web", "labels": {"app": "web"}},
    "spec": {
        "nodeName": NODE,
        "containers": [{"name": "main", "ports": [{"name": "web", "containerPort": 80, "protocol": "TCP"}]}],
    },
    "status": {"phase": "Running", "podIP": OWN, "podIPs": [{"ip": OWN}]},
}
NUMBERS = (0, -1, 70000, 1 << 70, 1.5, True)
TEXTS = ("", "x", "-", "80", "TCP", "10.0.0.0/99", "::ffff:9.0.0.0/104", "9.0.0.1/8")
SHAPES: tuple[Any, ...] = (None, [], {}, [None], [[]], {"": ""}, {"cidr": "::/0"}, ["9.0.0.0/8", "::/0"])
JUNK: st.SearchStrategy[Any] = st.sampled_from((*NUMBERS, *TEXTS, *SHAPES))


def places(document: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where something stands in the document, but for its name."""
    items = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    for key, value in items:
        if (*path, key) not in (("metadata",), ("metadata", "namespace"), ("metadata", "name")):
            yield (*path, key)
        yield from places(value, (*path, key))


@st.composite
def spoiled(draw: st.DrawFn, document: Any) -> Any:
    """The document with one or two things in it replaced by something else."""
    made = deepcopy(document)
    for _ in range(draw(st.integers(1, 2))):
        *way, last = draw(st.sampled_from([*places(made)]))
        inner = made
        for key in way:
            inner = inner[key]
        inner[last] = deepcopy(draw(JUNK))
    return made


def world() -> PolicyInputs:
    """Pods of both namespaces, those of `good` isolated but for each other."""
    inputs = PolicyInputs(NODE)
    for name in ("bad", "good"):
        inputs.put_namespace(name, decode_policy.namespace({"metadata": {"name": name}}))
    inputs.put_pod(("bad", "web"), decode_policy.pod(POD))
    for number, address in enumerate(OTHERS):
        document = deepcopy(POD) | {"metadata": {"namespace": "good", "name": f"g{number}", "labels": {"app": "web"}}}
        inputs.put_pod(("good", f"g{number}"), decode_policy.pod(document | {"status": {"podIPs": [{"ip": address}]}}))
    spec: Any = {"podSelector": {}, "ingress": [{"from": [{"podSelector": {}}]}]}
    document = {"metadata": {"namespace": "good", "name": "p"}, "spec": spec}
    inputs.put_policy(("good", "p"), decode_policy.network_policy(document))
    return inputs


def among_the_good(inputs: PolicyInputs) -> list[bool]:
    """What becomes of connections that no bad object has to do with."""
    ends = (*OTHERS[:2], OUTSIDE)
    pairs = [(a, b) for a in ends for b in ends if a != b]
    return [verdict(inputs.table, Connection(a, b, "TCP", port)) for a, b in pairs for port in (80, 81)]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(network=spoiled(NETWORK), cluster=spoiled(CLUSTER), pod=spoiled(POD))
def test_whatever_is_stored(network: Any, cluster: Any, pod: Any) -> None:
    inputs, program = world(), PolicyProgram(PolicyConfig(("10.244.1.0/24",), "v*"))
    inputs.take()
    program.load(inputs.table)
    before = among_the_good(inputs)
    inputs.put_policy(("bad", "p"), decode_policy.network_policy(network))
    program.update(inputs.take())
    assert among_the_good(inputs) == before
    inputs.put_cluster_policy("c", decode_policy.cluster_network_policy(cluster))
    try:
        inputs.put_pod(("bad", "web"), decode_policy.pod(pod))
    except Undecodable:
        inputs.put_pod(("bad", "web"), None)
    program.update(inputs.take())
    for source in (OWN, *OTHERS[:2], OUTSIDE):
        for port in (80, 85, 53):
            asked = Connection(source, OWN, "TCP", port)
            assert verdict(inputs.table, asked) == judge(inputs.snapshot, asked, NODE).allowed
    assert class_of(inputs.table, OUTSIDE) < 1 << 31
