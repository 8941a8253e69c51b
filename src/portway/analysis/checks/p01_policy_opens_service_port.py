"""PW-P01: a NetworkPolicy that opens the Service's port, while the pods listen on the targetPort."""

from collections.abc import Iterator

from portway.analysis import examples
from portway.analysis.bundle import Bundle, Workload
from portway.analysis.check import Check, Settings
from portway.analysis.finding import Edit, Finding, Fix
from portway.analysis.policies import PolicyPort, peers, ports, subjects
from portway.analysis.reach import targets
from portway.analysis.view import PortView, container_ports, services


def _run(bundle: Bundle, settings: Settings) -> Iterator[Finding]:
    leads = _leads(bundle)
    fronts = {(port.port, port.protocol) for each in leads.values() for port, number in each if port.port != number}
    for policy in bundle.of("NetworkPolicy"):
        opened = list(ports(policy))
        for one in (port for port in opened if (port.port, port.protocol) in fronts):
            for workload in _receivers(bundle, one):
                if said := _mistaken(one, opened, workload, leads.get(workload.item.named, [])):
                    yield said
                    break


def _leads(bundle: Bundle) -> dict[str, list[tuple[PortView, int]]]:
    found: dict[str, list[tuple[PortView, int]]] = {}
    for service in services(bundle):
        for port, workload, number in targets(bundle, service) if not service.headless else ():
            found.setdefault(workload.item.named, []).append((port, number))
    return found


def _receivers(bundle: Bundle, one: PolicyPort) -> tuple[Workload, ...]:
    """Whose ports these are: the policy's pods for ingress, the peers for egress."""
    if one.direction == "Ingress":
        return subjects(bundle, one.item)
    return peers(bundle, one.item, "Egress", one.item.get(one.rule, {})) or ()


def _mistaken(
    one: PolicyPort, opened: list[PolicyPort], workload: Workload, leads: list[tuple[PortView, int]]
) -> Finding | None:
    if not isinstance(one.port, int) or one.port == 0 or one.end != one.port:
        return None
    if any((p.number, p.protocol) == (one.port, one.protocol) for p in container_ports(workload)):
        return None
    for port, number in leads:
        same = port.protocol == one.protocol
        rule = [each for each in opened if each.rule == one.rule and each.protocol == one.protocol]
        if same and port.port == one.port != number and not any(each.opens(number) for each in rule):
            return _finding(one, workload, port, number)
    return None


def _finding(one: PolicyPort, workload: Workload, port: PortView, number: int) -> Finding:
    return Finding(
        "PW-P01",
        "error",
        f"{one.item.named} opens {one.port}/{one.protocol}, but {port.item.named}:{port.port} delivers to port "
        f"{number} of {workload.item.named}",
        one.where(),
        hop="policy",
        others=(port.where("targetPort"),),
        seen=str(one.port),
        expected=str(number),
        effect="policies judge after translation: the packets are dropped and connections time out",
        fix=Fix(f"port: {number}", (Edit(one.where(), "replace", number),)),
        assumptions=("ASSUME_CNI_ENFORCES_POLICY",),
    )


def _example(port: int) -> str:
    return examples.together(
        examples.service("{port: 443, targetPort: 9443}"),
        examples.workload("{containerPort: 9443}"),
        examples.policy(f"podSelector: {{matchLabels: {{app: shop}}}}\ningress:\n- ports: [{{port: {port}}}]"),
    )


CHECK = Check(
    code="PW-P01",
    title="a NetworkPolicy that opens the Service's port instead of the pod's",
    severity="error",
    hop="policy",
    run=_run,
    cause="A Service's address and port are translated before policies are asked, so that they see the pod's port. A "
    "rule for the Service's port lets nothing through.",
    mend="Write the targetPort, or its name, which survives renumbering.",
    rule="NetworkPolicy ports are those of pods",
    fails=_example(443),
    passes=_example(9443),
)
