"""A cluster with many pods and NetworkPolicies, as values: what one node's agent follows.

Namespaces of equal size, twenty applications in each; a policy selects one application, lets in another one of its
namespace and a tier of every namespace of one team, on a number and a named port; every third is for both directions
and every fifth knows an address block with a hole.
"""

from portway.model import (
    ContainerPort,
    IpBlock,
    LabelSelector,
    Namespace,
    NetworkPolicy,
    Pod,
    PolicyPeer,
    PolicyPort,
    PolicyRule,
    Requirement,
)
from portway.policy import PolicyInputs

NODE = "node-0"
NAMESPACES = 100
NODES = 40
APPLICATIONS = 20
_PORTS = (ContainerPort("http", "TCP", 8080),)


def cluster(pods: int, policies: int) -> PolicyInputs:
    """One pod in NODES is this node's."""
    inputs = PolicyInputs(NODE)
    for number in range(NAMESPACES):
        name = f"ns{number}"
        inputs.put_namespace(name, Namespace(name, {"kubernetes.io/metadata.name": name, "team": f"t{number % 10}"}))
    for number in range(pods):
        put(inputs, pod(number))
    for number in range(policies):
        put_policy(inputs, policy(number))
    return inputs


def put(inputs: PolicyInputs, one: Pod) -> None:
    """It came or changed."""
    inputs.put_pod((one.namespace, one.name), one)


def put_policy(inputs: PolicyInputs, one: NetworkPolicy) -> None:
    """It came or changed."""
    inputs.put_policy((one.namespace, one.name), one)


def pod(number: int, application: int | None = None) -> Pod:
    """Pods of one number have one name and address, whatever their application."""
    chosen = number // NAMESPACES % APPLICATIONS if application is None else application
    address = f"10.{number // 62500 + 1}.{number // 250 % 250}.{number % 250 + 1}"
    labels = {"app": f"a{chosen}", "tier": f"x{number % 3}"}
    return Pod(f"ns{number % NAMESPACES}", f"p{number}", (address,), f"node-{number % NODES}", labels, _PORTS)


def _selects(key: str, value: str) -> LabelSelector:
    return LabelSelector((Requirement(key, "=", (value,)),))


def policy(number: int, port: int = 80) -> NetworkPolicy:
    """Policies of one number have one name."""
    peers = [
        PolicyPeer(pods=_selects("app", f"a{number * 7 % APPLICATIONS}")),
        PolicyPeer(pods=_selects("tier", f"x{number % 3}"), namespaces=_selects("team", f"t{number % 10}")),
    ]
    if number % 5 == 0:
        block = f"192.{number % 200}"
        peers.append(PolicyPeer(block=IpBlock(f"{block}.0.0/16", (f"{block}.5.0/24",))))
    rules = (PolicyRule(tuple(peers), (PolicyPort("TCP", port + number % 5), PolicyPort("TCP", "http"))),)
    both = number % 3 == 0
    return NetworkPolicy(
        f"ns{number % NAMESPACES}",
        f"policy{number}",
        _selects("app", f"a{number // NAMESPACES % APPLICATIONS}"),
        ("Ingress", "Egress") if both else ("Ingress",),
        rules,
        rules if both else (),
    )
