"""Certificates in place of those that an input does not have: manifests seldom hold Secrets, snapshots no values."""

import base64
import datetime
from collections.abc import Iterator
from functools import lru_cache

from portway.analysis.bundle import Bundle, Item, dig
from portway.analysis.view import inside, objects, word, words
from portway.kubeapi.errors import Doc

_Reference = tuple[str, str, tuple[str, ...]]
"""A Secret's namespace and name, and the hosts that it is for."""


def secrets(bundle: Bundle) -> list[Doc]:
    """For the doors that ask for a Secret: of a whole cluster where its values were left out, else wherever none is
    given. What a whole cluster does not have is missing.
    """
    found: dict[tuple[str, str], Doc] = {}
    for namespace, name, hosts in (*_of_ingresses(bundle), *_of_gateways(bundle), *_of_backends(bundle)):
        given = bundle.find("Secret", namespace, name)
        if given is None and bundle.complete:
            continue
        if given is None or not (dig(given.value, ("data", "tls.crt")) or given.get("stringData")):
            found[namespace, name] = _secret(namespace, name, hosts)
    return list(found.values())


def authorities(bundle: Bundle) -> list[Doc]:
    """For Gateways that want certificates of their clients, and BackendTLSPolicies: ConfigMaps, likewise."""
    named = {
        (word(one.get("namespace")) or item.namespace, word(one.get("name")))
        for item in bundle.of("Gateway", "BackendTLSPolicy")
        for validation in _validations(item)
        for _, one in objects(dig(validation, "caCertificateRefs"))
        if word(one.get("kind")) == "ConfigMap"
    }
    return [
        _config_map(*name) for name in sorted(named) if bundle.find("ConfigMap", *name) is None and not bundle.complete
    ]


def _validations(item: Item) -> Iterator[object]:
    yield item.get("spec.validation")
    yield item.get("spec.tls.frontend.default.validation")
    for _, one in inside(item, "spec.tls.frontend.perPort"):
        yield dig(one, "tls.validation")


def _config_map(namespace: str, name: str) -> Doc:
    chain, _ = _pair(())
    metadata = {"namespace": namespace, "name": name}
    pem = base64.b64decode(chain).decode()
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"ca.crt": pem}}


def _of_ingresses(bundle: Bundle) -> Iterator[_Reference]:
    for item in bundle.of("Ingress"):
        for _, tls in inside(item, "spec.tls"):
            yield item.namespace, word(tls.get("secretName")), words(tls.get("hosts"))


def _of_gateways(bundle: Bundle) -> Iterator[_Reference]:
    for item in bundle.of("Gateway", "ListenerSet"):
        for _, listener in inside(item, "spec.listeners"):
            for _, one in objects(dig(listener, "tls.certificateRefs")):
                if word(one.get("kind")) in ("", "Secret"):
                    hosts = (word(listener.get("hostname")),) if listener.get("hostname") else ()
                    yield word(one.get("namespace")) or item.namespace, word(one.get("name")), hosts


def _of_backends(bundle: Bundle) -> Iterator[_Reference]:
    for item in bundle.of("Gateway"):
        one = item.get("spec.tls.backend.clientCertificateRef")
        if isinstance(one, dict):
            yield word(one.get("namespace")) or item.namespace, word(one.get("name")), ()


def _secret(namespace: str, name: str, hosts: tuple[str, ...]) -> Doc:
    chain, key = _pair(hosts)
    data = {"tls.crt": chain, "tls.key": key}
    metadata = {"namespace": namespace, "name": name}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "kubernetes.io/tls", "data": data}


@lru_cache(maxsize=256)
def _pair(hosts: tuple[str, ...]) -> tuple[str, str]:
    """A certificate that nobody trusts and its key, in base64."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "stand-in")])
    builder = x509.CertificateBuilder(subject, subject, key.public_key(), 1)
    begin, end = datetime.datetime(2000, 1, 1), datetime.datetime(2100, 1, 1)
    builder = builder.not_valid_before(begin).not_valid_after(end)
    if names := [x509.DNSName(host) for host in hosts if host.isascii()]:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    chain = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    return base64.b64encode(chain).decode(), base64.b64encode(private).decode()
