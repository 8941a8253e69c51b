"""Traces with NetworkPolicies: who is let through, who decided, what SNAT hides, and how it is drawn."""

import pytest
from msgspec.structs import replace

from portway.analysis.target import parse_place, parse_target
from portway.analysis.trace import MEANING, Trace, trace
from portway.cli.drawing import draw
from portway.model import (
    IpBlock,
    LabelSelector,
    Namespace,
    NetworkPolicy,
    Pod,
    PolicyPeer,
    PolicyPort,
    PolicyRule,
    PolicySnapshot,
    Requirement,
)
from portway.policy import Reason
from tests.unit.analysis.test_trace import NODES, plain_terrain

WEB = LabelSelector((Requirement("app", "=", ("web",)),))
PODS = {
    ("shop", "web-1"): Pod("shop", "web-1", ("10.244.1.2",), "node-1", {"app": "web"}),
    ("shop", "web-2"): Pod("shop", "web-2", ("10.244.2.2",), "node-2", {"app": "web"}),
    ("shop", "one-1"): Pod("shop", "one-1", ("10.244.1.3",), "node-1", {"app": "one"}),
}
ISOLATED = NetworkPolicy("shop", "closed", WEB)
QUIET = NetworkPolicy("shop", "quiet", LabelSelector(), ("Egress",))

TO_NODE_2 = replace(
    QUIET, egress=(PolicyRule((PolicyPeer(block=IpBlock("172.18.0.12/32")),), (PolicyPort("TCP", 32100),)),)
)


def from_block(cidr: str) -> NetworkPolicy:
    """Lets web be reached from there."""
    rule = PolicyRule((PolicyPeer(block=IpBlock(cidr)),), (PolicyPort("TCP", 8080),))
    return NetworkPolicy("shop", "office", WEB, ingress=(rule,))


def way(policy: NetworkPolicy | None, target: str = "node-1:32100", origin: str = "outside") -> Trace:
    """A trace while there is this policy."""
    policies = {(policy.namespace, policy.name): policy} if policy else {}
    snapshot = PolicySnapshot(PODS, {"shop": Namespace("shop", {})}, policies, nodes=NODES)
    return trace(replace(plain_terrain(), policies=snapshot), parse_place(origin), parse_target(target))


@pytest.mark.parametrize(
    ("policy", "target", "origin", "code", "allowed"),
    [
        (None, "node-1:32100", "outside", "FORWARDED", [True, True]),
        (ISOLATED, "node-1:32100", "outside", "NO_RULE_MATCHES", [False, False]),
        # the backend on the node that translates sees the client, the other one sees the node
        (from_block("172.18.0.1/32"), "node-1:32100", "outside", "FORWARDED", [True, False]),
        (from_block("172.18.0.11/32"), "node-1:32100", "outside", "FORWARDED", [False, True]),
        (ISOLATED, "svc/shop/web:http", "node/node-1", "FORWARDED", [True, False]),
        (ISOLATED, "svc/shop/web:http", "pod/shop/one-1", "NO_RULE_MATCHES", [False, False]),
        (QUIET, "172.18.0.12:9", "pod/shop/one-1", "NO_RULE_MATCHES", [False]),
        (QUIET, "192.0.2.1:9", "pod/shop/one-1", "NO_RULE_MATCHES", [False]),
        # another node's nodePort leaves the pod's node as it is written, whatever becomes of it there
        (QUIET, "node-2:32100", "pod/shop/one-1", "NO_RULE_MATCHES", [False]),
        (QUIET, "node-2:32102", "pod/shop/one-1", "NO_RULE_MATCHES", [False]),
        (TO_NODE_2, "node-2:32100", "pod/shop/one-1", "FORWARDED", [True, True]),
        (TO_NODE_2, "svc/shop/web:http", "pod/shop/one-1", "NO_RULE_MATCHES", [False, False]),
        # its own node is never closed to it, and who is no pod has no policies
        (QUIET, "172.18.0.11:9", "pod/shop/one-1", "NODEPORT_UNSET", []),
        (QUIET, "172.18.0.12:9", "node/node-1", "NODEPORT_UNSET", []),
        (ISOLATED, "10.244.1.2:8080", "pod/shop/one-1", "NO_RULE_MATCHES", [False]),
        (from_block("10.244.1.3/32"), "10.244.1.2:8080", "pod/shop/one-1", "POD_DIRECT", [True]),
        (
            NetworkPolicy("shop", "quiet", LabelSelector(), ("Egress",)),
            "svc/shop/web:http",
            "pod/shop/one-1",
            "NO_RULE_MATCHES",
            [False, False],
        ),
    ],
)
def test_each_backends_fate(
    policy: NetworkPolicy | None, target: str, origin: str, code: str, allowed: list[bool]
) -> None:
    found = way(policy, target, origin)
    assert found.code == code
    assert found.arrives == any(allowed)
    assert [fate.allowed for fate in found.judged] == allowed


def test_what_a_person_reads() -> None:
    lines = draw(way(from_block("172.18.0.1/32")))
    text = "\n".join(lines)
    assert "[web-2 10.244.2.2:8080]  node-2 ✗" in text
    assert "policy   web-2: NO_RULE_MATCHES by NetworkPolicy shop/office" in text
    assert "fix: an ingress rule for shop/web-2 from 172.18.0.11, port 8080/TCP" in text
    assert "SNAT hides 172.18.0.1: policies of 1 of 2 backends see 172.18.0.11" in text


def test_nothing_is_said_where_no_policy_decides() -> None:
    assert not any("policy" in line or "note" in line for line in draw(way(None)))


def test_codes_that_deny_have_a_meaning() -> None:
    assert {Reason.NO_RULE_MATCHES.value, Reason.RULE_DENIES.value, Reason.POLICY_UNREADABLE.value} < MEANING.keys()


def test_what_nobody_can_know_of_an_outside_address_is_said() -> None:
    far, near = (way(QUIET, target, "pod/shop/one-1") for target in ("169.254.20.10:53", "172.18.0.12:9"))
    assert [any("Node object" in line for line in found.findings) for found in (far, near)] == [True, False]
    assert all("fix: an egress rule" in found.findings[0] for found in (far, near))
