"""PW-N10: externalTrafficPolicy Local with fewer pods than nodes."""

from collections.abc import Iterator

from portway.analysis import examples
from portway.analysis.bundle import Bundle
from portway.analysis.check import Check, Settings
from portway.analysis.finding import Finding, Fix
from portway.analysis.view import ServiceView, services


def _run(bundle: Bundle, settings: Settings) -> Iterator[Finding]:
    for service in services(bundle):
        if service.type not in ("NodePort", "LoadBalancer") or service.external_policy != "Local":
            continue
        workloads = bundle.selected(service.namespace, service.selector)
        replicas = [one.replicas for one in workloads]
        if replicas and None not in replicas:
            count = sum(one or 0 for one in replicas)
            if settings.nodes is None or count < settings.nodes or not _spread(bundle, service):
                yield _finding(service, count, settings)


def _spread(bundle: Bundle, service: ServiceView) -> bool:
    """Whether something keeps the pods on different nodes."""
    for one in bundle.selected(service.namespace, service.selector):
        spec = one.pod_spec
        affinity = spec.get("affinity")
        apart = isinstance(affinity, dict) and "podAntiAffinity" in affinity
        if not (apart or spec.get("topologySpreadConstraints")):
            return False
    return True


def _finding(service: ServiceView, count: int, settings: Settings) -> Finding:
    nodes = f"{settings.nodes} nodes" if settings.nodes else "the nodes"
    kept = "a load balancer's health checks keep away from them" if service.type == "LoadBalancer" else ""
    return Finding(
        "PW-N10",
        "warning" if service.type == "NodePort" else "info",
        f"{service.item.named}: externalTrafficPolicy Local answers only on nodes with one of its {count} pods, "
        f"and nothing puts one on each of {nodes}",
        service.item.where("spec.externalTrafficPolicy"),
        confidence="likely",
        hop="node",
        seen="Local",
        effect=f"on the other nodes connections time out{'; ' + kept if kept else ''}",
        fix=Fix("a DaemonSet or topologySpreadConstraints, or externalTrafficPolicy: Cluster (hides client addresses)"),
    )


def _example(kind: str) -> str:
    more = "replicas: 2" if kind == "Deployment" else ""
    return examples.together(
        examples.service("{port: 80, targetPort: 8080}", more="type: NodePort\nexternalTrafficPolicy: Local"),
        examples.workload(kind=kind, more=more),
    )


CHECK = Check(
    code="PW-N10",
    title="externalTrafficPolicy Local without a pod on every node",
    severity="warning",
    hop="node",
    run=_run,
    cause="Local keeps the client's address by never leaving the node. A node without a ready pod drops what comes in.",
    mend="Run a pod on every node that gets traffic, or let the load balancer choose nodes by healthCheckNodePort.",
    rule="Service.spec.externalTrafficPolicy",
    fails=_example("Deployment"),
    passes=_example("DaemonSet"),
)
