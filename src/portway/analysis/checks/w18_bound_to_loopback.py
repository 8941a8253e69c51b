"""PW-W18: a container told to listen on loopback only, behind a Service."""

import re
from collections.abc import Iterator

from portway.analysis import examples
from portway.analysis.bundle import Bundle, Workload
from portway.analysis.check import Check, Settings
from portway.analysis.finding import Finding, Fix, Where
from portway.analysis.view import inside, resolve, services, word, words

_LOOPBACK = r"(?:127\.0\.0\.1|localhost|\[?::1\]?)"
_FLAG = re.compile(
    r"^--?(?P<name>[\w.-]*(?:listen|bind)[\w.-]*|(?:https?-|grpc-|web-|server-)?(?:host|addr|address))[=\s]"
    rf"(?:https?://|tcp://)?{_LOOPBACK}(?::(?P<port>\d+))?/?$",
    re.IGNORECASE,
)
"""Only what speaks of listening: other addresses are told to others, or are others'."""
_VARIABLE = re.compile(r"(?:^|_)(?:LISTEN|BIND|HOST|URLS)(?:_|$)|LISTEN_ADDR|BIND_ADDR")
_VALUE = re.compile(rf"^(?:https?://|tcp://)?{_LOOPBACK}(?::(?P<port>\d+))?/?$", re.IGNORECASE)
_OTHERS = re.compile(r"(?:^|_)(?:DB|DATABASE|REDIS|MYSQL|POSTGRES|MONGO|KAFKA|UPSTREAM|SERVICE|TARGET|REMOTE)")


def _run(bundle: Bundle, settings: Settings) -> Iterator[Finding]:
    for service in services(bundle):
        for workload in bundle.selected(service.namespace, service.selector):
            leads = {resolve(port, workload) for port in service.ports}
            for text, port, where in _bound(workload):
                if port and port not in leads:
                    continue  # what listens there is nothing that this Service leads to
                yield Finding(
                    "PW-W18",
                    "warning",
                    f"{workload.item.named} seems to listen on loopback only ({text}), but {service.item.named} "
                    "leads to it",
                    where,
                    confidence="likely",
                    hop="pod",
                    others=(service.item.where("spec.selector"),),
                    seen=text,
                    expected="0.0.0.0, [::] or the pod's address",
                    effect="connections from outside the pod are refused",
                    fix=Fix("listen on 0.0.0.0 (or [::])"),
                )


def _bound(workload: Workload) -> Iterator[tuple[str, int, Where]]:
    """What says so, for which port (0: for any), and where."""
    if len(list(workload.containers())) != 1:
        return  # a sidecar in front may well be what the Service reaches
    for path, container in workload.containers():
        for field in ("command", "args"):
            for index, text in enumerate(words(container.get(field))):
                if (match := _FLAG.match(text)) and not _OTHERS.search(match["name"].replace("-", "_").upper()):
                    yield text, int(match["port"] or 0), workload.item.where((*path, field, index))
        for place, variable in inside(workload.item, (*path, "env")):
            name, value = word(variable.get("name")), word(variable.get("value"))
            if _VARIABLE.search(name) and not _OTHERS.search(name) and (match := _VALUE.match(value)):
                yield f"{name}={value}", int(match["port"] or 0), workload.item.where((*place, "value"))


def _example(address: str) -> str:
    return examples.together(
        examples.service("{port: 80, targetPort: 8080}"),
        examples.workload(container=f'args: ["--listen-address={address}:8080"]'),
    )


CHECK = Check(
    code="PW-W18",
    title="a container behind a Service listens on loopback only",
    severity="warning",
    hop="pod",
    run=_run,
    cause="Traffic of a Service comes to the pod's own address. A process that is bound to 127.0.0.1 does not hear it; "
    "kubectl port-forward and probes by exec do, which hides the mistake.",
    mend="Bind to 0.0.0.0 or [::].",
    fails=_example("127.0.0.1"),
    passes=_example("0.0.0.0"),
)
