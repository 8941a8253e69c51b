"""PW-W02: a named targetPort that only some of the selected pods define."""

from collections.abc import Iterator

from portway.analysis import examples
from portway.analysis.bundle import Bundle
from portway.analysis.check import Check, Settings
from portway.analysis.finding import Finding, Fix
from portway.analysis.view import resolve, services


def _run(bundle: Bundle, settings: Settings) -> Iterator[Finding]:
    for service in services(bundle):
        workloads = bundle.selected(service.namespace, service.selector)
        for port in service.ports:
            lacking = [one for one in workloads if resolve(port, one) is None]
            if not lacking or len(lacking) == len(workloads):
                continue
            names = ", ".join(one.item.named for one in lacking)
            yield Finding(
                "PW-W02",
                "error",
                f'{service.item.named}: targetPort "{port.target_port}" ({port.protocol}) is not defined by {names}',
                port.where("targetPort"),
                hop="endpoint",
                others=tuple(one.item.where(one.path("spec", "containers")) for one in lacking),
                seen=str(port.target_port),
                effect="these pods get no traffic for this port; the load goes to the others",
                fix=Fix(f"name a container port {port.target_port} in every selected pod, or narrow the selector"),
            )


def _example(name: str) -> str:
    return examples.together(
        examples.service("{port: 80, targetPort: http}", selector="tier: web"),
        examples.workload("{name: http, containerPort: 8080}", name="old", labels="tier: web"),
        examples.workload(f"{{name: {name}, containerPort: 9090}}", name="new", labels="tier: web"),
    )


CHECK = Check(
    code="PW-W02",
    title="named targetPort that only some of the selected pods define",
    severity="error",
    hop="endpoint",
    run=_run,
    cause="Each pod resolves a named targetPort for itself. Pods that do not define it drop out of this port's "
    "endpoints without a word, often in the middle of a rollout that renames a port.",
    mend="Define the name in every pod that the Service selects, or narrow its selector.",
    rule="FindPort (pkg/api/v1/pod/util.go); EndpointSlices are kept by the ports that pods resolve to",
    fails=_example("web"),
    passes=_example("http"),
)
