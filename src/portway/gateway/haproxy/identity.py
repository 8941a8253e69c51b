"""Whom HAProxy becomes when it has its ports: root's does not stay root."""

import os
import pwd
from pathlib import Path

_NEEDED = {"CHOWN": 0, "FOWNER": 3, "SETGID": 6, "SETUID": 7, "SYS_CHROOT": 18}
"""Capabilities, by their bits: to give a socket away with its mode, to become another, to shut itself in."""
_USERS = ("haproxy", "nobody")
"""The first that this machine has: packages of HAProxy bring the former."""


def unprivileged() -> tuple[int, int]:
    """User and group; (0, 0): it stays who it is, being nobody in particular or unable to become another.

    The latter is the case in a rootless fleet, whose root is the only user that there is.
    """
    process = Path("/proc/self")
    account = next((found for name in _USERS if (found := _account(name))), (65534, 65534))
    maps = zip(account, ("uid_map", "gid_map"), strict=True)
    able = may_change((process / "status").read_text()) and all(
        is_mapped(number, (process / name).read_text()) for number, name in maps
    )
    return account if able and (process / "setgroups").read_text().strip() == "allow" else (0, 0)


def hand(socket: Path, user: int) -> None:
    """This one alone, besides root, may come to a socket; 0: whoever we are. Raises OSError."""
    socket.chmod(0o600)
    if user:
        os.chown(socket, user, -1)


def _account(name: str) -> tuple[int, int] | None:
    try:
        found = pwd.getpwnam(name)
    except KeyError:
        return None
    return found.pw_uid, found.pw_gid


def may_change(status: str) -> bool:
    """Whether a process of this /proc/PID/status is root with the rights that becoming another takes."""
    fields = dict(line.partition(":")[::2] for line in status.splitlines())
    effective = int(fields["CapEff"], 16)
    return fields["Uid"].split()[1] == "0" and all(effective >> bit & 1 for bit in _NEEDED.values())


def is_mapped(number: int, id_map: str) -> bool:
    """Whether a user namespace with this /proc/PID/uid_map or gid_map has the id."""
    spans = [[int(word) for word in line.split()] for line in id_map.splitlines()]
    return any(first <= number < first + count for first, _, count in spans)
