"""The pool that a cluster begins with, so that type LoadBalancer works with nothing configured.

Objects like a user's own, to be seen, changed and deleted; the label says that any other pool goes before it.
"""

from collections.abc import Iterable

from portway.kubeapi.decode_loadbalancer import FALLBACK_LABEL
from portway.kubeapi.errors import Doc

NAMESPACE, NAME = "metallb-system", "portway"
"""Where MetalLB's objects live, and what ours are called."""


def first_objects(ranges: Iterable[str]) -> list[Doc]:
    """Namespace, IPAddressPool and L2Advertisement. `ranges`: as spec.addresses has them."""
    metadata = {"namespace": NAMESPACE, "name": NAME, "labels": {FALLBACK_LABEL: "true"}}
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
        _metallb("IPAddressPool", metadata, {"addresses": list(ranges)}),
        _metallb("L2Advertisement", metadata, {"ipAddressPools": [NAME]}),
    ]


def _metallb(kind: str, metadata: Doc, spec: Doc) -> Doc:
    return {"apiVersion": "metallb.io/v1beta1", "kind": kind, "metadata": metadata, "spec": spec}
