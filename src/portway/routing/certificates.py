"""Secrets of type kubernetes.io/tls become Certificates, ConfigMaps with `ca.crt` authorities, if they are whole."""

import base64
import binascii
from functools import lru_cache

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from portway.routing.documents import Doc
from portway.routing.table import Certificate


def certificate(secret: Doc) -> Certificate | str:
    """The certificate, or why there is none: one line that shows nothing of the key."""
    data = secret.get("data") or {}
    try:
        chain, key = (base64.b64decode(data[name], validate=True) for name in ("tls.crt", "tls.key"))
    except KeyError as missing:
        return f"it has no {missing.args[0]}"
    except (binascii.Error, ValueError):
        return "its tls.crt or tls.key is not base64"
    return _parsed(chain, key)


@lru_cache(maxsize=1024)
def _parsed(chain: bytes, key: bytes) -> Certificate | str:
    try:
        leaf = x509.load_pem_x509_certificates(chain)[0]
    except ValueError:
        return "its tls.crt is not a PEM certificate"
    try:
        private = load_pem_private_key(key, None)
    except (ValueError, TypeError):
        return "its tls.key is not a PEM private key without a passphrase"
    if private.public_key() != leaf.public_key():
        return "its tls.key does not belong to its tls.crt"
    return Certificate(chain.decode(errors="replace"), key.decode(errors="replace"), _hosts(leaf))


def authorities(config_map: Doc) -> tuple[str, str]:
    """(PEM of all certificates in `ca.crt` and of nothing else, why there is none); one of them is empty."""
    text = (config_map.get("data") or {}).get("ca.crt")
    return ("", "it has no ca.crt") if text is None else _authorities(text)


@lru_cache(maxsize=1024)
def _authorities(text: str) -> tuple[str, str]:
    try:
        found = x509.load_pem_x509_certificates(text.encode())
    except ValueError:
        return "", "its ca.crt is not a PEM certificate"
    return "".join(one.public_bytes(Encoding.PEM).decode() for one in found), ""


def _hosts(leaf: x509.Certificate) -> tuple[str, ...]:
    """DNS names and addresses of subjectAltName; without any, the common name."""
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        common = leaf.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
        return tuple(str(attribute.value).lower() for attribute in common)
    addresses = [str(address) for address in names.get_values_for_type(x509.IPAddress)]
    return tuple([name.lower() for name in names.get_values_for_type(x509.DNSName)] + addresses)
