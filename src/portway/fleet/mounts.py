"""What lies at a container's mountPaths, put over this machine's files for one program and nobody else.

Where a mountPath's folder is not there, nothing is made on this machine: the deepest folder that is there is replaced,
for that program, by an empty one in memory in which everything that it holds is bound, and the rest is made therein.
"""

import contextlib
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from msgspec import Struct

from portway.fleet import linux

_STAGING = Path("/run/portway-root")
_KEPT = linux.MS_NOSUID | linux.MS_NODEV | linux.MS_NOEXEC
"""What a mount that is made read-only must stay, if it is (the kernel insists in a user namespace)."""


class Mount(Struct, frozen=True):
    """A file or folder of this machine, and where the program finds it."""

    source: str
    target: str
    read_only: bool = False


def put_on(wanted: Sequence[Mount]) -> Iterator[str]:
    """Mount each, parents first, telling which before it is done; OSError belongs to the one told last.

    The calling process gets a mount namespace of its own, and may find itself in another root afterwards.
    """
    if not wanted:
        return
    linux.unshare(linux.CLONE_NEWNS)
    linux.mount("none", "/", None, linux.MS_REC | linux.MS_PRIVATE)
    ordered = sorted(wanted, key=lambda each: Path(each.target).parts)
    opened = []
    for mount in ordered:
        yield mount.target
        # A mount may hide what the next ones come from.
        opened.append(os.open(mount.source, os.O_PATH | os.O_CLOEXEC))
    ours = set[int]()
    for mount, source in zip(ordered, opened, strict=True):
        yield mount.target
        _make_place(Path(os.path.normpath(mount.target)), stat.S_ISDIR(os.fstat(source).st_mode), ours)
        _put(source, mount.target, mount.read_only)
        os.close(source)


def _put(source: int, target: str, read_only: bool) -> None:
    linux.mount(f"/proc/self/fd/{source}", target, None, linux.MS_BIND | linux.MS_REC)
    if read_only:
        kept = os.statvfs(target).f_flag & _KEPT
        linux.mount("none", target, None, linux.MS_REMOUNT | linux.MS_BIND | linux.MS_RDONLY | kept)


def _make_place(target: Path, folder: bool, ours: set[int]) -> None:
    """`ours`: the devices of the folders in memory, in which anything may be made."""
    if target.exists():
        return
    there = next(parent for parent in target.parents if parent.exists())
    if there.stat().st_dev not in ours:
        ours.add(_mirror(there.resolve()))
    (target if folder else target.parent).mkdir(parents=True, exist_ok=True)
    if not folder:
        target.touch()


def _mirror(place: Path) -> int:
    """Put a folder in memory in the place of this one, with everything in it that is there now; its device."""
    _STAGING.mkdir(exist_ok=True)
    linux.mount("portway", str(_STAGING), "tmpfs", 0, f"mode={stat.S_IMODE(place.stat().st_mode):o}")
    linux.mount("none", str(_STAGING), None, linux.MS_UNBINDABLE)
    device = _STAGING.stat().st_dev
    for each in place.iterdir():
        # Some go meanwhile (in /tmp), and the staging place itself is not bound into itself.
        if each != _STAGING:
            with contextlib.suppress(FileNotFoundError):
                _reflect(each, _STAGING / each.name)
    linux.mount("none", str(_STAGING), None, linux.MS_PRIVATE)
    if place == Path("/"):
        os.chroot(_STAGING)
        os.chdir("/")
    else:
        linux.mount(str(_STAGING), str(place), None, linux.MS_MOVE)
    return device


def _reflect(original: Path, image: Path) -> None:
    if original.is_symlink():
        image.symlink_to(original.readlink())
        return
    image.mkdir() if original.is_dir() else image.touch()
    linux.mount(str(original), str(image), None, linux.MS_BIND | linux.MS_REC)
