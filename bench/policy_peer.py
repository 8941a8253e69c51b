"""The peer of the policy benches: nft's text of a ruleset with a chain for each policy and each pod."""

import os
import statistics
import subprocess
import time
from collections.abc import Iterator

from bench import synthetic_policies as cluster
from portway.kubeapi import decode_policy
from portway.model import NetworkPolicy, PolicySnapshot

_CHANGES = int(os.environ.get("PEER_CHANGES", "15"))


def measured(pods: int, policies: int) -> dict[str, float]:
    """Seconds of loading it into this namespace, and of one policy's chain and set written anew."""
    known = snapshot(pods, policies)
    written = text(known)
    began = time.perf_counter()
    _nft(written)
    load = time.perf_counter() - began
    changed = [cluster.policy(number * 20 % policies, 400 + number) for number in range(_CHANGES)]
    edited = statistics.median(_rewritten(known, decode_policy.network_policy(one)) for one in changed)
    return {"load": load, "policy edited": edited}


def snapshot(pods: int, policies: int) -> PolicySnapshot:
    """The cluster as values."""
    return cluster.inputs(cluster.documents(pods, policies)).snapshot


def _rewritten(known: PolicySnapshot, policy: NetworkPolicy) -> float:
    began = time.perf_counter()
    _nft(f"flush chain inet peer {policy.name}\n" + "".join(_policy_rules(known, policy)))
    return time.perf_counter() - began


def _nft(written: str) -> None:
    subprocess.run(["nft", "-f", "-"], input=written, text=True, check=True, capture_output=True)


def text(known: PolicySnapshot) -> str:
    """All of it."""
    return "".join(_chains(known))


def _chains(known: PolicySnapshot) -> Iterator[str]:
    yield "table inet peer {\n map pods { type ipv4_addr : verdict; }\n}\n"
    for policy in known.policies.values():
        yield f"add chain inet peer {policy.name}\n"
    for policy in known.policies.values():
        yield from _policy_rules(known, policy)
    for pod in known.pods.values():
        if pod.node_name == cluster.NODE:
            mine = [p for p in known.policies.values() if p.namespace == pod.namespace and p.pods.matches(pod.labels)]
            yield f"add chain inet peer pod-{pod.name}\n"
            yield from (f"add rule inet peer pod-{pod.name} jump {policy.name}\n" for policy in mine)
            yield f"add rule inet peer pod-{pod.name} drop\n" if mine else ""
            yield f"add element inet peer pods {{ {pod.addresses[0]} : jump pod-{pod.name} }}\n"
    yield "add chain inet peer forward { type filter hook forward priority 0; }\n"
    yield "add rule inet peer forward ct state established accept\nadd rule inet peer forward ip daddr vmap @pods\n"


def _policy_rules(known: PolicySnapshot, policy: NetworkPolicy) -> Iterator[str]:
    """Its set of addresses and its rule; only ingress, and no blocks."""
    name = f"from-{policy.name}"
    yield f"add set inet peer {name} {{ type ipv4_addr; }}\nflush set inet peer {name}\n"
    yield f"add element inet peer {name} {{ {', '.join(_sources(known, policy))} }}\n"
    port = policy.ingress[0].ports[0].port
    yield f"add rule inet peer {policy.name} ip saddr @{name} tcp dport {{ {port}, 8080 }} accept\n"


def _sources(known: PolicySnapshot, policy: NetworkPolicy) -> list[str]:
    same, team = policy.ingress[0].peers[:2]
    assert same.pods is not None and team.pods is not None and team.namespaces is not None
    teams = {name for name, namespace in known.namespaces.items() if team.namespaces.matches(namespace.labels)}
    return [
        pod.addresses[0]
        for pod in known.pods.values()
        if (pod.namespace == policy.namespace and same.pods.matches(pod.labels))
        or (pod.namespace in teams and team.pods.matches(pod.labels))
    ]
