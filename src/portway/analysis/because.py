"""Why a packet ends where it does: what checks find at the objects on its way, with places and fixes."""

from collections.abc import Collection, Iterator, Set

from portway.analysis.bundle import Bundle, Item
from portway.analysis.check import Settings
from portway.analysis.checks import built_in
from portway.analysis.finding import SEVERITIES, Finding
from portway.analysis.lint import lint
from portway.analysis.reach import find_service
from portway.analysis.trace import Trace
from portway.analysis.view import ServiceView, objects, word

_HOPS = {
    "NO_ENDPOINTS": ("endpoint", "service", "pod"),
    "NO_LOCAL_ENDPOINT": ("endpoint", "node", "pod"),
    "NO_RULE_MATCHES": ("policy",),
    "NODEPORT_UNSET": ("node",),
    "SERVICE_PORT_UNDEFINED": ("client", "service"),
    "SVC_PORT_NOT_FOUND": ("client", "service"),
    "FORWARDED": ("endpoint", "pod"),
}
"""At which hops a check's finding can be the cause of a code."""


def because(bundle: Bundle, found: Trace) -> tuple[Finding, ...]:
    """The findings that can be the cause, the worst first; for a packet that arrives, what may go wrong in the pod."""
    hops = _HOPS.get(found.code, ())
    service = _service(bundle, found)
    names = {service.item.named} if service else set()
    names |= {fate.by for fate in found.judged if fate.by and not fate.allowed}
    if not hops or not names:
        return ()
    mine = findings_at(bundle, hops, names)
    waiting = (
        list(_not_ready(bundle, service)) if service and found.code in ("NO_ENDPOINTS", "NO_LOCAL_ENDPOINT") else []
    )
    return tuple(sorted([*mine, *waiting], key=lambda one: SEVERITIES.index(one.severity)))


def findings_at(
    bundle: Bundle, hops: Collection[str], names: Set[str], too: Collection[str] = ()
) -> tuple[Finding, ...]:
    """What checks of these hops say of the objects with these names, but in passing, the worst first.

    `too`: codes of checks that are a matter of taste elsewhere.
    """
    checks = [check for check in built_in() if check.hop in hops and (not check.style or check.code in too)]
    report = lint(bundle, checks, Settings())
    mine = [one for one in report.findings if one.severity != "info" and names & _objects(one)]
    return tuple(sorted(mine, key=lambda one: SEVERITIES.index(one.severity)))


def _objects(finding: Finding) -> set[str]:
    return {finding.where.object, *(other.object for other in finding.others)}


def _service(bundle: Bundle, found: Trace) -> ServiceView | None:
    text = found.service_port or found.target.removeprefix("svc/")
    namespace, slash, name = text.partition(":")[0].partition("/")
    return find_service(bundle, namespace, name) if slash else None


def _not_ready(bundle: Bundle, service: ServiceView) -> Iterator[Finding]:
    """Pods that are selected and get no traffic, of a cluster that runs."""
    for pod in bundle.within(service.namespace, "Pod") if bundle.complete else ():
        if service.selector and service.selector.items() <= pod.labels.items() and (why := _why_not_ready(pod)):
            yield Finding(
                "PODS_NOT_READY",
                "error",
                f"{pod.named} is selected and not ready: {why}",
                pod.where("status.conditions"),
                hop="pod",
                expected="condition Ready: True",
            )


def _why_not_ready(pod: Item) -> str:
    conditions = {one.get("type"): one for _, one in objects(pod.get("status.conditions"))}
    ready = conditions.get("Ready") or {}
    if ready.get("status") == "True":
        return ""
    for _, status in objects(pod.get("status.containerStatuses")):
        waiting = (status.get("state") or {}).get("waiting") or {}
        if waiting.get("reason"):
            return f"container {status.get('name')}: {waiting['reason']} {word(waiting.get('message'))}".strip()
    scheduled = conditions.get("PodScheduled") or {}
    if scheduled.get("status") == "False":
        return word(scheduled.get("message")) or "it is not scheduled"
    return word(ready.get("message")) or word(pod.get("status.phase")) or "it has no status yet"
