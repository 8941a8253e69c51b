"""Moments of a cluster that audit and diff compare: files, a git revision, a snapshot, a fleet, a live cluster."""

import subprocess
import tempfile
from pathlib import Path

import click

from portway.analysis.exposure import Door, Exposure, exposures
from portway.cli import sources
from portway.cli.cluster import ask
from portway.cli.failure import Failure
from portway.cli.ground import Ground, of_inputs
from portway.cli.readable import readable
from portway.cli.sources import Inputs
from portway.client import Api
from portway.routing.table import RouteTable

FORMS = "a file or folder, git:REVISION[:PATH], a snapshot, fleet:NAME or context:NAME"


def read(text: str, namespace: str = "default") -> Inputs:
    """The objects of a moment as written on the command line. Raises Failure or a usage error."""
    return readable(_read(text, namespace))


def _read(text: str, namespace: str) -> Inputs:
    kind, colon, rest = text.partition(":")
    if Path(text).exists() or text == "-":
        return sources.from_files([text], namespace)
    if colon and kind == "git":
        return _of_revision(rest, namespace)
    if colon and kind == "fleet":
        return sources.select((), rest, None, None, "")
    if colon and kind == "context":
        api = Api.from_kubeconfig(None, rest)
        return ask(api, sources.from_cluster(api))
    raise click.BadParameter(f"{text!r} is none of: {FORMS}")


def _of_revision(text: str, namespace: str) -> Inputs:
    """Files as git has them at a revision; nothing of the work tree is touched."""
    revision, _, path = text.partition(":")
    with tempfile.TemporaryDirectory(prefix="portway-") as folder:
        command = ["git", "archive", "--format=tar", revision, "--", path or "."]
        archive = subprocess.run(command, capture_output=True)
        if archive.returncode:
            said = (archive.stderr.decode(errors="replace").strip().splitlines() or ["git failed"])[-1]
            raise Failure(f"git:{text}: {said}")
        subprocess.run(["tar", "-x", "-C", folder], input=archive.stdout, check=True)
        return sources.from_files([str(Path(folder) / path)], namespace)


def audited(inputs: Inputs) -> tuple[Exposure, ...]:
    """Every Service port of a moment."""
    here: Ground = of_inputs(inputs)
    return exposures(here.terrain, doors(here.routes), here.drawn)


def doors(table: RouteTable) -> list[Door]:
    """The routes of a table as ways into Services."""
    found: dict[tuple[str, str, int, str], Door] = {}
    for listener in table.listeners:
        scheme, usual = ("http", 80) if listener.protocol == "HTTP" else ("https", 443)
        port = "" if listener.port == usual else f":{listener.port}"
        for host in listener.hosts:
            for route in host.routes:
                address = f"{scheme}://{host.hostname or '*'}{port}{route.match.path}"
                for backend in route.backends:
                    if backend.weight and (pool := table.pools.get(backend.pool)):
                        key = (pool.namespace, pool.service, pool.port, address)
                        found[key] = Door((pool.namespace, pool.service), pool.port, address)
    return list(found.values())
