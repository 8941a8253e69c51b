"""Where the objects of lint, audit, diff and trace come from.

Files, folders, kustomizations, charts, stdin, snapshots, a fleet or a live cluster. All inputs of a run form one
Bundle; what cannot be read is a Problem, and the rest goes on.
"""

import asyncio
import gc
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from msgspec import Struct

from portway.analysis.bundle import Bundle, Item
from portway.client import Api
from portway.kubeapi import yaml
from portway.kubeapi.errors import ApiError, Doc
from portway.kubeapi.kinds import Resource

SNAPSHOT_KIND = "Snapshot"
SNAPSHOT_VERSION = "portway.dev/v1"
_ENDINGS = (".yaml", ".yml", ".json")
_KUSTOMIZATIONS = ("kustomization.yaml", "kustomization.yml", "Kustomization")
_DOCUMENT = re.compile(r"^---(?=\s|$)", re.MULTILINE)
_TEMPLATE = re.compile(r"\{\{")


class Problem(Struct, frozen=True):
    """An input, or a part of one, that could not be read."""

    text: str
    """With its place: `web.yaml:12:3: …`."""


class Inputs(Struct, frozen=True):
    """What was read."""

    bundle: Bundle
    problems: tuple[Problem, ...] = ()


def from_files(sources: Sequence[str], namespace: str = "default") -> Inputs:
    """Everything in these files, folders (with those below), kustomizations, charts, snapshots and `-` for stdin."""
    problems: list[Problem] = []
    items: list[Item] = []
    whole = False
    with _here_to_stay():
        for text, name in (pair for source in sources for pair in _texts(source, problems)):
            for document in _documents(text, name, problems):
                if _is_snapshot(document.value):
                    whole = True
                    items += [Item(value) for value in document.value.get("items") or [] if isinstance(value, dict)]
                else:
                    items += _items(document, text, problems)
    return Inputs(Bundle(items, complete=whole, default_namespace=namespace), tuple(problems))


@contextmanager
def _here_to_stay() -> Iterator[None]:
    """What is read stays until the process ends: the collector looks for nothing meanwhile, and never goes through
    it again. In a large cluster that was a third of the time.
    """
    running = gc.isenabled()
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        if running:
            gc.enable()


def _texts(source: str, problems: list[Problem]) -> Iterator[tuple[str, str]]:
    if source == "-":
        yield from _decoded(sys.stdin.buffer.read(), "stdin", problems)
        return
    path = Path(source)
    if path.is_dir():
        yield from _folder(path, problems)
    elif path.exists():
        yield from _file(path, problems)
    else:
        raise click.BadParameter(f"{source} does not exist", param_hint="-f")


def _folder(path: Path, problems: list[Problem]) -> Iterator[tuple[str, str]]:
    """A kustomization or a chart is a unit, built by its own tool; other folders are read file by file."""
    if any((path / name).exists() for name in _KUSTOMIZATIONS):
        yield from _built(path, problems, [["kustomize", "build"], ["kubectl", "kustomize"]])
    elif (path / "Chart.yaml").exists():
        yield from _built(path, problems, [["helm", "template", "--include-crds", "release-name"]])
    else:
        for entry in sorted(path.iterdir()):
            if entry.is_dir() and not entry.name.startswith("."):
                yield from _folder(entry, problems)
            elif entry.is_file() and entry.suffix in _ENDINGS:
                yield from _file(entry, problems)


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


def _built(path: Path, problems: list[Problem], commands: list[list[str]]) -> Iterator[tuple[str, str]]:
    command = next((one for one in commands if shutil.which(one[0])), None)
    if command is None:
        tools = " or ".join(one[0] for one in commands)
        problems.append(Problem(f"{path}: this needs {tools} on PATH; or pipe its output: … | portway … -f -"))
        return
    run = subprocess.run([*command, str(path)], capture_output=True, text=True)
    if run.returncode:
        said = (run.stderr.strip().splitlines() or ["no reason given"])[-1]
        problems.append(Problem(f"{path}: {' '.join(command)} failed: {said}"))
        return
    yield run.stdout, str(path)


def _documents(text: str, name: str, problems: list[Problem]) -> Iterator[yaml.Document]:
    """The documents of a text; where it cannot be read as a whole, those that can be read alone."""
    try:
        yield from yaml.load_all(text, name)
    except yaml.YamlError as error:
        parts = list(_parts(text))
        if len(parts) == 1:
            problems.append(_problem(error, text))
            return
        for part in parts:
            try:
                yield from yaml.load_all(part, name)
            except yaml.YamlError as reason:
                problems.append(_problem(reason, text))


def _parts(text: str) -> Iterator[str]:
    """Each document alone, behind as many empty lines as stand before it, so that places stay true."""
    begins = [0, *(found.start() for found in _DOCUMENT.finditer(text))]
    for begin, end in zip(begins, [*begins[1:], len(text)], strict=True):
        if text[begin:end].strip():
            yield "\n" * text.count("\n", 0, begin) + text[begin:end]


def _problem(error: yaml.YamlError, text: str) -> Problem:
    hint = "; a Helm template? render it first: helm template … | portway … -f -" if _TEMPLATE.search(text) else ""
    return Problem(f"{error}{hint}")


def _is_snapshot(value: Doc) -> bool:
    return value.get("kind") == SNAPSHOT_KIND and value.get("apiVersion") == SNAPSHOT_VERSION


def _items(document: yaml.Document, text: str, problems: list[Problem]) -> Iterator[Item]:
    try:
        found = document.items()
    except yaml.YamlError as error:
        problems.append(Problem(str(error)))
        return
    for one in found:
        if wrong := _untyped(one):
            problems.append(Problem(wrong))
        else:
            yield Item(one.value, one.file, one.position, text)


def _untyped(document: yaml.Document) -> str:
    """What keeps a document from being an object at all; empty for none."""
    value = document.value
    for field, example in (("apiVersion", "v1"), ("kind", "Service")):
        if not isinstance(value.get(field), str):
            return f"{document.where(field)}: {field} is missing (a string such as {example})"
    if not isinstance(value.get("metadata", {}), dict):
        return f"{document.where('metadata')}: {value['kind']}: metadata must be an object"
    return ""


async def from_cluster(api: Api, namespace: str = "") -> Inputs:
    """What a server has of the kinds that analysis reads; lists only. `namespace`: empty for all.

    Kinds that the server does not know are left out; those that it refuses to show are Problems.
    """
    problems: list[Problem] = []
    lists = await asyncio.gather(*(_listed(api, resource, namespace, problems) for resource in resources()))
    items = [Item(slim(value)) for found in lists for value in found]
    return Inputs(Bundle(items, complete=not namespace), tuple(problems))


async def _listed(api: Api, resource: Resource, namespace: str, problems: list[Problem]) -> list[Doc]:
    try:
        return (await api.list(resource, namespace if resource.namespaced else "", resource_version="0"))[0]
    except ApiError as error:
        if error.code != 404:
            problems.append(Problem(f"{resource.plural}: {error.message}"))
        return []


def slim(value: Doc) -> Doc:
    """Without what no check reads and nobody should keep: managedFields, the last applied text, Secrets' values."""
    metadata: dict[str, Any] = {k: v for k, v in (value.get("metadata") or {}).items() if k != "managedFields"}
    if notes := metadata.get("annotations"):
        last = "kubectl.kubernetes.io/last-applied-configuration"
        metadata["annotations"] = {k: v for k, v in notes.items() if k != last}
    slimmed = {**value, "metadata": metadata}
    if value.get("kind") == "Secret":
        slimmed["data"] = dict.fromkeys(value.get("data") or {}, "")
    return slimmed


def resources() -> Iterator[Resource]:
    """Every kind that can say something about where packets go."""
    from portway.kubeapi import catalogue

    known = {kind.resource: None for kind in catalogue.KINDS if "list" in kind.verbs and kind.kind not in _NEVER_READ}
    yield from known
    for group, version, plurals, namespaced in _ELSEWHERE:
        for plural in plurals.split():
            if (one := Resource(group, version, plural, namespaced)) not in known:
                yield one


_NEVER_READ = frozenset({"Event", "ComponentStatus", "Lease", "ControllerRevision"})
_ELSEWHERE: Iterable[tuple[str, str, str, bool]] = (
    ("apps", "v1", "statefulsets daemonsets", True),
    ("batch", "v1", "jobs cronjobs", True),
    ("policy", "v1", "poddisruptionbudgets", True),
    ("autoscaling", "v2", "horizontalpodautoscalers", True),
    ("gateway.networking.k8s.io", "v1", "gateways httproutes grpcroutes tlsroutes tcproutes udproutes", True),
    ("gateway.networking.k8s.io", "v1", "gatewayclasses", False),
    ("gateway.networking.k8s.io", "v1beta1", "referencegrants", True),
    ("monitoring.coreos.com", "v1", "servicemonitors podmonitors", True),
    ("metallb.io", "v1beta1", "ipaddresspools l2advertisements", True),
    ("admissionregistration.k8s.io", "v1", "validatingwebhookconfigurations mutatingwebhookconfigurations", False),
    ("apiregistration.k8s.io", "v1", "apiservices", False),
    ("apiextensions.k8s.io", "v1", "customresourcedefinitions", False),
)


def select(sources: Sequence[str], fleet: str, context: str | None, kubeconfig: str | None, namespace: str) -> Inputs:
    """What a command's options name: files, else a kubeconfig's cluster where one is named, else the fleet."""
    if sources:
        return from_files(sources, namespace or "default")
    from portway import fleet as fleets
    from portway.cli.cluster import ask

    live = context is not None or kubeconfig is not None
    api = Api.from_kubeconfig(kubeconfig, context) if live else Api.unix(fleets.find(fleet).paths.api_socket)
    return ask(api, from_cluster(api, namespace))


_OPTIONS = (
    click.option(
        *("-f", "--filename", "sources"),
        multiple=True,
        metavar="FILE|DIR|-",
        help="Manifests, a kustomization, a chart, a snapshot.",
    ),
    click.option(
        "--name",
        default="portway",
        show_default=True,
        envvar="PORTWAY_FLEET",
        help="Which fleet, where there is no -f.",
    ),
    click.option("--kubeconfig", metavar="FILE", help="A live cluster, by this kubeconfig; only read."),
    click.option("--context", help="A live cluster, by this context of the kubeconfig; only read."),
    click.option(
        "-n", "--namespace", default="", help="With -f: of objects that name none. Otherwise: read only this one."
    ),
)


def source_options(command: Any) -> Any:
    """The options that say where objects come from: `sources`, `name`, `kubeconfig`, `context`, `namespace`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def tell_problems(inputs: Inputs) -> None:
    """Each on a line of stderr."""
    for problem in inputs.problems:
        click.echo(f"portway: {problem.text}", err=True)
