"""Certificates and keys for `ssl` by files in memory: OpenSSL reads from paths only, and keys stay off disks."""

import os
import ssl

from portway.routing.table import Certificate


def load(context: ssl.SSLContext, certificate: Certificate) -> None:
    """What the context shows. Raises ssl.SSLError."""
    chain, key = _in_memory(certificate.chain), _in_memory(certificate.key)
    try:
        context.load_cert_chain(f"/proc/self/fd/{chain}", f"/proc/self/fd/{key}")
    finally:
        os.close(chain)
        os.close(key)


def _in_memory(text: str) -> int:
    file = os.memfd_create("pem", os.MFD_CLOEXEC)
    os.write(file, text.encode())
    return file
