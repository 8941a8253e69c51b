"""PW-U02: a StatefulSet whose serviceName is no headless Service that selects it."""

from collections.abc import Iterator

from portway.analysis import examples
from portway.analysis.bundle import Bundle
from portway.analysis.check import Check, Settings
from portway.analysis.finding import Finding
from portway.analysis.reach import find_service
from portway.analysis.view import word


def _run(bundle: Bundle, settings: Settings) -> Iterator[Finding]:
    for workload in bundle.workloads:
        name = word(workload.item.get("spec.serviceName")) if workload.item.kind == "StatefulSet" else ""
        service = find_service(bundle, workload.namespace, name) if name else None
        if not name or (service is None and not bundle.in_scope("Service", workload.namespace)):
            continue
        if service is None:
            wrong = f"Service {name} is not there"
        elif not service.headless:
            wrong = f"{service.item.named} is not headless"
        elif not service.selector.items() <= workload.labels.items():
            wrong = f"{service.item.named} does not select its pods"
        else:
            continue
        yield Finding(
            "PW-U02",
            "warning",
            f"{workload.item.named}: serviceName {name}, but {wrong}",
            workload.item.where("spec.serviceName"),
            confidence="certain" if bundle.complete or service else "likely",
            hop="endpoint",
            others=(service.item.where("spec.clusterIP"),) if service else (),
            seen=name,
            expected="a headless Service (clusterIP: None) that selects the pods",
            effect="its pods have no names of their own in DNS",
        )


def _example(cluster_ip: str) -> str:
    return examples.together(
        examples.service("{port: 5432}", name="db", selector="app: db", more=cluster_ip),
        examples.workload("{containerPort: 5432}", name="db", kind="StatefulSet", more="serviceName: db"),
    )


CHECK = Check(
    code="PW-U02",
    title="a StatefulSet without the headless Service that it names",
    severity="warning",
    hop="endpoint",
    run=_run,
    cause="The pods of a StatefulSet get names such as db-0.db through the headless Service that serviceName names.",
    mend="Write a Service with clusterIP: None that selects the pods.",
    rule="StatefulSet.spec.serviceName",
    fails=_example(""),
    passes=_example("clusterIP: None"),
)
