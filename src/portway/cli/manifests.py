"""The files of `-f`: YAML or JSON documents from files, folders and stdin."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from portway.cli.failure import Failure
from portway.kubeapi import yaml

_ENDINGS = (".yaml", ".yml", ".json")


def documents(sources: Sequence[str]) -> list[yaml.Document]:
    """All documents in all sources, Lists flattened. Raises Failure naming file, document and what is missing."""
    return [document for source in sources for text, name in _texts(source) for document in _parsed(text, name)]


def _texts(source: str) -> Iterator[tuple[str, str]]:
    if source == "-":
        yield sys.stdin.read(), "stdin"
        return
    path = Path(source)
    if not path.exists():
        raise click.BadParameter(f"{source} does not exist", param_hint="-f")
    files = [path] if path.is_file() else sorted(file for file in path.iterdir() if file.suffix in _ENDINGS)
    if not files:
        raise Failure(f"{source}: no file here ends in {', '.join(_ENDINGS)}")
    for file in files:
        try:
            yield file.read_text(), str(file)
        except (OSError, UnicodeDecodeError) as error:
            raise Failure(f"{file}: cannot be read: {error}") from None


def _parsed(text: str, name: str) -> Iterator[yaml.Document]:
    for document in yaml.flatten(yaml.load_all(text, name)):
        _check(document)
        yield document


def fault(document: yaml.Document) -> str:
    """What keeps a document from being an object at all; empty for nothing."""
    value = document.value
    for field, example in (("apiVersion", "v1"), ("kind", "Service")):
        if not isinstance(value.get(field), str):
            return f"{document.where(field)}: {field} is missing (a string such as {example})"
    if not isinstance(value.get("metadata", {}), dict):
        return f"{document.where('metadata')}: {value['kind']}: metadata must be an object"
    return ""


def _check(document: yaml.Document) -> None:
    """The same for what is applied, which needs a name besides."""
    if wrong := fault(document):
        raise Failure(wrong)
    if not document.value.get("metadata", {}).get("name"):
        raise Failure(f"{document.where('metadata')}: {document.value['kind']}: metadata.name is missing")
