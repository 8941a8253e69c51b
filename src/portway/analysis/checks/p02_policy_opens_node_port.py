"""PW-P02: a NetworkPolicy that opens a nodePort."""

from collections.abc import Iterator

from portway.analysis import examples
from portway.analysis.bundle import Bundle
from portway.analysis.check import Check, Settings
from portway.analysis.finding import Finding, Fix
from portway.analysis.policies import ports, subjects
from portway.analysis.reach import targets
from portway.analysis.view import container_ports, services


def _run(bundle: Bundle, settings: Settings) -> Iterator[Finding]:
    by_number = {(p.node_port, p.protocol): (p, s) for s in services(bundle) for p in s.ports if p.node_port}
    for policy in bundle.of("NetworkPolicy"):
        for one in ports(policy):
            found = by_number.get((one.port, one.protocol)) if isinstance(one.port, int) else None
            if found is None or one.end != one.port:
                continue
            port, service = found
            declared = {p.number for workload in subjects(bundle, policy) for p in container_ports(workload)}
            if port.node_port in declared:
                continue
            pods = sorted({number for view, _, number in targets(bundle, service) if view is port or view == port})
            meant = ", ".join(map(str, pods)) or str(port.target_port)
            yield Finding(
                "PW-P02",
                "error",
                f"{policy.named} opens {one.port}, the nodePort of {service.item.named}; its pods receive on {meant}",
                one.where(),
                hop="policy",
                others=(port.where("nodePort"),),
                seen=str(one.port),
                expected=meant,
                effect="the nodePort is translated before policies are asked: the packets are dropped",
                fix=Fix(f"port: {meant}"),
                assumptions=("ASSUME_CNI_ENFORCES_POLICY",),
            )


def _example(port: int) -> str:
    return examples.together(
        examples.service("{port: 80, targetPort: 8080, nodePort: 30080}", more="type: NodePort"),
        examples.workload(),
        examples.policy(f"podSelector: {{matchLabels: {{app: shop}}}}\ningress:\n- ports: [{{port: {port}}}]"),
    )


CHECK = Check(
    code="PW-P02",
    title="a NetworkPolicy that opens a nodePort",
    severity="error",
    hop="policy",
    run=_run,
    cause="nodePorts exist on nodes only. By the time a pod's policies are asked, the packet goes to the pod's own "
    "port.",
    mend="Write the pod's port.",
    fails=_example(30080),
    passes=_example(8080),
)
