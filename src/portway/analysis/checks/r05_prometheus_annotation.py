"""PW-R05: a prometheus.io/port annotation that the pods do not serve."""

from collections.abc import Iterator, Mapping

from portway.analysis import examples
from portway.analysis.bundle import Bundle, Workload, strings
from portway.analysis.check import Check, Settings
from portway.analysis.finding import Finding, Fix
from portway.analysis.view import container_ports

_PORT = "prometheus.io/port"


def _run(bundle: Bundle, settings: Settings) -> Iterator[Finding]:
    for workload in bundle.workloads:
        metadata = workload.template.get("metadata")
        notes = strings(metadata.get("annotations")) if isinstance(metadata, dict) else {}
        declared = {port.number for port in container_ports(workload)}
        wanted = notes.get(_PORT, "")
        if wanted and declared and wanted not in {str(number) for number in declared} and not _by_mesh(workload, notes):
            yield Finding(
                "PW-R05",
                "warning",
                f"{workload.item.named} says {_PORT}: {wanted}, which its containers do not declare",
                workload.item.where(workload.path("metadata", "annotations", _PORT)),
                confidence="likely",
                hop="client",
                others=(workload.item.where(workload.path("spec", "containers")),),
                seen=wanted,
                expected=", ".join(str(number) for number in sorted(declared)),
                effect="Prometheus scrapes a port where probably nothing listens",
                fix=Fix("the port that serves metrics"),
                assumptions=("ASSUME_PROCESS_LISTENS",),
            )


def _by_mesh(workload: Workload, notes: Mapping[str, str]) -> bool:
    """Whether a mesh wrote the annotation for its own sidecar, which declares no port for it."""
    return "sidecar.istio.io/status" in notes or any(
        container.get("name") == "istio-proxy" for _, container in workload.containers()
    )


def _example(port: int) -> str:
    text = examples.workload("{containerPort: 9100}")
    return text.replace("labels: {app: shop}}", f'labels: {{app: shop}}, annotations: {{{_PORT}: "{port}"}}}}')


CHECK = Check(
    code="PW-R05",
    title="a prometheus.io/port annotation that the pods do not serve",
    severity="warning",
    hop="client",
    run=_run,
    cause="The annotation names a port of the pod, and the pod declares others.",
    mend="Write the port that serves metrics.",
    fails=_example(9090),
    passes=_example(9100),
)
