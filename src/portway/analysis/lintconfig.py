"""`.portway.yaml`: what lint is told once for a repository, and the baseline file.

lint:
  disable: [PW-W09]            # codes, `PW-N*` for a family
  enable: [PW-Y*]              # style checks that are off otherwise
  severity: {PW-W05: warning}
  nodePortRange: 30000-32767
  ephemeralPortRange: 32768-60999
  nodes: 3
  options: {PW-N12: {ports: [5432]}}
  ignore:
  - {code: PW-N13, object: Service shop/*, path: "*", file: "*", reason: the firewall has it, until: 2027-01-01}
"""

from collections.abc import Sequence
from typing import Any, get_args

from msgspec import Struct, field

from portway.analysis.check import Check, Settings
from portway.analysis.finding import Severity, Where
from portway.analysis.suppression import Suppression
from portway.kubeapi.errors import Doc

_KEYS = ("disable", "enable", "severity", "nodePortRange", "ephemeralPortRange", "nodes", "options", "ignore")
_IGNORE = ("code", "codes", "object", "path", "file", "reason", "until", "fingerprint", "message")


class BadConfig(ValueError):
    """What is wrong, with the file and the field's path."""


class Config(Struct, frozen=True):
    """A configuration file, read."""

    disable: tuple[str, ...] = ()
    enable: tuple[str, ...] = ()
    severity: dict[str, Severity] = field(default_factory=dict)
    settings: Settings = Settings()
    suppressions: tuple[Suppression, ...] = ()


def read(document: Any, file: str) -> Config:
    """The configuration in a document. Raises BadConfig naming the field and what would be right."""
    lint = _object(document if document is not None else {}, file, "").get("lint") or {}
    _object(lint, file, "lint")
    for key in lint:
        if key not in _KEYS:
            raise BadConfig(f"{file}: lint.{key}: there is no such setting; there are {', '.join(_KEYS)}")
    return Config(
        _strings(lint.get("disable"), file, "lint.disable"),
        _strings(lint.get("enable"), file, "lint.enable"),
        _severities(lint.get("severity"), file),
        _settings(lint, file),
        ignored(lint.get("ignore"), file, "lint.ignore", "config"),
    )


def _settings(lint: Doc, file: str) -> Settings:
    given = Settings()
    nodes = lint.get("nodes")
    if nodes is not None and (not isinstance(nodes, int) or isinstance(nodes, bool) or nodes < 1):
        raise BadConfig(f"{file}: lint.nodes: {nodes!r} is not a number of nodes")
    return Settings(
        node_ports=_range(lint, "nodePortRange", file) or given.node_ports,
        ephemeral_ports=_range(lint, "ephemeralPortRange", file) or given.ephemeral_ports,
        nodes=nodes,
        options=_object(lint.get("options") or {}, file, "lint.options"),
    )


def _range(lint: Doc, key: str, file: str) -> tuple[int, int] | None:
    return port_range(str(lint[key]), f"{file}: lint.{key}") if lint.get(key) is not None else None


def port_range(text: str, of: str) -> tuple[int, int]:
    """`30000-32767`. Raises BadConfig beginning with `of`."""
    first, dash, last = text.partition("-")
    if not (dash and first.isdigit() and last.isdigit() and 0 < int(first) <= int(last) < 65536):
        raise BadConfig(f"{of}: {text!r} is not a range of ports such as 30000-32767")
    return int(first), int(last)


def _severities(value: Any, file: str) -> dict[str, Severity]:
    found = _object(value or {}, file, "lint.severity")
    for code, severity in found.items():
        if severity not in get_args(Severity):
            said = f"{severity!r} is no severity; there are {', '.join(get_args(Severity))}"
            raise BadConfig(f"{file}: lint.severity.{code}: {said}")
    return found


def ignored(value: Any, file: str, path: str, origin: str) -> tuple[Suppression, ...]:
    """The entries of `ignore`, and of a baseline. Raises BadConfig."""
    if not isinstance(value or [], list):
        raise BadConfig(f"{file}: {path}: this must be a list")
    return tuple(_ignored(entry, file, f"{path}[{index}]", origin) for index, entry in enumerate(value or []))


def _ignored(entry: Any, file: str, path: str, origin: str) -> Suppression:
    found = _object(entry, file, path)
    for key in found:
        if key not in _IGNORE:
            raise BadConfig(f"{file}: {path}.{key}: there is no such field; there are {', '.join(_IGNORE)}")
    codes = _strings([found["code"]] if "code" in found else found.get("codes"), file, f"{path}.codes")
    if not codes:
        raise BadConfig(f"{file}: {path}.code is missing (such as PW-W01)")
    return Suppression(
        codes=codes,
        reason=str(found.get("reason") or ""),
        until=str(found.get("until") or ""),
        origin=origin,
        where=Where("", path, file, 1, 1),
        object=str(found.get("object") or "*") if not found.get("fingerprint") else "*",
        path=str(found.get("path") or "*"),
        file=str(found.get("file") or "*"),
        fingerprint=str(found.get("fingerprint") or ""),
    )


def _object(value: Any, file: str, path: str) -> Doc:
    if not isinstance(value, dict):
        raise BadConfig(f"{file}: {path or 'the file'} must be an object")
    return value


def _strings(value: Any, file: str, path: str) -> tuple[str, ...]:
    if not isinstance(value or [], list) or not all(isinstance(one, str) for one in value or []):
        raise BadConfig(f"{file}: {path}: this must be a list of codes such as PW-W01 or PW-W*")
    return tuple(value or ())


def chosen(checks: Sequence[Check], config: Config, only: Sequence[str] = (), style: bool = False) -> list[Check]:
    """The checks that run: `only` those named, else all that are not disabled; style checks when asked for."""

    def named(check: Check, patterns: Sequence[str]) -> bool:
        return any(check.is_called(pattern) for pattern in patterns)

    if only:
        return [check for check in checks if named(check, only)]
    wanted = [check for check in checks if not check.style or style or named(check, config.enable)]
    return [check for check in wanted if not named(check, config.disable)]
