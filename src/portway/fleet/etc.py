"""Files of a pod's or a node's own in the place of this machine's: /etc/resolv.conf, /etc/hosts, and the host name.

They lie in a folder under the world's own /run. A program that is to see them gets a mount namespace of its own, in
which they are bound over the machine's: two system calls a program, and nothing that must be cleaned up.
"""

import contextlib
import shutil
import socket
from collections.abc import Mapping
from pathlib import Path

from portway.fleet import linux

FILES = ("resolv.conf", "hosts")
_HOSTNAME = "hostname"
_FOLDERS = Path("/run/portway-etc")


def folder(place: str) -> Path:
    """Where the files of a network namespace (`node-1`, `pod-UID`) lie."""
    return _FOLDERS / place


def write(place: str, files: Mapping[str, str], hostname: str) -> None:
    """Make or replace the files of a place."""
    own = folder(place)
    own.mkdir(parents=True, exist_ok=True)
    for name, text in {**files, _HOSTNAME: hostname}.items():
        (own / name).write_text(text)
        (own / name).chmod(0o644)


def remove(place: str) -> None:
    """Forget a place."""
    shutil.rmtree(folder(place), ignore_errors=True)


def put_on(own: Path) -> None:
    """Let the calling process see the files and the host name of a place; one that has none is left as it is.

    A file that this machine does not have has no place to be bound over.
    """
    if not own.is_dir():
        return
    linux.unshare(linux.CLONE_NEWNS | linux.CLONE_NEWUTS)
    linux.mount("none", "/", None, linux.MS_REC | linux.MS_PRIVATE)
    for name in FILES:
        with contextlib.suppress(FileNotFoundError):
            linux.mount(str(own / name), f"/etc/{name}", None, linux.MS_BIND)
    with contextlib.suppress(FileNotFoundError):
        socket.sethostname((own / _HOSTNAME).read_text())


def machines() -> dict[Path, str]:
    """This machine's own, where they really lie, with what they say."""
    found = (Path("/etc", name).resolve() for name in FILES)
    return {path: path.read_text(errors="replace") for path in found if path.is_file()}


def restore(machines: Mapping[Path, str]) -> None:
    """Put those back that lay below /run, which the world's own has replaced (systemd-resolved's does)."""
    for path, text in machines.items():
        if path.is_relative_to("/run") and not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
