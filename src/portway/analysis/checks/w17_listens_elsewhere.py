"""PW-W17: a container that seems to be told to listen elsewhere than its Service leads."""

import re
from collections.abc import Iterator

from portway.analysis import examples
from portway.analysis.bundle import Bundle, Workload
from portway.analysis.check import Check, Settings
from portway.analysis.finding import Finding, Where
from portway.analysis.view import container_ports, inside, resolve, services, word, words

_FLAG = re.compile(r"^--?(?:http[-_]?)?(?:listen[-_]?)?port[=\s](\d{2,5})$", re.IGNORECASE)
_NAMES = frozenset({"PORT", "SERVER_PORT", "HTTP_PORT", "LISTEN_PORT", "APP_PORT"})
_URLS = frozenset({"ASPNETCORE_URLS", "LISTEN_ADDR", "LISTEN_ADDRESS", "BIND_ADDRESS"})
_LAST = re.compile(r":(\d{2,5})/?$")


def _run(bundle: Bundle, settings: Settings) -> Iterator[Finding]:
    for service in services(bundle):
        for workload in bundle.selected(service.namespace, service.selector):
            told = list(told_ports(workload))
            if len({number for number, _ in told}) != 1 or len(list(workload.containers())) != 1:
                continue
            number, where = told[0]
            leads = {resolve(port, workload): port for port in service.ports if port.protocol == "TCP"}
            declared = {(port.number, port.protocol) for port in container_ports(workload)}
            both = {(each, "TCP") for each in (number, *leads)} <= declared
            if leads and number not in leads and not both:
                port = next(iter(leads.values()))
                yield Finding(
                    "PW-W17",
                    "info",
                    f"{workload.item.named} seems to listen on {number}, but {service.item.named} leads to "
                    + ", ".join(str(target) for target in leads),
                    where,
                    confidence="hint",
                    hop="pod",
                    others=(port.where("targetPort"),),
                    seen=str(number),
                    expected=", ".join(str(target) for target in leads),
                    effect="if so, connections are refused",
                )


def told_ports(workload: Workload) -> Iterator[tuple[int, Where]]:
    """The ports that flags and variables of a workload's containers name, with their places."""
    for path, container in workload.containers():
        for field in ("command", "args"):
            for index, text in enumerate(words(container.get(field))):
                if match := _FLAG.match(text):
                    yield int(match[1]), workload.item.where((*path, field, index))
        for place, variable in inside(workload.item, (*path, "env")):
            if number := _of_variable(word(variable.get("name")), word(variable.get("value"))):
                yield number, workload.item.where((*place, "value"))


def _of_variable(name: str, value: str) -> int:
    if name in _NAMES and value.isdigit():
        return int(value)
    match = _LAST.search(value) if name in _URLS else None
    return int(match[1]) if match else 0


def _example(port: int) -> str:
    return examples.together(
        examples.service("{port: 80, targetPort: 8080}"),
        examples.workload("", container=f'args: ["--port={port}"]'),
    )


CHECK = Check(
    code="PW-W17",
    title="a container seems to listen on another port than its Service leads to",
    severity="info",
    hop="pod",
    run=_run,
    cause="A flag such as --port or a variable such as PORT names a port that the Service does not lead to. This is a "
    "guess by the names of flags.",
    mend="Make targetPort and the process agree.",
    fails=_example(9090),
    passes=_example(8080),
)
