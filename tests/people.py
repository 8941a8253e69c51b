"""Who runs a command: whoever runs the tests, or (when that is root) an ordinary user."""

import os
import shutil
import site
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NOBODY = 65534


class Unavailable(Exception):
    """No ordinary user can run Portway here, and why."""


@dataclass(frozen=True)
class Person:
    """Somebody at a shell: how they call `portway`, and with what environment."""

    name: str
    command: list[str]
    environment: dict[str, str]
    prefix: list[str]
    """What turns a command of ours into one of theirs."""
    python: str
    """The interpreter that they run."""


def myself(folder: Path) -> Person:
    """Whoever runs the tests."""
    environment = os.environ | {"PORTWAY_STATE": str(folder / "state")}
    return Person(
        "root" if os.geteuid() == 0 else "me", [sys.executable, "-m", "portway"], environment, [], sys.executable
    )


@contextmanager
def ordinary_user(folder: Path) -> Iterator[Person]:
    """Somebody without privileges; `folder` becomes theirs. Raises Unavailable with the reason."""
    if os.geteuid() != 0:
        yield myself(folder)
        return
    if not shutil.which("setpriv"):
        raise Unavailable("setpriv (util-linux) is missing, so root cannot become an ordinary user")
    folder.chmod(0o755)
    home = folder / "home"
    home.mkdir()
    os.chown(home, NOBODY, NOBODY)
    prefix = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--no-new-privs"]
    environment = {
        "HOME": str(home),
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "LANG": "C.UTF-8",
        "PORTWAY_STATE": str(home / "state"),
        "PYTHONPATH": os.pathsep.join(_importable(prefix, folder)),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    python = _interpreter(prefix)
    yield Person("nobody", [*prefix, python, "-m", "portway"], environment, prefix, python)


def _interpreter(prefix: list[str]) -> str:
    """This Python if they may run it, else the system's of the same version (its wheels fit).

    That setpriv runs it says nothing: it gives up root's rights only with that exec. So they try it once more.
    """
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    for candidate in (os.path.realpath(sys.executable), f"/usr/bin/{version}", f"/usr/local/bin/{version}"):
        again = "import os, ssl, sys; os.execv(sys.executable, [sys.executable, '-c', 'import ssl'])"
        check = [*prefix, candidate, "-c", again]
        if Path(candidate).exists() and subprocess.run(check, capture_output=True).returncode == 0:
            return candidate
    raise Unavailable(f"no {version} that an ordinary user may run: {sys.executable} is closed to others")


def _importable(prefix: list[str], folder: Path) -> list[str]:
    """Portway's source and its dependencies where they can read them: in place, or copied."""
    places = [ROOT / "src", Path(site.getsitepackages()[0])]
    return [str(place if _readable(prefix, place) else _copy(place, folder)) for place in places]


def _readable(prefix: list[str], place: Path) -> bool:
    return subprocess.run([*prefix, "ls", str(place)], capture_output=True).returncode == 0


def _copy(place: Path, folder: Path) -> Path:
    target = folder / place.name
    shutil.copytree(place, target, symlinks=True, ignore=shutil.ignore_patterns("__pycache__", "mypy*", "kubectl*"))
    return target


def readable_by_others(folder: Path) -> Path:
    """A temporary folder, opened to other people with all those above it that pytest (and each worker) keeps closed."""
    top = Path(tempfile.gettempdir()).resolve()
    for one in (folder, *folder.parents):
        if one == top or top not in one.parents:
            break
        one.chmod(0o755)
    return folder
