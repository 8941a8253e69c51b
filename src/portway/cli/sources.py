"""Where the objects of lint, audit, diff and trace come from.

Files, folders, kustomizations, charts, stdin, snapshots, a fleet or a live cluster. All inputs of a run form one
Bundle; what cannot be read is a Problem, and the rest goes on.
"""

import asyncio
import gc
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import click
from msgspec import Struct

from portway.analysis.bundle import Bundle, Item
from portway.cli import manifests
from portway.cli.texts import Problem, Text, texts
from portway.client import Api
from portway.kubeapi import yaml
from portway.kubeapi.announcing import LEASES, ROLE
from portway.kubeapi.announcing import NAMESPACE as LEASES_NAMESPACE
from portway.kubeapi.errors import ApiError, Doc
from portway.kubeapi.kinds import Resource

SNAPSHOT_KIND = "Snapshot"
SNAPSHOT_VERSION = "portway.dev/v1"
_DOCUMENT = re.compile(r"^---(?=\s|$)", re.MULTILINE)
_TEMPLATE = re.compile(r"\{\{")


class Inputs(Struct, frozen=True):
    """What was read."""

    bundle: Bundle
    problems: tuple[Problem, ...] = ()
    left_out: tuple[str, ...] = ()
    """Files in folders that are no manifests."""
    served: bool = False
    """An API server told all of it."""


def from_files(sources: Sequence[str], namespace: str = "default") -> Inputs:
    """Everything in these files, folders (with those below), kustomizations, charts, snapshots and `-` for stdin."""
    problems: list[Problem] = []
    left_out: list[str] = []
    items: list[Item] = []
    whole, taken = False, ""
    with _here_to_stay():
        for text in (one for source in sources for one in texts(source, problems)):
            found = list(_documents(text.text, text.name, problems))
            if text.found and found and not any(_is_manifest(document.value) for document in found):
                left_out.append(text.name)
                continue
            for document in found:
                if _is_snapshot(document.value):
                    whole, taken = True, _taken(document.value)
                    items += [Item(value) for value in document.value.get("items") or [] if isinstance(value, dict)]
                else:
                    items += _items(document, text, problems)
    bundle = Bundle(items, complete=whole, default_namespace=namespace, partial=bool(problems), taken=taken)
    return Inputs(bundle, tuple(problems), tuple(left_out))


def _is_manifest(value: Doc) -> bool:
    """Or a broken one; values and settings have neither field."""
    return "apiVersion" in value or "kind" in value


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


def _taken(snapshot: Doc) -> str:
    metadata = snapshot.get("metadata")
    found = metadata.get("creationTimestamp") if isinstance(metadata, dict) else None
    return found if isinstance(found, str) else ""


def _items(document: yaml.Document, text: Text, problems: list[Problem]) -> Iterator[Item]:
    try:
        found = document.items()
    except yaml.YamlError as error:
        problems.append(Problem(str(error)))
        return
    for one in found:
        if wrong := manifests.fault(one):
            problems.append(Problem(wrong))
        else:
            origin = text.rendering.origin if text.rendering else None
            yield Item(one.value, one.file, one.position, text.text, origin)


async def from_cluster(api: Api, namespace: str = "") -> Inputs:
    """What a server has of the kinds that analysis reads; lists only. `namespace`: empty for all.

    Kinds that the server does not know are left out; those that it refuses to show are Problems.
    """
    problems: list[Problem] = []
    lists = await asyncio.gather(*(_listed(api, resource, namespace, problems) for resource in resources()))
    lists.append(await _announcers(api))
    items = [Item(slim(value)) for found in lists for value in found]
    taken = datetime.now(UTC).isoformat()
    bundle = Bundle(items, complete=not namespace, partial=bool(problems), taken=taken)
    return Inputs(bundle, tuple(problems), served=True)


async def _announcers(api: Api) -> list[Doc]:
    """Of all Leases only those that say who answers for LoadBalancers' addresses; who may not see them does without."""
    try:
        return (await api.list(LEASES, LEASES_NAMESPACE, label_selector=ROLE, resource_version="0"))[0]
    except ApiError:
        return []


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
    ("gateway.networking.k8s.io", "v1", "backendtlspolicies", True),
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


file_arguments = click.argument("files", nargs=-1, metavar="[FILE|DIR|-]...")
"""Files without -f, as linters take them: for commands that have no other arguments."""


def tell_problems(inputs: Inputs) -> None:
    """Each on a line of stderr; and what was left out."""
    for problem in inputs.problems:
        click.echo(f"portway: {problem.text}", err=True)
    if inputs.left_out:
        first, *more = inputs.left_out
        others = f" and {len(more)} more" if more else ""
        click.echo(f"portway: {first}{others}: no manifest (neither apiVersion nor kind), left out", err=True)
