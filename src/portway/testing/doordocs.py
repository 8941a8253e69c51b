"""Terse ways to write down the documents that doors are made of."""

import base64
import datetime
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from portway.kubeapi.catalogue import by_kind
from portway.kubeapi.doorclasses import GATEWAY_CONTROLLER, INGRESS_CONTROLLER
from portway.kubeapi.doorclasses import NAME as CLASS_NAME
from portway.kubeapi.ingressclass import DEFAULT_ANNOTATION
from portway.routing.documents import GROUP, Doc, Documents
from portway.routing.documents import documents as sorted_documents

NAMESPACE = "shop"


def _document(api_version: str, kind: str, name: str, spec: Doc | None, **metadata: Any) -> Doc:
    """Defaulted, as the API server has it. `name` may have a namespace in front."""
    namespace, _, name = name.rpartition("/")
    document: Doc = {
        "apiVersion": api_version,
        "kind": kind,
        "metadata": {"name": name, "namespace": namespace or NAMESPACE, "generation": 1, **metadata},
    }
    if spec is not None:
        document["spec"] = spec
    known = by_kind(api_version, kind)
    if known is not None and kind != "Service":
        known.default(document)
    return document


def _gateway_api(kind: str, name: str, spec: Doc, **metadata: Any) -> Doc:
    return _document(f"{GROUP}/v1", kind, name, spec, **metadata)


def gateway_class(name: str = CLASS_NAME, controller: str = GATEWAY_CONTROLLER, **spec: Any) -> Doc:
    """A GatewayClass."""
    return _gateway_api("GatewayClass", name, {"controllerName": controller, **spec})


def http(name: str = "http", port: int = 80, **fields: Any) -> Doc:
    """A listener of protocol HTTP, unless `protocol` says otherwise."""
    return {"name": name, "port": port, "protocol": "HTTP", **fields}


def https(*secrets: str, name: str = "https", port: int = 443, **fields: Any) -> Doc:
    """A listener that ends TLS with these Secrets, `namespace/name` for those of other namespaces."""
    references = [_reference(secret) for secret in secrets]
    return http(name, port, protocol="HTTPS", tls={"certificateRefs": references}, **fields)


def allows(source: str, *kinds: str, **labels: str) -> Doc:
    """allowedRoutes: `Same`, `All`, or `Selector` with labels; kinds as they are called."""
    namespaces: Doc = {"from": source}
    if labels:
        namespaces["selector"] = {"matchLabels": labels}
    return {"namespaces": namespaces, **({"kinds": [{"kind": kind} for kind in kinds]} if kinds else {})}


def gateway(name: str, *listeners: Doc, **fields: Any) -> Doc:
    """A Gateway of our class, with a plain HTTP listener if none is given."""
    metadata = {key: fields.pop(key) for key in ("generation",) if key in fields}
    spec = {"gatewayClassName": CLASS_NAME, "listeners": list(listeners) or [http()], **fields}
    return _gateway_api("Gateway", name, spec, **metadata)


def listener_set(name: str, of: str, *listeners: Doc, created: str = "2026-01-01T00:00:00Z", **reference: Any) -> Doc:
    """A ListenerSet of a Gateway (`namespace/name` for one of another namespace)."""
    spec = {"parentRef": {**_reference(of), **reference}, "listeners": list(listeners) or [http()]}
    return _gateway_api("ListenerSet", name, spec, creationTimestamp=created)


def joined(source: str, **labels: str) -> Doc:
    """allowedListeners: `None`, `Same`, `All`, or `Selector` with labels."""
    return {"namespaces": allows(source, **labels)["namespaces"]}


def in_set(name: str, section: str = "") -> Doc:
    """A parentRef to a ListenerSet."""
    return parent(name, section, kind="ListenerSet")


def _reference(name: str) -> Doc:
    namespace, _, name = name.rpartition("/")
    return {"name": name, **({"namespace": namespace} if namespace else {})}


def parent(name: str, section: str = "", **fields: Any) -> Doc:
    """A parentRef."""
    return {**_reference(name), **({"sectionName": section} if section else {}), **fields}


def backend(name: str, port: int = 80, **fields: Any) -> Doc:
    """A backendRef to a Service."""
    return {**_reference(name), "port": port, **fields}


def path(value: str, type_: str = "PathPrefix", **fields: Any) -> Doc:
    """A match by path."""
    return {"path": {"type": type_, "value": value}, **fields}


def exactly(value: str, **fields: Any) -> Doc:
    """A match by the whole path."""
    return path(value, "Exact", **fields)


def by_header(**headers: str) -> Doc:
    """A match by headers; underscores stand for hyphens."""
    return {"headers": [{"name": name.replace("_", "-"), "value": value} for name, value in headers.items()]}


def rule(*matches: Doc, to: str | Iterable[Doc] = (), **fields: Any) -> Doc:
    """A rule; `to` names Services of port 80, or gives backendRefs."""
    references = [backend(name) for name in to.split()] if isinstance(to, str) else list(to)
    return {
        **({"matches": list(matches)} if matches else {}),
        **({"backendRefs": references} if references else {}),
        **fields,
    }


def route(name: str, parents: str | Iterable[Doc], *rules: Doc, kind: str = "HTTPRoute", **fields: Any) -> Doc:
    """A route of a Gateway (or several parentRefs)."""
    metadata = {"creationTimestamp": fields.pop("created", "2026-01-01T00:00:00Z")}
    references = [parent(name) for name in parents.split()] if isinstance(parents, str) else list(parents)
    return _gateway_api(kind, name, {"parentRefs": references, "rules": list(rules), **fields}, **metadata)


def grant(name: str, from_kind: str, from_namespace: str, to_kind: str, to_name: str = "", **changed: str) -> Doc:
    """A ReferenceGrant; `changed`: `from_group`, `to_group`."""
    from_ = {"group": changed.get("from_group", GROUP), "kind": from_kind, "namespace": from_namespace}
    to = {"group": changed.get("to_group", ""), "kind": to_kind, **({"name": to_name} if to_name else {})}
    return _gateway_api("ReferenceGrant", name, {"from": [from_], "to": [to]})


def tls_policy(name: str, *targets: str, authority: str = "ca", **validation: Any) -> Doc:
    """A BackendTLSPolicy; a target is a Service's name, `name:section` for one port; `authority` a ConfigMap's."""
    created = validation.pop("created", "2026-01-01T00:00:00Z")
    cut = [target.partition(":") for target in targets]
    references = [
        {"group": "", "kind": "Service", "name": of, **({"sectionName": section} if section else {})}
        for of, _, section in cut
    ]
    trusted = {"caCertificateRefs": [{"group": "", "kind": "ConfigMap", "name": authority}]} if authority else {}
    demands = {"hostname": "web.example", **trusted, **validation}
    return _gateway_api(
        "BackendTLSPolicy", name, {"targetRefs": references, "validation": demands}, creationTimestamp=created
    )


def config_map(name: str, **data: str) -> Doc:
    """A ConfigMap; underscores stand for dots in its keys."""
    return _document("v1", "ConfigMap", name, None) | {"data": {key.replace("_", "."): v for key, v in data.items()}}


def service(name: str, *ports: int | Doc, **spec: Any) -> Doc:
    """A Service; a number is a TCP port without a name."""
    given = [{"port": p, "protocol": "TCP"} if isinstance(p, int) else {"protocol": "TCP", **p} for p in ports or (80,)]
    return _document("v1", "Service", name, {"ports": given, **spec})


def endpoint_slice(of: str, *addresses: str | Doc, port: int = 8080, port_name: str = "", family: str = "IPv4") -> Doc:
    """Endpoints of a Service; a bare address is ready."""
    endpoints = [{"addresses": [at], "conditions": {"ready": True}} if isinstance(at, str) else at for at in addresses]
    document = _document("discovery.k8s.io/v1", "EndpointSlice", of, None)
    named = document["metadata"]["name"]
    document["metadata"]["labels"] = {"kubernetes.io/service-name": named}
    ports = [{"name": port_name, "port": port, "protocol": "TCP"}]
    return document | {"addressType": family, "endpoints": endpoints, "ports": ports}


def namespace(name: str, **labels: str) -> Doc:
    """A namespace with the label that every one has."""
    metadata = {"name": name, "labels": {"kubernetes.io/metadata.name": name, **labels}}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}


def ingress_class(name: str = CLASS_NAME, controller: str = INGRESS_CONTROLLER, *, default: bool = False) -> Doc:
    """An IngressClass."""
    notes = {DEFAULT_ANNOTATION: "true"} if default else {}
    spec = {"controller": controller}
    return _document("networking.k8s.io/v1", "IngressClass", name, spec, annotations=notes)


def to_service(name: str, port: int | str = 80) -> Doc:
    """A backend of an Ingress."""
    return {"service": {"name": name, "port": {"name": port} if isinstance(port, str) else {"number": port}}}


def ingress_path(value: str, service: str | Doc, type_: str = "Prefix") -> Doc:
    """One path of a rule."""
    return {"path": value, "pathType": type_, "backend": to_service(service) if isinstance(service, str) else service}


def host_rule(host: str, *paths: Doc) -> Doc:
    """A rule of an Ingress; an empty host is none."""
    return {**({"host": host} if host else {}), "http": {"paths": list(paths)}}


def ingress(name: str, *rules: Doc, class_name: str | None = CLASS_NAME, **fields: Any) -> Doc:
    """An Ingress of our class."""
    notes, created = fields.pop("annotations", {}), fields.pop("created", "2026-01-01T00:00:00Z")
    spec = {"rules": list(rules), **fields}
    if class_name is not None:
        spec["ingressClassName"] = class_name
    return _document("networking.k8s.io/v1", "Ingress", name, spec, annotations=notes, creationTimestamp=created)


@lru_cache(maxsize=64)
def key_pair(*hosts: str) -> tuple[str, str]:
    """A certificate that signs itself for these names, and its key, as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, hosts[0])])
    begin = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)  # whatever day the machine thinks it is
    names = x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + datetime.timedelta(days=36500))
        .add_extension(names, critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return made.public_bytes(Encoding.PEM).decode(), private.decode()


def tls_secret(name: str, *hosts: str, **data: str) -> Doc:
    """A kubernetes.io/tls Secret; `crt` and `key` replace what is in it."""
    chain, key = key_pair(*hosts) if hosts else ("", "")
    pems = {"tls.crt": data.get("crt", chain), "tls.key": data.get("key", key)}
    encoded = {field: base64.b64encode(pem.encode()).decode() for field, pem in pems.items()}
    return _document("v1", "Secret", name, None) | {"type": "kubernetes.io/tls", "data": encoded}


def authorities(name: str, *certificates: str, **data: str) -> Doc:
    """A ConfigMap of certificates (PEM) that others are issued by; `crt` replaces what is in it."""
    pem = data.get("crt", "".join(certificates) or key_pair(name)[0])
    return config_map(name, ca_crt=pem)


def asks(*refs: str, kind: str = "ConfigMap", **fields: Any) -> Doc:
    """A FrontendTLS that wants certificates issued by these ConfigMaps, `namespace/name` for those of others."""
    references = [{"group": "", "kind": kind, **_reference(ref)} for ref in refs]
    return {"validation": {"caCertificateRefs": references, **fields}}


def documents(*given: Doc) -> Documents:
    """Sorted by kind; our classes are there without being given."""
    by_kind: dict[str, list[Doc]] = {}
    for document in given:
        by_kind.setdefault(document["kind"], []).append(document)
    return sorted_documents({"IngressClass": [ingress_class()], "GatewayClass": [gateway_class()], **by_kind})
