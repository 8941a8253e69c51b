"""The kernel calls that Python 3.11 lacks, by ctypes: namespaces, mounts, death signals.

Every function raises OSError with the kernel's errno, and the call's name as its file name.
"""

import contextlib
import ctypes
import os
import signal
from collections.abc import Iterator
from pathlib import Path

CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_REC = 0x4000
MS_PRIVATE = 1 << 18
MS_UNBINDABLE = 1 << 17
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 1, 2, 4, 8
MS_REMOUNT, MS_BIND, MS_MOVE = 0x20, 0x1000, 0x2000

_PR_SET_PDEATHSIG = 1
_PR_SET_NAME = 15
_CAP_SYS_ADMIN = 21

_libc = ctypes.CDLL(None, use_errno=True)


def _checked(result: int, call: str) -> None:
    if result != 0:
        errno = ctypes.get_errno()
        raise OSError(errno, os.strerror(errno), call)


def unshare(flags: int) -> None:
    """Leave the namespaces named by the CLONE_NEW* flags for new ones."""
    _checked(_libc.unshare(flags), "unshare")


def setns(fd: int, kind: int = 0) -> None:
    """Join the namespace behind `fd`; `kind` (a CLONE_NEW* flag) makes the kernel check what it is."""
    _checked(_libc.setns(fd, kind), "setns")


def mount(source: str, target: str, fstype: str | None, flags: int = 0, data: str = "") -> None:
    """mount(2)."""
    kind = fstype.encode() if fstype else None
    _checked(_libc.mount(source.encode(), os.fsencode(target), kind, ctypes.c_ulong(flags), data.encode()), "mount")


def die_with_parent(number: int = signal.SIGKILL) -> None:
    """Get signal `number` when the parent ends. The caller checks that the parent still is there afterwards."""
    _checked(_libc.prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(number), 0, 0, 0), "prctl")


def name_process(name: str) -> None:
    """What `ps -o comm` shows; the kernel keeps 15 bytes."""
    _libc.prctl(_PR_SET_NAME, ctypes.c_char_p(name.encode()[:15]), 0, 0, 0)


def may_administer() -> bool:
    """Whether this process has CAP_SYS_ADMIN, i.e. needs no user namespace to make the others."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapEff:"):
            return bool(int(line.split()[1], 16) >> _CAP_SYS_ADMIN & 1)
    return os.geteuid() == 0


def join_network(path: str) -> None:
    """Move the calling process into the network namespace bound at `path`."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        setns(fd, CLONE_NEWNET)
    finally:
        os.close(fd)


@contextlib.contextmanager
def inside_network(path: str) -> Iterator[None]:
    """Be in the network namespace bound at `path` for a moment. Nothing may be awaited inside."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        join_network(path)
        yield
    finally:
        try:
            setns(home, CLONE_NEWNET)
        finally:
            os.close(home)
