"""The life of a Service in the API: this package is the hooks of its Kind (kubeapi/kinds.py), on whole documents.

**Defaulting** fills what nobody said; **normalising** links clusterIP with clusterIPs and keeps allocated values that
an update left out; **families** decides single- or dual-stack; **allocation** takes cluster IPs and node ports;
**validation** says what is wrong, in Kubernetes' words and order. An allocation error hides validation errors,
because allocation comes first.
"""

from collections.abc import Callable, Mapping
from typing import Any

from portway.kubeapi.errors import Doc
from portway.kubeapi.names import is_dns1123_label
from portway.kubeapi.service.allocation import begin_create, begin_delete, begin_update
from portway.kubeapi.service.defaulting import default, default_on_read
from portway.kubeapi.service.document import needs_cluster_ip, spec_of
from portway.kubeapi.service.normalize import drop_type_dependent_fields
from portway.kubeapi.service.validation import validate, validate_status
from portway.kubeapi.service.warnings import warnings

__all__ = [
    "begin_create",
    "begin_delete",
    "begin_update",
    "default",
    "fields",
    "name_rule",
    "on_read",
    "prepare_create",
    "prepare_update",
    "validate",
    "validate_status",
    "warnings",
]

name_rule = is_dns1123_label
"""Since 1.36 (gate RelaxedServiceNameValidation) a Service's name may begin with a digit."""

fields: Mapping[str, Callable[[Doc], str]] = {
    "spec.clusterIP": lambda service: spec_of(service).get("clusterIP") or "",
    "spec.type": lambda service: spec_of(service).get("type") or "",
}


def on_read(service: Doc, cluster: Any) -> None:
    """Kind hook: completes what older versions stored without."""
    default_on_read(service, cluster.families)


def prepare_create(service: Doc) -> None:
    """Kind hook: a new Service has no status."""
    service["status"] = {"loadBalancer": {}}


def prepare_update(service: Doc, old: Doc) -> None:
    """Kind hook: keeps the old status, drops fields that the new type does not have."""
    service["status"] = old.get("status") or {"loadBalancer": {}}
    drop_type_dependent_fields(service, old)
    if not needs_cluster_ip(spec_of(service)):
        spec_of(service).pop("internalTrafficPolicy", None)  # as kube-apiserver does whenever it reads one
