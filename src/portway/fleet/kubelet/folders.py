"""Where a pod's volumes lie: in the world's own /run, so that they end with it, whatever ends it."""

import shutil
from collections.abc import Iterable
from pathlib import Path

from portway.fleet.kubelet.volumes import File, Volume
from portway.fleet.mounts import Mount

_FOLDERS = Path("/run/portway-volumes")


def of_pod(uid: str) -> Path:
    """The folder of a pod's volumes."""
    return _FOLDERS / uid


def lay(uid: str, volume: Volume) -> str:
    """Make it, or write anew what it is written from; where it lies."""
    if volume.host:
        return volume.host
    folder = of_pod(uid) / volume.name
    folder.mkdir(parents=True, exist_ok=True)
    # Whoever a program has become may write, as in Kubernetes.
    folder.chmod(0o777)
    for path, file in volume.files.items():
        _write(folder / path, file)
    return str(folder)


def _write(path: Path, file: File) -> None:
    """A program that reads it meanwhile finds the old or the new."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.new")
    new.write_bytes(file.content)
    new.chmod(file.mode)
    new.replace(path)


def lay_below(uid: str, mounts: Iterable[Mount]) -> None:
    """Make the subPaths that are not there yet, in the pod's own volumes only."""
    for mount in mounts:
        if Path(mount.source).is_relative_to(of_pod(uid)):
            Path(mount.source).exists() or Path(mount.source).mkdir(parents=True)  # type: ignore[func-returns-value]


def remove(uid: str) -> None:
    """Forget all of a pod."""
    shutil.rmtree(of_pod(uid), ignore_errors=True)
