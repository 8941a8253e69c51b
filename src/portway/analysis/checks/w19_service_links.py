"""PW-W19: a Service whose name makes a variable that shadows one the program reads."""

import re
from collections.abc import Iterator

from portway.analysis import examples
from portway.analysis.bundle import Bundle, Workload
from portway.analysis.check import Check, Settings
from portway.analysis.finding import Edit, Finding, Fix
from portway.analysis.view import ServiceView, inside, services, word, words

_SPOKEN = re.compile(r"\$[({]?(\w+_PORT)\b")


def _run(bundle: Bundle, settings: Settings) -> Iterator[Finding]:
    links: dict[str, list[ServiceView]] = {}
    for service in services(bundle):
        if not service.headless and service.type != "ExternalName":
            links.setdefault(service.namespace, []).append(service)
    for workload in bundle.workloads:
        if workload.pod_spec.get("enableServiceLinks") is not False:
            read = _read_variables(workload) - _set_variables(workload)
            for service in links.get(workload.namespace, ()) if read else ():
                if f"{_upper(service)}_PORT" in read:
                    yield _finding(workload, service)


def _upper(service: ServiceView) -> str:
    return service.name.upper().replace("-", "_")


def _read_variables(workload: Workload) -> set[str]:
    """What commands, arguments and other variables of its containers speak of: `$NAME_PORT`, `$(NAME_PORT)`."""
    found: set[str] = set()
    for path, container in workload.containers():
        texts = [*words(container.get("command")), *words(container.get("args"))]
        texts += [word(one.get("value")) for _, one in inside(workload.item, (*path, "env"))]
        found.update(name for text in texts for name in _SPOKEN.findall(text))
    return found


def _set_variables(workload: Workload) -> set[str]:
    return {
        word(variable.get("name"))
        for path, _ in workload.containers()
        for _, variable in inside(workload.item, (*path, "env"))
    }


def _finding(workload: Workload, service: ServiceView) -> Finding:
    variable = f"{_upper(service)}_PORT"
    where = workload.item.where(workload.path("spec", "enableServiceLinks"))
    return Finding(
        "PW-W19",
        "warning",
        f"{service.item.named} puts {variable}=tcp://… into the pods of {workload.item.named}, whose program may read "
        "it",
        where,
        confidence="likely",
        hop="pod",
        others=(service.item.where("metadata.name"),),
        seen=f"{variable}=tcp://CLUSTER-IP:{service.ports[0].port if service.ports else 0}",
        effect="programs that read a number from it do not start",
        fix=Fix("enableServiceLinks: false", (Edit(where, "add", False),)),
    )


def _example(links: str) -> str:
    told = 'args: ["--port=$(SHOP_PORT)"]'
    return examples.together(
        examples.service("{port: 80}"), examples.workload("{containerPort: 80}", pod=links, container=told)
    )


CHECK = Check(
    code="PW-W19",
    title="a Service's name makes a variable that the program reads as its own",
    severity="warning",
    hop="pod",
    run=_run,
    cause="Every pod gets variables about the Services of its namespace: NAME_PORT=tcp://ADDRESS:PORT. A program that "
    "reads NAME_PORT as its own setting, because the Service is named after it, finds no number there. Found where a "
    "command, an argument or a variable speaks of it.",
    mend="Set enableServiceLinks: false, set the variable yourself, or name the Service otherwise.",
    rule="PodSpec.enableServiceLinks, true by default",
    fails=_example(""),
    passes=_example("enableServiceLinks: false"),
)
