"""ConfigMaps, Secrets, ServiceAccounts, ResourceQuotas."""

from portway.kubeapi.errors import Doc
from portway.kubeapi.printing.cell import AGE, NAME, at, column, text, value


def _entries(doc: Doc) -> int:
    return len(doc.get("data") or ()) + len(doc.get("binaryData") or ())


def _quota(doc: Doc, limits: bool) -> str:
    hard, used = value(doc, "status", "hard") or {}, value(doc, "status", "used") or {}
    names = sorted(name for name in hard if name.startswith("limits.") == limits)
    return ", ".join(f"{name}: {used.get(name, '0')}/{hard[name]}" for name in names)


COLUMNS = {
    "ConfigMap": (NAME, column("Data", text(_entries)), AGE),
    "Secret": (NAME, column("Type", at("type")), column("Data", text(_entries)), AGE),
    "ServiceAccount": (NAME, AGE),
    "ResourceQuota": (
        NAME,
        column("Request", text(lambda doc: _quota(doc, False))),
        column("Limit", text(lambda doc: _quota(doc, True))),
        AGE,
    ),
}
