"""PW-H03: an application that is reached from outside and is one accident away from being gone."""

from collections.abc import Iterator

from portway.analysis import examples
from portway.analysis.bundle import Bundle, Workload
from portway.analysis.check import Check, Settings
from portway.analysis.finding import Finding, Where
from portway.analysis.reach import exposed, selects
from portway.analysis.view import number, word


def _run(bundle: Bundle, settings: Settings) -> Iterator[Finding]:
    for service, how in exposed(bundle):
        for workload in bundle.selected(service.namespace, service.selector):
            for text, where, effect in _weaknesses(bundle, workload):
                yield Finding(
                    "PW-H03",
                    "warning",
                    f"{workload.item.named} is reached from outside ({service.name}, {how}) and {text}",
                    where,
                    confidence="likely",
                    hop="pod",
                    others=(service.item.where("spec.type"),),
                    effect=effect,
                )


def _weaknesses(bundle: Bundle, workload: Workload) -> Iterator[tuple[str, Where, str]]:
    item = workload.item
    if (
        item.kind in ("Deployment", "StatefulSet", "ReplicaSet")
        and (workload.replicas or 0) < 2
        and not _scaled(bundle, item.kind, workload)
    ):
        yield "has one replica", item.where("spec.replicas"), "each restart and each drained node is an outage"
    if word(item.get("spec.strategy.type")) == "Recreate":
        yield "is recreated on each update", item.where("spec.strategy.type"), "each update is an outage"
    if not any("readinessProbe" in container for _, container in workload.containers()):
        where = item.where(workload.path("spec", "containers"))
        yield "has no readiness probe", where, "pods get traffic before they can answer, on each update"
    if (
        (workload.replicas or 0) > 1
        and not _has_budget(bundle, workload)
        and bundle.in_scope("PodDisruptionBudget", workload.namespace)
    ):
        yield "no PodDisruptionBudget selects it", item.where("spec.replicas"), "a drain may end all pods at once"


def _scaled(bundle: Bundle, kind: str, workload: Workload) -> bool:
    """Whether a HorizontalPodAutoscaler decides the number, with at least two."""
    for scaler in bundle.within(workload.namespace, "HorizontalPodAutoscaler"):
        target = scaler.get("spec.scaleTargetRef.kind"), scaler.get("spec.scaleTargetRef.name")
        if target == (kind, workload.item.name):
            return number(scaler.get("spec.minReplicas")) > 1
    return False


def _has_budget(bundle: Bundle, workload: Workload) -> bool:
    for budget in bundle.within(workload.namespace, "PodDisruptionBudget"):
        selector = budget.get("spec.selector", {})
        if isinstance(selector, dict) and selects(selector, workload.labels):
            return True
    return False


def _example(replicas: int) -> str:
    return examples.together(
        examples.service("{port: 80, targetPort: 8080}", more="type: NodePort"),
        examples.workload(more=f"replicas: {replicas}", container="readinessProbe: {httpGet: {port: 8080}}"),
    )


CHECK = Check(
    code="PW-H03",
    title="an application that is reached from outside and is fragile",
    severity="warning",
    hop="pod",
    run=_run,
    style=True,
    cause="One replica, no readiness probe, updates by Recreate or no disruption budget matter most where people "
    "outside notice: behind a NodePort, LoadBalancer, Ingress or route.",
    mend="Two replicas or more, a readiness probe on the traffic's port, RollingUpdate, a PodDisruptionBudget.",
    fails=_example(1),
    passes=_example(2),
)
