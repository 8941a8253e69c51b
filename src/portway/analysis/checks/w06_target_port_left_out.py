"""PW-W06: targetPort is left out, and the pods declare one port with another number."""

from collections.abc import Iterator

from portway.analysis import examples
from portway.analysis.bundle import Bundle
from portway.analysis.check import Check, Settings
from portway.analysis.finding import Edit, Finding, Fix
from portway.analysis.view import container_ports, services


def _run(bundle: Bundle, settings: Settings) -> Iterator[Finding]:
    for service in services(bundle):
        if service.headless:
            continue
        declared = [p for one in bundle.selected(service.namespace, service.selector) for p in container_ports(one)]
        for port in service.ports:
            others = [one for one in declared if one.protocol == port.protocol]
            if port.target_written or len({one.number for one in others}) != 1 or others[0].number == port.port:
                continue
            value = others[0].name or others[0].number
            yield Finding(
                "PW-W06",
                "warning",
                f"{service.item.named}: port {port.port} has no targetPort and so leads to {port.port}, "
                f"but the pods declare {others[0].text}",
                port.where(),
                confidence="likely",
                hop="endpoint",
                others=(others[0].where("containerPort"),),
                seen=f"{port.port} (the default: the port itself)",
                expected=str(value),
                effect="if nothing listens there, connections are refused",
                fix=Fix(f"targetPort: {value}", (Edit(port.where("targetPort"), "add", value),)),
                assumptions=("ASSUME_PROCESS_LISTENS",),
            )


CHECK = Check(
    code="PW-W06",
    title="targetPort left out while the pods declare another port",
    severity="warning",
    hop="endpoint",
    run=_run,
    cause="A Service port without targetPort leads to its own number. Clients dial 80 and reach 80 in the pod, where "
    "processes seldom listen.",
    mend="Write targetPort.",
    rule="SetDefaults_Service (pkg/apis/core/v1/defaults.go): targetPort defaults to port",
    fails=examples.together(examples.service("{port: 80}"), examples.workload("{containerPort: 8080}")),
    passes=examples.together(
        examples.service("{port: 80, targetPort: 8080}"), examples.workload("{containerPort: 8080}")
    ),
)
