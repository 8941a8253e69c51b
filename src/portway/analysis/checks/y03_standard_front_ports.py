"""PW-Y03: a load balancer whose web port is not 80 or 443."""

from collections.abc import Iterator

from portway.analysis import examples
from portway.analysis.bundle import Bundle
from portway.analysis.check import Check, Settings
from portway.analysis.finding import Edit, Finding, Fix
from portway.analysis.view import services


def _run(bundle: Bundle, settings: Settings) -> Iterator[Finding]:
    for service in services(bundle):
        for port in service.ports if service.type == "LoadBalancer" else ():
            wanted = {"http": 80, "https": 443}.get(port.name.partition("-")[0])
            if wanted and port.port != wanted and len(service.ports) == 1:
                yield Finding(
                    "PW-Y03",
                    "info",
                    f"{service.item.named} serves {port.name} on {port.port}",
                    port.where("port"),
                    confidence="hint",
                    hop="door",
                    seen=str(port.port),
                    expected=str(wanted),
                    effect="people must write the number behind the name",
                    fix=Fix(f"port: {wanted}", (Edit(port.where("port"), "replace", wanted),)),
                )


def _example(port: int) -> str:
    return examples.service(f"{{name: http, port: {port}, targetPort: 8080}}", more="type: LoadBalancer")


CHECK = Check(
    code="PW-Y03",
    title="a load balancer's web port that is not the usual one",
    severity="info",
    hop="door",
    run=_run,
    style=True,
    cause="The front of a web application is 80 or 443; targetPort maps it to whatever the process listens on.",
    mend="Write the usual number as port.",
    fails=_example(8080),
    passes=_example(80),
)
