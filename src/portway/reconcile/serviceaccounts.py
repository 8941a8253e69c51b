"""What every namespace has: the ServiceAccount `default`, and the CA in the ConfigMap `kube-root-ca.crt`.

Source: kube-controller-manager's serviceaccount and root-ca-certificate-publisher controllers.
"""

from portway.kubeapi.errors import Doc
from portway.reconcile.change import Change, Create, Update
from portway.reconcile.objects import is_deleting, name_of
from portway.reconcile.resources import CONFIG_MAPS, SERVICE_ACCOUNTS

DEFAULT = "default"
ROOT_CA = "kube-root-ca.crt"
_DESCRIPTION = {
    "kubernetes.io/description": "Contains a CA bundle that can be used to verify the kube-apiserver when using "
    "internal endpoints such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed "
    "across distributions of Kubernetes clusters."
}


def reconcile(namespace: Doc, account: Doc | None, root_ca: Doc | None, ca: str = "") -> list[Change]:
    """`account`, `root_ca`: the two as they are. `ca`: PEM; empty: nothing is published."""
    if is_deleting(namespace):
        return []
    changes: list[Change] = []
    if account is None:
        changes.append(Create(SERVICE_ACCOUNTS, _named("v1", "ServiceAccount", DEFAULT, namespace)))
    if not ca or (root_ca is not None and root_ca.get("data") == {"ca.crt": ca}):
        return changes
    if root_ca is not None:
        return [*changes, Update(CONFIG_MAPS, {**root_ca, "data": {"ca.crt": ca}})]
    document = _named("v1", "ConfigMap", ROOT_CA, namespace)
    document["metadata"]["annotations"] = _DESCRIPTION
    return [*changes, Create(CONFIG_MAPS, document | {"data": {"ca.crt": ca}})]


def _named(api_version: str, kind: str, name: str, namespace: Doc) -> Doc:
    metadata = {"name": name, "namespace": name_of(namespace)}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata}
