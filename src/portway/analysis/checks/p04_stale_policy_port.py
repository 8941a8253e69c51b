"""PW-P04: a NetworkPolicy opens a port that nothing uses."""

from collections.abc import Iterator

from portway.analysis import examples
from portway.analysis.bundle import Bundle, Workload
from portway.analysis.check import Check, Settings
from portway.analysis.finding import Finding
from portway.analysis.policies import PolicyPort, ports, subjects
from portway.analysis.reach import targets
from portway.analysis.view import container_ports, services


def _run(bundle: Bundle, settings: Settings) -> Iterator[Finding]:
    used = _used(bundle)
    known = {(port.port, port.protocol) for service in services(bundle) for port in service.ports}
    known |= {(port.node_port, port.protocol) for service in services(bundle) for port in service.ports}
    for policy in bundle.of("NetworkPolicy"):
        pods = subjects(bundle, policy)
        for one in ports(policy):
            if (
                one.direction == "Ingress"
                and pods
                and _stale(one, pods, used)
                and (one.port, one.protocol) not in known
            ):
                yield Finding(
                    "PW-P04",
                    "warning",
                    f"{policy.named} opens {one.port}/{one.protocol}, which no Service leads to and no container "
                    "declares",
                    one.where(),
                    confidence="likely",
                    hop="policy",
                    others=tuple(each.item.where(each.path("spec", "containers")) for each in pods[:3]),
                    seen=str(one.port),
                    expected=", ".join(sorted({f"{n}/{p}" for each in pods for n, p in used[each.item.named]})),
                    effect="a rule that nobody needs, or the right rule is missing",
                )


def _used(bundle: Bundle) -> dict[str, set[tuple[int, str]]]:
    found = {one.item.named: {(p.number, p.protocol) for p in container_ports(one)} for one in bundle.workloads}
    for service in services(bundle):
        for port, workload, number in targets(bundle, service):
            found[workload.item.named].add((number, port.protocol))
    return found


def _stale(one: PolicyPort, pods: tuple[Workload, ...], used: dict[str, set[tuple[int, str]]]) -> bool:
    if not isinstance(one.port, int) or one.port == 0:
        return False
    declared = [used[each.item.named] for each in pods]
    return all(ports and not any(p == one.protocol and one.opens(n) for n, p in ports) for ports in declared)


def _example(port: int) -> str:
    return examples.together(
        examples.workload(),
        examples.policy(f"podSelector: {{matchLabels: {{app: shop}}}}\ningress:\n- ports: [{{port: {port}}}]"),
    )


CHECK = Check(
    code="PW-P04",
    title="a NetworkPolicy opens a port that nothing uses",
    severity="warning",
    hop="policy",
    run=_run,
    cause="The pods declare other ports, and no Service leads to this one. The port may have moved and left the rule "
    "behind.",
    mend="Remove the rule, or write the port that is meant.",
    fails=_example(9999),
    passes=_example(8080),
)
