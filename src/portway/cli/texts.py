"""The texts that `-f` names: files, folders with what is below them, kustomizations, charts, stdin."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
from msgspec import Struct

from portway.cli.rendered import Rendering

_ENDINGS = (".yaml", ".yml", ".json")
_KUSTOMIZATIONS = ("kustomization.yaml", "kustomization.yml", "Kustomization")


class Problem(Struct, frozen=True):
    """An input, or a part of one, that could not be read."""

    text: str
    """With its place: `web.yaml:12:3: …`."""


class Text(Struct, frozen=True):
    """A text to read objects from."""

    text: str
    name: str
    """Of its file; `stdin`; the folder of what was built."""
    found: bool = False
    """In a folder, not named: it may be no manifest at all."""
    rendering: Rendering | None = None
    """Where its lines come from, when a tool made them."""


def texts(source: str, problems: list[Problem]) -> Iterator[Text]:
    """All texts behind one `-f`; what cannot be read is added to `problems`. Raises a usage error for what is not
    there.
    """
    if source == "-":
        for text, name in _decoded(sys.stdin.buffer.read(), "stdin", problems):
            yield Text(text, name, rendering=Rendering(text, "") if "# Source: " in text else None)
        return
    path = Path(source)
    if path.is_dir():
        yield from _folder(path, problems)
    elif path.exists():
        yield from (Text(*pair) for pair in _file(path, problems))
    else:
        raise click.BadParameter(f"{source} does not exist", param_hint="-f")


def _folder(path: Path, problems: list[Problem]) -> Iterator[Text]:
    """A kustomization or a chart is a unit, built by its own tool; other folders are read file by file."""
    kustomization = next((path / name for name in _KUSTOMIZATIONS if (path / name).exists()), None)
    if kustomization:
        for text in _built(path, problems, [["kustomize", "build"], ["kubectl", "kustomize"]]):
            yield Text(text, str(path), rendering=Rendering(text, str(kustomization)))
    elif (path / "Chart.yaml").exists():
        for text in _built(path, problems, [["helm", "template", "--include-crds", "release-name"]]):
            yield Text(text, str(path), rendering=Rendering(text, str(path / "Chart.yaml"), path))
    else:
        for entry in sorted(path.iterdir()):
            if entry.is_dir() and not entry.name.startswith("."):
                yield from _folder(entry, problems)
            elif entry.is_file() and entry.suffix in _ENDINGS:
                yield from (Text(*pair, found=True) for pair in _file(entry, problems))


def _file(path: Path, problems: list[Problem]) -> Iterator[tuple[str, str]]:
    try:
        found = path.read_bytes()
    except OSError as error:
        problems.append(Problem(f"{path}: cannot be read: {error.strerror}"))
    else:
        yield from _decoded(found, str(path), problems)


def _decoded(text: bytes, name: str, problems: list[Problem]) -> Iterator[tuple[str, str]]:
    try:
        yield text.decode("utf-8-sig"), name
    except UnicodeDecodeError:
        problems.append(Problem(f"{name}: this is not UTF-8 text"))


def _built(path: Path, problems: list[Problem], commands: list[list[str]]) -> Iterator[str]:
    command = next((one for one in commands if shutil.which(one[0])), None)
    if command is None:
        tools, first = " or ".join(one[0] for one in commands), " ".join(commands[0])
        text = f"{path}: this needs {tools} on PATH; or pipe its output: {first} {path} | portway … -f -"
        problems.append(Problem(text))
        return
    run = subprocess.run([*command, str(path)], capture_output=True, text=True)
    if run.returncode:
        said = (run.stderr.strip().splitlines() or ["no reason given"])[-1]
        problems.append(Problem(f"{path}: {' '.join(command)} failed: {said}"))
        return
    yield run.stdout
