"""The autoscaling/v1 Scale of a document, and the document with another Scale."""

from portway.kubeapi.errors import Doc, bad_request, invalid
from portway.kubeapi.fault import invalid as bad_value
from portway.kubeapi.selectors import from_document, from_labels

_COPIED = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")


def scale_of(doc: Doc, revision: int) -> Doc:
    """What /scale shows of a document."""
    metadata = {key: doc["metadata"][key] for key in _COPIED if key in doc["metadata"]}
    spec, status = doc.get("spec") or {}, doc.get("status") or {}
    selector = spec.get("selector")
    plain = doc["kind"] == "ReplicationController"
    text = str(from_labels(selector) if plain else from_document(selector))
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": metadata | {"resourceVersion": str(revision)},
        "spec": {"replicas": spec.get("replicas", 0)},
        "status": {"replicas": status.get("replicas", 0)} | ({"selector": text} if text else {}),
    }


def scaled(doc: Doc, scale: object) -> Doc:
    """The document with spec.replicas, and resourceVersion and uid if given, of the Scale. Raises 400, 422."""
    if not isinstance(scale, dict) or scale.get("kind", "Scale") != "Scale":
        raise bad_request("the object provided is unrecognized (must be of type Scale)")
    name, metadata = doc["metadata"]["name"], scale.get("metadata") or {}
    if metadata.get("name", name) != name:
        raise bad_request(f"the name of the object ({metadata['name']}) does not match the name on the URL ({name})")
    replicas = (scale.get("spec") or {}).get("replicas") or 0
    if not isinstance(replicas, int):
        raise bad_request(f"Scale.spec.replicas: {replicas!r} is not a whole number")
    if replicas < 0:
        error = bad_value("spec.replicas", replicas, "must be greater than or equal to 0")
        raise invalid("Scale", name, [error], "autoscaling")
    given = {key: metadata[key] for key in ("resourceVersion", "uid") if metadata.get(key)}
    old = {key: value for key, value in doc["metadata"].items() if key != "resourceVersion"}
    return doc | {"metadata": old | given, "spec": (doc.get("spec") or {}) | {"replicas": replicas}}
