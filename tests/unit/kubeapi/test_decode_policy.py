"""Documents become what policies read: defaults at the door, and closed where something cannot be read."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portway.kubeapi import decode_policy as decode
from portway.kubeapi.decode import Undecodable
from portway.model import (
    ClusterNetworkPolicy,
    ClusterPeer,
    ClusterPort,
    ClusterRule,
    ContainerPort,
    IpBlock,
    LabelSelector,
    NetworkPolicy,
    PolicyPeer,
    PolicyPort,
    PolicyRule,
    Requirement,
)

EVERYTHING = LabelSelector()


def policy(**spec: Any) -> NetworkPolicy:
    return decode.network_policy({"metadata": {"name": "p", "namespace": "x"}, "spec": spec})


def cluster_policy(**spec: Any) -> ClusterNetworkPolicy:
    whole = {"tier": "Admin", "priority": 10, "subject": {"namespaces": {}}} | spec
    return decode.cluster_network_policy({"metadata": {"name": "p"}, "spec": whole})


def selector(**labels: str) -> LabelSelector:
    return LabelSelector(tuple(Requirement(key, "=", (value,)) for key, value in sorted(labels.items())))


def pod(spec: Any = None, status: Any = None, **metadata: Any) -> Any:
    return decode.pod({"metadata": {"name": "a", "namespace": "x"} | metadata, "spec": spec, "status": status})


def test_what_is_read_of_a_pod() -> None:
    container = {"ports": [{"name": "web", "containerPort": 80}, {"containerPort": 81}, None], "image": 7}
    sidecar = {"restartPolicy": "Always", "ports": [{"name": "dns", "containerPort": 53, "protocol": "UDP"}]}
    job = {"ports": [{"name": "early", "containerPort": 90}]}
    found = pod(
        {"nodeName": "node-1", "containers": [container, None], "initContainers": [sidecar, job]},
        {"phase": "Running", "podIP": "10.244.1.2", "podIPs": [{"ip": "10.244.1.2"}, {"ip": "FD00:244:1::02"}, None]},
        labels={"pod": "a", "none": None},
    )
    assert (found.namespace, found.name, found.node_name) == ("x", "a", "node-1")
    assert found.addresses == ("10.244.1.2", "fd00:244:1::2")
    assert found.labels == {"pod": "a", "none": ""}
    assert found.ports == (ContainerPort("web", "TCP", 80), ContainerPort("dns", "UDP", 53))
    assert found.has_policies


@pytest.mark.parametrize(
    ("spec", "status"),
    [
        ({"hostNetwork": True}, {"podIP": "172.18.0.11"}),
        ({}, {"podIP": "10.244.1.2", "phase": "Succeeded"}),
        ({}, {"podIP": "10.244.1.2", "phase": "Failed"}),
        (None, None),
        ({}, {"podIPs": [{"ip": "nonsense"}]}),
    ],
)
def test_pods_without_policies(spec: Any, status: Any) -> None:
    assert not pod(spec, status).has_policies


def test_the_older_address_of_a_pod() -> None:
    assert pod({}, {"podIP": "10.244.1.2"}).addresses == ("10.244.1.2",)


def test_a_pod_of_another_shape_names_the_field() -> None:
    with pytest.raises(Undecodable, match=r"^spec\.hostNetwork: Expected bool \| null, got str$"):
        pod({"hostNetwork": "yes"})


def test_a_namespace_has_the_label_of_its_name() -> None:
    found = decode.namespace({"metadata": {"name": "x", "labels": {"team": "a"}}})
    assert found.labels == {"team": "a", "kubernetes.io/metadata.name": "x"}


@pytest.mark.parametrize(
    ("spec", "directions"),
    [
        ({}, ("Ingress",)),
        ({"policyTypes": []}, ("Ingress",)),
        ({"policyTypes": None, "egress": None}, ("Ingress",)),
        ({"egress": []}, ("Ingress",)),
        ({"egress": [{}]}, ("Ingress", "Egress")),
        ({"policyTypes": ["Egress"], "ingress": [{}]}, ("Egress",)),
        ({"policyTypes": ["Egress", "Ingress", "Egress"]}, ("Ingress", "Egress")),
    ],
)
def test_directions(spec: Any, directions: Any) -> None:
    assert policy(**spec).directions == directions


def test_the_least_policies_select_everything() -> None:
    least = NetworkPolicy("x", "p")
    assert policy() == policy(podSelector=None) == policy(podSelector={}) == least
    assert decode.network_policy({"metadata": {"name": "p", "namespace": "x"}}) == least


def test_rules() -> None:
    expression = {"key": "tier", "operator": "NotIn", "values": ["a", "b"]}
    found = policy(
        podSelector={"matchLabels": {"app": "web"}},
        ingress=[
            {"from": [{"podSelector": {"matchExpressions": [expression]}}], "ports": [{"port": 80}]},
            {
                "from": [
                    {"namespaceSelector": {}},
                    {"namespaceSelector": {}, "podSelector": {"matchLabels": {"a": "b"}}},
                ]
            },
            {"from": [{"ipBlock": {"cidr": "10.1.2.3/8", "except": ["10.0.0.0/24", "10.0.1.0/24"]}}]},
            {"ports": [{"protocol": "UDP"}, {"port": "web"}, {"port": 1, "endPort": 65535, "protocol": "SCTP"}]},
            None,
        ],
    )
    assert found.pods == selector(app="web")
    assert found.ingress == (
        PolicyRule(
            (PolicyPeer(pods=LabelSelector((Requirement("tier", "notin", ("a", "b")),))),), (PolicyPort("TCP", 80),)
        ),
        PolicyRule((PolicyPeer(namespaces=EVERYTHING), PolicyPeer(namespaces=EVERYTHING, pods=selector(a="b")))),
        PolicyRule((PolicyPeer(block=IpBlock("10.0.0.0/8", ("10.0.0.0/24", "10.0.1.0/24"))),)),
        PolicyRule((), (PolicyPort("UDP"), PolicyPort("TCP", "web"), PolicyPort("SCTP", 1, 65535))),
        PolicyRule(),
    )


FAULTS: list[tuple[dict[str, Any], str]] = [
    (
        {"ingress": [{}, {"from": [{}]}]},
        "spec.ingress[1].from[0]: has neither podSelector, namespaceSelector nor ipBlock",
    ),
    ({"ingress": [{"from": [{"podSelector": {}, "ipBlock": {"cidr": "10.0.0.0/8"}}]}]}, "ipBlock goes with no other"),
    (
        {"egress": [{"to": [{"ipBlock": {"cidr": "10.0.0.0/33"}}]}]},
        'spec.egress[0].to[0].ipBlock.cidr: "10.0.0.0/33" is',
    ),
    ({"ingress": [{"from": [{"ipBlock": {}}]}]}, "spec.ingress[0].from[0].ipBlock.cidr: null is no CIDR"),
    ({"ingress": [{"from": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": [None]}}]}]}, "ipBlock.except[0]: null is no"),
    ({"ingress": [{"ports": [{"protocol": "ICMP"}]}]}, 'spec.ingress[0].ports[0].protocol: "ICMP" is none of'),
    ({"ingress": [{"ports": [{"port": 0}]}]}, "spec.ingress[0].ports[0].port: 0 is not between 1 and 65535"),
    ({"ingress": [{"ports": [{"port": ""}]}]}, "spec.ingress[0].ports[0].port: is empty"),
    ({"ingress": [{"ports": [{"port": 80, "endPort": 79}]}]}, "endPort: 79 is not between port (80) and 65535"),
    ({"ingress": [{"ports": [{"port": "web", "endPort": 80}]}]}, "endPort: needs a number as port"),
    ({"ingress": [{"ports": [{"endPort": 80}]}]}, "endPort: needs a number as port"),
    ({"ingress": [{"ports": [{"port": 1.5}]}]}, "spec.ingress[0].ports[0].port: Expected int | str | null, got float"),
    ({"ingress": {}}, "spec.ingress: Expected array, got object"),
    ({"ingress": ["all"]}, "spec.ingress[0]: Expected object, got str"),
    ({"ingress": [{"from": {}}]}, "spec.ingress[0].from: Expected array, got object"),
    ({"policyTypes": ["Sideways"]}, 'spec.policyTypes[0]: "Sideways" is neither Ingress nor Egress'),
    ({"podSelector": {"matchExpressions": [{"key": "a", "operator": "Is"}]}}, "spec.podSelector.matchExpressions"),
    ({"podSelector": {"matchExpressions": [{"key": "a", "operator": "In"}]}}, "In needs at least one"),
    ({"podSelector": {"matchExpressions": [{"key": "a", "operator": "Exists", "values": ["b"]}]}}, "goes with none"),
    ({"podSelector": {"matchLabels": {"a": 1}}}, "spec.podSelector.matchLabels[...]: Expected str | null, got int"),
]


@pytest.mark.parametrize(("spec", "fault"), FAULTS)
def test_what_cannot_be_read_closes(spec: dict[str, Any], fault: str) -> None:
    """It opens nothing: not even by its rules that can be read."""
    found = policy(**{"podSelector": {"matchLabels": {"app": "web"}}} | spec)
    assert fault in found.fault
    assert found.ingress == found.egress == ()
    assert found.pods == (EVERYTHING if "podSelector" in spec else selector(app="web"))
    assert "Ingress" in found.directions


def test_directions_of_what_cannot_be_read() -> None:
    assert policy(policyTypes=["Egress"], ingress=7).directions == ("Egress",)
    assert policy(policyTypes=["Nowhere"]).directions == ("Ingress", "Egress")


def test_what_is_read_of_a_cluster_policy() -> None:
    pods = {"namespaceSelector": {"matchLabels": {"n": "x"}}, "podSelector": {"matchLabels": {"p": "a"}}}
    found = cluster_policy(
        tier="Baseline",
        subject={"pods": pods},
        ingress=[{"name": "first", "action": "Pass", "from": [{"namespaces": {}}, {"pods": {"podSelector": {}}}]}],
        egress=[
            {
                "action": "Accept",
                "to": [
                    {"networks": ["10.1.2.3/8", "::/0"]},
                    {"nodes": {"matchLabels": {"role": "edge"}}},
                    {"domainNames": ["*.Kubernetes.io."]},
                ],
                "protocols": [
                    {"tcp": {"destinationPort": {"number": 80}}},
                    {"udp": {"destinationPort": {"range": {"start": 5000, "end": 6000}}}},
                    {"sctp": {"destinationPort": {"number": 7, "range": None}}, "tcp": None},
                ],
            },
            {"action": "Deny", "to": [{"namespaces": {}}], "protocols": [{"destinationNamedPort": "web"}]},
        ],
    )
    assert found == ClusterNetworkPolicy(
        "p",
        "Baseline",
        10,
        ClusterPeer(namespaces=selector(n="x"), pods=selector(p="a")),
        (ClusterRule("Pass", (ClusterPeer(EVERYTHING), ClusterPeer(EVERYTHING, EVERYTHING)), name="first"),),
        (
            ClusterRule(
                "Accept",
                (
                    ClusterPeer(networks=("10.0.0.0/8", "::/0")),
                    ClusterPeer(nodes=selector(role="edge")),
                    ClusterPeer(domain_names=("*.kubernetes.io",)),
                ),
                (ClusterPort("TCP", 80, 80), ClusterPort("UDP", 5000, 6000), ClusterPort("SCTP", 7, 7)),
            ),
            ClusterRule("Deny", (ClusterPeer(EVERYTHING),), (ClusterPort(name="web"),)),
        ),
    )


PODS: dict[str, Any] = {"namespaces": {}}
UNREADABLE_RULES: list[tuple[str, Any]] = [
    ("ingress", {"action": "Deny", "from": [{}]}),
    ("ingress", {"action": "Deny", "from": [PODS, {"serviceAccounts": {}}]}),
    ("ingress", {"action": "Deny", "from": [{"namespaces": {}, "pods": {"podSelector": {}}}]}),
    ("ingress", {"action": "Deny", "from": [{"networks": ["10.0.0.0/8"]}]}),
    ("ingress", {"action": "Deny", "from": []}),
    ("ingress", {"action": "Deny"}),
    ("ingress", {"action": "Deny", "to": [PODS]}),
    ("ingress", {"action": "Log", "from": [PODS]}),
    ("ingress", {"from": [PODS]}),
    ("ingress", "everything"),
    ("egress", {"action": "Deny", "to": [{"networks": ["10.0.0.0"]}]}),
    ("egress", {"action": "Deny", "to": [{"networks": []}]}),
    ("egress", {"action": "Deny", "to": [{"domainNames": ["example.org"]}]}),
    ("egress", {"action": "Deny", "to": [PODS], "protocols": [{}]}),
    ("egress", {"action": "Deny", "to": [PODS], "protocols": [{"tcp": {}}]}),
    ("egress", {"action": "Deny", "to": [PODS], "protocols": [{"icmp": {}}]}),
    ("egress", {"action": "Deny", "to": [PODS], "protocols": [{"tcp": {"destinationPort": {}}}]}),
    ("egress", {"action": "Deny", "to": [PODS], "protocols": [{"tcp": {"destinationPort": {"number": 70000}}}]}),
    ("egress", {"action": "Deny", "to": [PODS], "protocols": [{"udp": {"destinationPort": {"range": {"start": 1}}}}]}),
    ("egress", {"action": "Deny", "to": [PODS], "protocols": [{"destinationNamedPort": ""}]}),
    ("egress", {"action": "Deny", "to": [{"namespaces": {"matchExpressions": [{"key": "a"}]}}]}),
]


@pytest.mark.parametrize(("side", "rule"), UNREADABLE_RULES)
def test_a_cluster_rule_that_cannot_be_read_has_an_unknown_peer(side: str, rule: Any) -> None:
    """And its place among the others; they stay as they are."""
    peers = {"ingress": "from", "egress": "to"}[side]
    well = {"action": "Accept", peers: [PODS]}
    found = cluster_policy(**{side: [well, rule, well]})
    rules = found.ingress or found.egress
    assert (rules[0], rules[2]) == (ClusterRule("Accept", (ClusterPeer(EVERYTHING),)),) * 2
    assert rules[1] == ClusterRule("Deny", (ClusterPeer(unknown=True),))
    assert not found.fault


@pytest.mark.parametrize(
    ("spec", "fault"),
    [
        ({"tier": "Middle"}, 'spec.tier: "Middle" is neither Admin nor Baseline'),
        ({"priority": 1001}, "spec.priority: 1001 is not a number between 0 and 1000"),
        ({"priority": True}, "spec.priority: true is not"),
        ({"subject": {}}, "spec.subject: needs exactly one of namespaces, pods"),
        ({"subject": None}, "spec.subject: needs exactly one of namespaces, pods"),
        ({"subject": {"nodes": {}}}, "spec.subject: needs exactly one of namespaces, pods"),
        ({"subject": {"namespaces": []}}, "spec.subject.namespaces: Expected object, got array"),
        ({"ingress": 1}, "spec.ingress: Expected array, got int"),
    ],
)
def test_a_cluster_policy_that_cannot_be_read(spec: dict[str, Any], fault: str) -> None:
    found = cluster_policy(**{"egress": [{"action": "Accept", "to": [PODS]}]} | spec)
    assert fault in found.fault
    assert found.ingress == found.egress == ()
    assert found.subject == (ClusterPeer(unknown=True) if "subject" in spec else ClusterPeer(EVERYTHING))


WORDS = re.findall(
    r"\w+",
    """metadata spec name namespace podSelector policyTypes ingress egress from to ports port endPort protocol ipBlock
    cidr except matchLabels matchExpressions key operator values tier priority subject namespaces pods action protocols
    tcp destinationPort number range networks""",
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=4),
    max_leaves=20,
)


@given(JSON)
def test_policies_are_never_refused(document: Any) -> None:
    """Whatever it is, it becomes a policy; and a spec that is no object is a fault."""
    for whole in (document, {"metadata": {"name": "p"}, "spec": document}):
        namespaced, cluster = decode.network_policy(whole), decode.cluster_network_policy(whole)
        assert namespaced.directions
        assert not namespaced.fault or namespaced.ingress == namespaced.egress == ()
        assert cluster.fault or not cluster.subject.unknown
    if document is not None and not isinstance(document, dict):
        assert decode.network_policy({"spec": document}).fault.startswith("spec: Expected object")
