"""kube-apiserver itself, with an etcd, in this network namespace: for tests that compare Portway's answers with its.

KUBE_APISERVER and ETCD name the binaries; both listen on loopback, with everything they keep in one folder.
"""

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from msgspec import Struct

from portway.testing.apiserver import until

SERVICE_CIDRS = "10.96.0.0/16,fd00:96::/112"


def binaries() -> tuple[str, str] | None:
    """(kube-apiserver, etcd), where the environment names them."""
    found = os.environ.get("KUBE_APISERVER", ""), os.environ.get("ETCD", "")
    return found if all(found) else None


@contextmanager
def running(folder: Path) -> Iterator[tuple[str, Path]]:
    """(URL, PKI folder with ca.crt, admin.crt and admin.key) of one that answers. Raises TimeoutError."""
    from portway.apiserver import pki

    pki.create(folder / "pki")
    ports = Ports(*(_free_port() for _ in range(3)))
    with ExitStack() as stack:
        stack.enter_context(_process(etcd(folder, ports), folder / "etcd.log"))
        until(lambda: _listens(ports.etcd), f"etcd does not answer: {folder / 'etcd.log'}")
        stack.enter_context(_process(api(folder, ports), folder / "kube-apiserver.log"))
        until(lambda: _ready(ports.api), f"kube-apiserver is not ready: {folder / 'kube-apiserver.log'}")
        yield f"https://127.0.0.1:{ports.api}", folder / "pki"


class Ports(Struct, frozen=True):
    """Where they listen, on loopback."""

    api: int = 6443
    etcd: int = 2379
    peer: int = 2380


def etcd(folder: Path, ports: Ports) -> list[str]:
    """The command that is an etcd whose data lie in the folder."""
    client, peer = (f"http://127.0.0.1:{port}" for port in (ports.etcd, ports.peer))
    words = [f"--data-dir={folder / 'etcd'}", f"--listen-client-urls={client}", f"--listen-peer-urls={peer}"]
    return [_named()[1], *words]


def api(folder: Path, ports: Ports, *more: str) -> list[str]:
    """The command that is a kube-apiserver at that etcd, with the certificates in the folder's `pki`."""
    return [_named()[0], *_flags(folder / "pki", ports.api, f"http://127.0.0.1:{ports.etcd}"), *more]


def _named() -> tuple[str, str]:
    named = binaries()
    assert named is not None, "KUBE_APISERVER and ETCD name no binaries"
    return named


def _flags(pki: Path, port: int, etcd: str) -> list[str]:
    return [
        f"--etcd-servers={etcd}",
        f"--secure-port={port}",
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        f"--client-ca-file={pki / 'ca.crt'}",
        f"--tls-cert-file={pki / 'server.crt'}",
        f"--tls-private-key-file={pki / 'server.key'}",
        f"--service-account-key-file={pki / 'server.crt'}",
        f"--service-account-signing-key-file={pki / 'server.key'}",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-cluster-ip-range={SERVICE_CIDRS}",
        "--authorization-mode=RBAC",
        "--endpoint-reconciler-type=none",
    ]


@contextmanager
def _process(command: list[str], log: Path) -> Iterator[None]:
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output) as process:
        try:
            yield
        finally:
            process.send_signal(signal.SIGKILL)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        number: int = free.getsockname()[1]
    return number


def _listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
        return True
    return False


def _ready(port: int) -> bool:
    import ssl

    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with suppress(URLError, OSError), urlopen(f"https://127.0.0.1:{port}/readyz", context=context, timeout=5) as answer:
        return bool(answer.status == 200)
    return False
