"""Why the system refuses namespaces, and what to do about it."""

import errno
from collections.abc import Mapping
from pathlib import Path

_SETTINGS = (
    ("user.max_user_namespaces", "0", "15000"),
    ("kernel.unprivileged_userns_clone", "0", "1"),
    ("kernel.apparmor_restrict_unprivileged_userns", "1", "0"),
    ("user.max_net_namespaces", "0", "15000"),
)
"""sysctl, the value that forbids what a fleet needs, the value that allows it (Debian, RHEL and Ubuntu set these)."""


def why_forbidden(error: OSError, settings: Mapping[str, str] | None = None) -> str:
    """What to tell the user when making the world failed with `error`. `settings`: sysctls, read when not given."""
    found = _read_settings() if settings is None else settings
    guilty = [(name, good) for name, bad, good in _SETTINGS if found.get(name) == bad]
    head = f"this system does not let a fleet have namespaces of its own ({error.filename}: {error.strerror})"
    if guilty:
        names = " and ".join(name for name, _ in guilty)
        commands = "\n".join(f"  sudo sysctl -w {name}={good}" for name, good in guilty)
        return f"{head}: forbidden by {names}. Allow it, or run portway as root:\n{commands}"
    if error.errno in (errno.EPERM, errno.EACCES):
        return (
            f"{head}. Inside a container, start it with --privileged "
            "(or --cap-add SYS_ADMIN --cap-add NET_ADMIN "
            "--security-opt seccomp=unconfined --security-opt apparmor=unconfined)"
        )
    if error.errno == errno.ENOSPC:
        return f"{head}: too many are in use, see the sysctls user.max_user_namespaces and user.max_net_namespaces"
    return head


def _read_settings() -> dict[str, str]:
    found = {}
    for name, _, _ in _SETTINGS:
        path = Path("/proc/sys") / name.replace(".", "/")
        if path.exists():
            found[name] = path.read_text().strip()
    return found
