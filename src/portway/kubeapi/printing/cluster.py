"""Nodes, namespaces, events, leases and the like."""

from portway.kubeapi.errors import Doc
from portway.kubeapi.kinds import Column
from portway.kubeapi.printing.cell import AGE, NAME, NONE, Cell, at, column, condition, name_of, text, value, wide
from portway.kubeapi.printing.duration import since

_ROLE = "node-role.kubernetes.io/"


def _node_status(doc: Doc) -> str:
    ready = condition(doc, "Ready").get("status")
    status = ["Unknown" if ready is None else "Ready" if ready == "True" else "NotReady"]
    if value(doc, "spec", "unschedulable"):
        status.append("SchedulingDisabled")
    return ",".join(status)


def _node_roles(doc: Doc) -> str:
    labels = value(doc, "metadata", "labels") or {}
    roles = {key.removeprefix(_ROLE) for key in labels if key.startswith(_ROLE)}
    return ",".join(sorted((roles | {labels.get("kubernetes.io/role", "")}) - {""})) or NONE


def _node_address(kind: str) -> Cell:
    def address(doc: Doc) -> str:
        addresses = value(doc, "status", "addresses") or ()
        return next((item.get("address", "") for item in addresses if item.get("type") == kind), NONE)

    return text(address)


def _node_info(name: str) -> Cell:
    return at("status", "nodeInfo", name, absent="<unknown>")


def _kernel(doc: Doc) -> str:
    architecture = value(doc, "status", "nodeInfo", "architecture")
    version = value(doc, "status", "nodeInfo", "kernelVersion") or "<unknown>"
    return f"{version} ({architecture})" if architecture else version


def _first_seen(doc: Doc, now: float) -> str:
    return since(_either(doc, "firstTimestamp", "deprecatedFirstTimestamp") or doc.get("eventTime"), now)


def _last_seen(doc: Doc, now: float) -> str:
    observed = value(doc, "series", "lastObservedTime")
    last = observed or _either(doc, "lastTimestamp", "deprecatedLastTimestamp")
    return since(last, now) if last else _first_seen(doc, now)


def _either(doc: Doc, name: str, newer: str) -> str | None:
    """A field of v1.Event, or of events.k8s.io/v1, where it has another name."""
    found = doc.get(name) or doc.get(newer)
    return str(found) if found else None


def _about(doc: Doc) -> Doc:
    about: Doc = doc.get("involvedObject") or doc.get("regarding") or {}
    return about


def _object(doc: Doc) -> str:
    about = _about(doc)
    kind = str(about.get("kind") or "").lower()
    return f"{kind}/{about['name']}" if about.get("name") else kind


def _source(doc: Doc) -> str:
    source: Doc = doc.get("source") or doc.get("deprecatedSource") or {}
    component = source.get("component") or doc.get("reportingComponent") or doc.get("reportingController") or ""
    instance = source.get("host") or doc.get("reportingInstance")
    return f"{component}, {instance}" if instance else str(component)


def _count(doc: Doc) -> int:
    return int(value(doc, "series", "count") or doc.get("count") or doc.get("deprecatedCount") or 1)


def _message(doc: Doc) -> str:
    return (_either(doc, "message", "note") or "").strip()


def _subjects(kind: str) -> Cell:
    def names(doc: Doc) -> str:
        subjects = [subject for subject in doc.get("subjects") or () if subject.get("kind") == kind]
        spaced = kind == "ServiceAccount"
        return ", ".join(f"{s.get('namespace', '')}/{s['name']}" if spaced else s["name"] for s in subjects)

    return text(names)


def _role(doc: Doc) -> str:
    return f"{value(doc, 'roleRef', 'kind') or ''}/{value(doc, 'roleRef', 'name') or ''}"


_BINDING = (
    NAME,
    column("Role", text(_role)),
    AGE,
    wide("Users", _subjects("User")),
    wide("Groups", _subjects("Group")),
    wide("ServiceAccounts", _subjects("ServiceAccount")),
)

COLUMNS: dict[str, tuple[Column, ...]] = {
    "Node": (
        NAME,
        column("Status", text(_node_status)),
        column("Roles", text(_node_roles)),
        AGE,
        column("Version", at("status", "nodeInfo", "kubeletVersion")),
        wide("Internal-IP", _node_address("InternalIP")),
        wide("External-IP", _node_address("ExternalIP")),
        wide("OS-Image", _node_info("osImage")),
        wide("Kernel-Version", text(_kernel)),
        wide("Container-Runtime", _node_info("containerRuntimeVersion")),
    ),
    "Namespace": (NAME, column("Status", at("status", "phase")), AGE),
    "Event": (
        column("Last Seen", _last_seen),
        column("Type", at("type")),
        column("Reason", at("reason")),
        column("Object", text(_object)),
        wide("Subobject", text(lambda doc: _about(doc).get("fieldPath") or "")),
        wide("Source", text(_source)),
        column("Message", text(_message)),
        wide("First Seen", _first_seen),
        wide("Count", text(_count)),
        Column("Name", text(name_of), format="name", priority=1),
    ),
    "Lease": (NAME, column("Holder", at("spec", "holderIdentity")), AGE),
    "RoleBinding": _BINDING,
    "ClusterRoleBinding": _BINDING,
    "PriorityClass": (
        NAME,
        column("Value", at("value", absent=0), "integer"),
        column("Global-Default", at("globalDefault", absent=False), "boolean"),
        AGE,
        wide("PreemptionPolicy", at("preemptionPolicy")),
    ),
}
