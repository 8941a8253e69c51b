"""PW-W01: a named targetPort that no selected pod defines with the Service port's protocol."""

from collections.abc import Iterator

from portway.analysis.bundle import Bundle, Workload
from portway.analysis.check import Check, Settings
from portway.analysis.finding import Edit, Finding, Fix, Where
from portway.analysis.view import ContainerPort, PortView, container_ports, inside, resolve, services, word
from portway.reconcile.endpointslices import CONTROLLER, MANAGED_BY, SERVICE_NAME


def _run(bundle: Bundle, settings: Settings) -> Iterator[Finding]:
    for service in services(bundle):
        workloads = bundle.selected(service.namespace, service.selector)
        for port in service.ports:
            named = isinstance(port.target_port, str)
            nowhere = named and workloads and all(resolve(port, one) is None for one in workloads)
            if nowhere and (*service.item.key, port.name, port.protocol) not in bundle.derived(_led_by_others):
                yield _finding(port, workloads)


def _led_by_others(bundle: Bundle) -> frozenset[tuple[str, str, str, str]]:
    """(namespace, Service, port's name, protocol) of what EndpointSlices lead somewhere that Kubernetes' controller did
    not make: there the selector is not what counts. The TCP ports of a Gateway's door are such.
    """
    slices = (one for one in bundle.of("EndpointSlice") if one.labels.get(MANAGED_BY) != CONTROLLER)
    return frozenset(
        (one.namespace, one.labels.get(SERVICE_NAME, ""), word(port.get("name")), word(port.get("protocol")) or "TCP")
        for one in slices
        for _, port in inside(one, "ports")
    )


def _finding(port: PortView, workloads: tuple[Workload, ...]) -> Finding:
    declared = [one for workload in workloads for one in container_ports(workload)]
    return Finding(
        "PW-W01",
        "error",
        f'{port.item.named}: no selected pod defines targetPort "{port.target_port}" ({port.protocol})',
        port.where("targetPort"),
        hop="endpoint",
        others=tuple(end for one in workloads for end in _ends(one)),
        seen=str(port.target_port),
        expected=f"the name of a {port.protocol} port; declared: {', '.join(p.text for p in declared) or 'none'}",
        effect="the Service has no endpoints for this port: connections are refused",
        fix=_fix(port, declared),
    )


def _ends(workload: Workload) -> list[Where]:
    """Its declared ports, or the containers that declare none."""
    declared = [one.where("containerPort") for one in container_ports(workload)]
    return declared or [workload.item.where(workload.path("spec", "containers"))]


def _fix(port: PortView, declared: list[ContainerPort]) -> Fix:
    """Where just one port can be meant: its name."""
    able = [one for one in declared if one.protocol == port.protocol]
    if len(able) != 1:
        return Fix(f"name a container port {port.target_port}, or write its number as targetPort")
    (meant,) = able
    if meant.name:
        return Fix(f"targetPort: {meant.name}", (Edit(port.where("targetPort"), "replace", meant.name),))
    edit = Edit(meant.where("name"), "add", port.target_port)
    return Fix(f"name: {port.target_port} at the container port, or targetPort: {meant.number}", (edit,))


_EXAMPLE = """\
apiVersion: v1
kind: Service
metadata: {name: shop}
spec:
  selector: {app: shop}
  ports:
  - {port: 80, targetPort: http}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop}
spec:
  selector: {matchLabels: {app: shop}}
  template:
    metadata: {labels: {app: shop}}
    spec:
      containers:
      - name: shop
        image: shop
        ports: [{name: NAME, containerPort: 8080}]
"""

CHECK = Check(
    code="PW-W01",
    title="named targetPort that no selected pod defines",
    severity="error",
    hop="endpoint",
    run=_run,
    cause="A named targetPort is looked up in each pod, by name and protocol. A pod without such a container port is "
    "left out of the Service's endpoints; with none left, connections are refused, and no object says why.",
    mend="Name the container port, or give its number as targetPort: a number always resolves.",
    rule="FindPort (pkg/api/v1/pod/util.go); Service.spec.ports[].targetPort",
    fails=_EXAMPLE.replace("NAME", "web"),
    passes=_EXAMPLE.replace("NAME", "http"),
)
