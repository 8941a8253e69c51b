"""Secret: stringData becomes data, types demand keys, immutability.

Source: k8s.io/kubernetes pkg/apis/core/v1/conversion.go, pkg/apis/core/validation (ValidateSecret).
"""

import base64
import binascii
import json
from collections.abc import Callable, Mapping

from portway.kubeapi import fault, names
from portway.kubeapi.errors import Doc, FieldError
from portway.kubeapi.workloads.config_data import MOST_BYTES, decoded_size, validate_immutable, validate_keys

name_rule = names.is_dns1123_subdomain
_TOKEN = "kubernetes.io/service-account-token"
_ACCOUNT = "kubernetes.io/service-account.name"
_REQUIRED = {"kubernetes.io/tls": ("tls.crt", "tls.key")}
_JSON = {
    "kubernetes.io/dockercfg": ".dockercfg",
    "kubernetes.io/dockerconfigjson": ".dockerconfigjson",
}


def _type(doc: Doc) -> str:
    return str(doc.get("type") or "")


fields: Mapping[str, Callable[[Doc], str]] = {"type": _type}


def default(doc: Doc) -> None:
    """Type Opaque; stringData is written into data and never read back."""
    doc["type"] = doc.get("type") or "Opaque"
    plain = doc.pop("stringData", None)
    if plain:
        encoded = {key: base64.b64encode(text.encode()).decode() for key, text in plain.items()}
        doc["data"] = (doc.get("data") or {}) | encoded


def validate(new: Doc, old: Doc | None) -> list[FieldError]:
    """Keys, size, what the type demands; on update that type and immutable content stay."""
    data, kind = new.get("data") or {}, new.get("type") or ""
    found = []
    if old is not None and kind != old.get("type"):
        found.append(fault.invalid("type", kind, "field is immutable"))
    found += validate_immutable(new, old, "data") + validate_keys(data, "data")
    if sum(map(decoded_size, data.values())) > MOST_BYTES:
        found.append(fault.too_long("data", MOST_BYTES))
    return found + _demanded(kind, data, (new.get("metadata") or {}).get("annotations") or {})


def _demanded(kind: str, data: Doc, annotations: Doc) -> list[FieldError]:
    if kind == _TOKEN and not annotations.get(_ACCOUNT):
        return [fault.required(f"metadata.annotations[{_ACCOUNT}]")]
    if kind in _JSON:
        return _json_key(data, _JSON[kind])
    if kind == "kubernetes.io/basic-auth" and not ("username" in data or "password" in data):
        return [fault.required("data[username]"), fault.required("data[password]")]
    if kind == "kubernetes.io/ssh-auth" and not data.get("ssh-privatekey"):
        return [fault.required("data[ssh-privatekey]")]
    return [fault.required(f"data[{key}]") for key in _REQUIRED.get(kind, ()) if key not in data]


def _json_key(data: Doc, key: str) -> list[FieldError]:
    path = f"data[{key}]"
    if key not in data:
        return [fault.required(path)]
    try:
        content = json.loads(base64.b64decode(data[key]))
    except (binascii.Error, ValueError) as error:
        return [fault.invalid(path, "<secret contents redacted>", str(error))]
    if isinstance(content, dict):
        return []
    return [fault.invalid(path, "<secret contents redacted>", "must be a JSON object")]
