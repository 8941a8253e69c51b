"""PW-W01: a named targetPort that no selected pod defines with the Service port's protocol."""

from collections.abc import Iterator

from portway.analysis.bundle import Bundle, Item, Workload
from portway.analysis.check import Check, Settings
from portway.analysis.finding import Finding
from portway.kubeapi.errors import Doc


def _run(bundle: Bundle, settings: Settings) -> Iterator[Finding]:
    for service in bundle.of("Service"):
        workloads = bundle.selected(service.namespace, service.get("spec.selector", {}))
        for index, port in enumerate(service.get("spec.ports", [])):
            name = port.get("targetPort")
            if isinstance(name, str) and workloads and not any(_defines(one, port) for one in workloads):
                yield _finding(service, index, port, workloads)


def _defines(workload: Workload, port: Doc) -> bool:
    """FindPort (pkg/api/v1/pod/util.go): name and protocol must be equal."""
    wanted = port["targetPort"], port.get("protocol", "TCP")
    return any((p.get("name"), p.get("protocol", "TCP")) == wanted for _, p in workload.ports())


def _finding(service: Item, index: int, port: Doc, workloads: tuple[Workload, ...]) -> Finding:
    name, protocol = port["targetPort"], port.get("protocol", "TCP")
    declared = [
        f"{p.get('containerPort')}/{p.get('protocol', 'TCP')} {p.get('name', 'unnamed')}"
        for one in workloads
        for _, p in one.ports()
    ]
    return Finding(
        "PW-W01",
        "error",
        f'{service.named}: targetPort "{name}" ({protocol}) is defined by none of the selected pods',
        service.where(("spec", "ports", index, "targetPort")),
        hop="endpoint",
        others=tuple(one.item.where(one.path("spec", "containers")) for one in workloads),
        seen=name,
        expected=f"a container port with this name and protocol (declared: {', '.join(declared) or 'none'})",
        effect="the Service has no endpoints for this port: connections are refused",
    )


CHECK = Check(
    code="PW-W01",
    title="named targetPort that no selected pod defines",
    severity="error",
    hop="endpoint",
    run=_run,
    rule="EndpointSlice controller, FindPort: a named targetPort resolves by the name and protocol of each pod's ports",
)
