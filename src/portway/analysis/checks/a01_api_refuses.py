"""PW-A01: an object that the API server would refuse."""

from collections.abc import Iterator
from ipaddress import ip_address, ip_network

from portway.analysis import examples
from portway.analysis.bundle import Bundle, Item
from portway.analysis.check import Check, Settings
from portway.analysis.finding import Finding
from portway.analysis.view import words
from portway.kubeapi import catalogue
from portway.kubeapi.cluster import SERVICE_CIDRS, Cluster
from portway.kubeapi.errors import ApiError
from portway.kubeapi.pipeline.create import create
from portway.kubeapi.pipeline.request import Request
from portway.kubeapi.strict import MISMATCH

_NOW = "2000-01-01T00:00:00Z"


def _run(bundle: Bundle, settings: Settings) -> Iterator[Finding]:
    if bundle.complete:
        return  # what a cluster has, its API server took
    for item in bundle.items:
        yield from _refusals(item, settings)


def _refusals(item: Item, settings: Settings) -> Iterator[Finding]:
    kind = catalogue.by_kind(str(item.value.get("apiVersion")), item.kind)
    if kind is None or kind.inert or "create" not in kind.verbs:
        return
    # Each alone: that two want the same number is another check's to say.
    cluster = Cluster(_ranges(item), settings.node_ports, pick=lambda _: 0)
    request = Request(
        kind=kind,
        namespace=item.namespace,
        cluster=cluster,
        now=_NOW,
        uid="0",
        suffix="00000",
        field_validation="Strict",
    )
    try:
        create(item.draft(), request)
    except ApiError as error:
        causes = (error.details or {}).get("causes") or []
        for cause in causes or [{"field": _field(error.message), "message": error.message}]:
            yield _finding(item, str(cause.get("field") or ""), str(cause.get("message")))


def _ranges(item: Item) -> tuple[str, ...]:
    """Service ranges that have the object's own addresses: which ranges a cluster has, manifests do not know."""
    sixes = [ip for ip in words(item.get("spec.clusterIPs")) if _is_six(ip)]
    six = str(ip_network((sixes[0], 64), strict=False)) if sixes else SERVICE_CIDRS[1]
    return ("0.0.0.0/0", six)


def _is_six(text: str) -> bool:
    try:
        return ip_address(text).version == 6
    except ValueError:
        return False


def _field(message: str) -> str:
    """Of a document that cannot even be read, the field of another type."""
    found = MISMATCH.search(message)
    return (found["field"] or "") if found else ""


def _finding(item: Item, field: str, message: str) -> Finding:
    path = field if field and item.get(field) is not None else field.rpartition(".")[0]
    return Finding(
        "PW-A01",
        "error",
        f"{item.named}: {field + ': ' if field else ''}{message}",
        item.where(path),
        effect="the API server refuses the object",
    )


CHECK = Check(
    code="PW-A01",
    title="an object that the API server would refuse",
    severity="error",
    hop="change",
    run=_run,
    cause="Kubernetes' own validation, in its own words, for the kinds that Portway's API server knows; unknown fields "
    "included, which kubectl refuses too.",
    mend="As the message says.",
    rule="pkg/apis/*/validation",
    fails=examples.service("{port: 70000}"),
    passes=examples.service("{port: 7000}"),
)
