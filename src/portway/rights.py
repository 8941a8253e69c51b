"""What processes of root's keep of root's rights (capabilities): no more than their work takes.

In a rootless fleet nothing changes: its root is an ordinary user, with rights over the fleet's namespaces only.
"""

import ctypes
import os
import sys
from collections.abc import Callable, Collection
from pathlib import Path

BITS = {
    "CHOWN": 0,
    "DAC_OVERRIDE": 1,
    "DAC_READ_SEARCH": 2,
    "FOWNER": 3,
    "KILL": 5,
    "SETGID": 6,
    "SETUID": 7,
    "NET_BIND_SERVICE": 10,
    "NET_ADMIN": 12,
    "NET_RAW": 13,
    "SYS_CHROOT": 18,
    "SYS_RESOURCE": 24,
}
"""linux/capability.h: those that anybody here keeps."""
_READ_BOUNDS, _DROP_BOUND, _NO_NEW_PRIVILEGES = 23, 24, 38
_VERSION_3 = 0x20080522
_libc = ctypes.CDLL(None, use_errno=True)


def keeping(names: Collection[str], folder: Path, run: Callable[[], int]) -> Callable[[], int]:
    """`run` with these of root's rights only, and what it takes to get to `folder`."""

    def less() -> int:
        keep(names, folder)
        return run()

    return less


def keep(names: Collection[str], folder: Path) -> None:
    """Of root's rights keep these, here and in whatever this process runs. Nothing when it is not the machine's root.

    The caller must be single-threaded. `folder`: root's own, but it may lie in another's, whom the right to search
    passes by (`sudo portway up` from a home that is closed to others). So may Python's modules, many of which are
    imported later.
    """
    process = Path("/proc/self")
    if os.geteuid() != 0 or not is_machines((process / "uid_map").read_text()):
        return
    kept = {BITS[name] for name in names}
    if not all(is_open(place) for place in (folder, *_modules())):
        kept.add(BITS["DAC_READ_SEARCH"])
    bit = 0
    while _control(_READ_BOUNDS, bit) >= 0:
        if bit not in kept:
            _control(_DROP_BOUND, bit)
        bit += 1
    _control(_NO_NEW_PRIVILEGES, 1)
    _set(permitted((process / "status").read_text()) & sum(1 << bit for bit in kept))


def permitted(status: str) -> int:
    """Of a /proc/PID/status, a bit a capability."""
    return next(int(line.split()[1], 16) for line in status.splitlines() if line.startswith("CapPrm:"))


def is_machines(uid_map: str) -> bool:
    """Whether the user namespace of this /proc/PID/uid_map is no fleet's: one of those maps a single user."""
    return any(int(line.split()[2]) > 1 for line in uid_map.splitlines())


def _modules() -> list[Path]:
    """Where Python looks for them."""
    return [place for name in sys.path if (place := Path(name)).is_absolute() and place.exists()]


def is_open(folder: Path) -> bool:
    """Whether root gets there as anybody would: through folders of its own, or those that all may pass."""
    whole = folder.resolve()
    passed = [place.stat() for place in (whole, *whole.parents)]
    return all(place.st_mode & (0o100 if place.st_uid == 0 else 0o001) for place in passed)


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Data(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


def _control(operation: int, argument: int) -> int:
    """prctl(2): what it returns, -1 when it failed."""
    return int(_libc.prctl(operation, ctypes.c_ulong(argument), 0, 0, 0))


def _set(rights: int) -> None:
    """Effective and permitted; none is handed on but by the rule for root's programs, which the bounds limit."""
    halves = [_Data(half, half, 0) for half in (rights & 0xFFFFFFFF, rights >> 32)]
    header = _Header(_VERSION_3, 0)
    if _libc.capset(ctypes.byref(header), (_Data * 2)(*halves)) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), "capset")
