"""`portway lint`."""

import codecs
import datetime
import difflib
import json
import os
import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import TypeVar

import click
from msgspec.structs import replace

from portway.analysis import lintconfig
from portway.analysis.check import Check
from portway.analysis.checks import built_in
from portway.analysis.finding import SEVERITIES, Edit, Finding
from portway.analysis.formats import FORMATS
from portway.analysis.lint import Report, lint
from portway.analysis.lintconfig import BadConfig, Config
from portway.analysis.mend import CannotMend, mended
from portway.analysis.suppression import Suppression, baseline
from portway.cli import linttext
from portway.cli.failure import Failure
from portway.cli.sources import Inputs, file_arguments, select, source_options, tell_problems
from portway.kubeapi import yaml

T = TypeVar("T")

_FOUND, _UNREADABLE = 1, 3
_CONFIG = ".portway.yaml"


@click.command()
@file_arguments
@source_options
@click.option("-o", "--output", type=click.Choice(["text", *FORMATS]), default="text", show_default=True)
@click.option(
    "--fail-on",
    type=click.Choice([*SEVERITIES, "none"]),
    default="error",
    show_default=True,
    help="Exit with 1 when a finding is at least as bad.",
)
@click.option("--check", "only", multiple=True, metavar="CODE", help="Only these checks: PW-W01, PW-N* …")
@click.option("--style", is_flag=True, help="Also checks that are a matter of taste.")
@click.option("--config", metavar="FILE", help=f"Settings and ignores; default: {_CONFIG} here, if there is one.")
@click.option("--baseline", metavar="FILE", help="Findings to live with, as --write-baseline wrote them.")
@click.option("--write-baseline", metavar="FILE", help="Write all that is found there, with --reason.")
@click.option("--reason", default="", help="Why the baseline's findings are lived with.")
@click.option("--until", default="", metavar="YYYY-MM-DD", help="When the baseline ends.")
@click.option("--fix", is_flag=True, help="Make the certain fixes in the files; everything else in them stays.")
@click.option("--diff", is_flag=True, help="With --fix: show what would change, and change nothing.")
def command(
    files: Sequence[str],
    sources: Sequence[str],
    name: str,
    kubeconfig: str | None,
    context: str | None,
    namespace: str,
    output: str,
    fail_on: str,
    only: Sequence[str],
    style: bool,
    config: str | None,
    baseline: str | None,
    write_baseline: str | None,
    reason: str,
    until: str,
    fix: bool,
    diff: bool,
) -> None:
    """Find what is wrong on the way from outside to the pods, before traffic does.

    All files of a run form one model: a reference from one file into another is followed. Without any the running
    fleet is looked at, with --kubeconfig or --context a live cluster.

    Exit code 0: nothing as bad as --fail-on; 1: something is; 2: wrong usage; 3: a part of the input could not be read
    (the rest is reported all the same).
    """
    told = _config(config)
    inputs = select((*files, *sources), name, context, kubeconfig, namespace)
    report = _report(inputs, told, only, style, _baseline(baseline))
    if write_baseline:
        _write_baseline(write_baseline, report.findings, reason, until)
    elif fix:
        _fix(report, dry=diff)
    else:
        click.echo(linttext.render(report) if output == "text" else FORMATS[output](report))
    tell_problems(inputs)
    sys.exit(_exit_code(report, fail_on, settled=bool(write_baseline or fix)))


def _exit_code(report: Report, fail_on: str, settled: bool) -> int:
    if report.problems:
        return _UNREADABLE
    bad = next((severity for severity in SEVERITIES if severity == fail_on), None)
    return _FOUND if bad and not settled and report.reaches(bad) else 0


def _report(inputs: Inputs, told: Config, only: Sequence[str], style: bool, accepted: Sequence[Suppression]) -> Report:
    checks = lintconfig.chosen(all_checks(), told, only, style)
    if only and not checks:
        raise click.BadParameter(
            f"no check is called {', '.join(only)}; portway explain lists them", param_hint="--check"
        )
    report = lint(
        inputs.bundle,
        checks,
        told.settings,
        suppressions=(*told.suppressions, *accepted),
        today=datetime.date.today().isoformat(),
        problems=[problem.text for problem in inputs.problems],
    )
    changed = [replace(f, severity=told.severity.get(f.code, f.severity)) for f in report.findings]
    return replace(report, findings=tuple(sorted(changed, key=lambda f: SEVERITIES.index(f.severity))))


def all_checks() -> list[Check]:
    """Ours, and those that installed packages add by the entry point `portway.checks` (a Check or a list of them)."""
    checks = list(built_in())
    for point in entry_points(group="portway.checks"):
        found = point.load()
        checks += [found] if isinstance(found, Check) else list(found)
    return sorted(checks, key=lambda check: check.code)


def _config(path: str | None) -> Config:
    if path is None and not Path(_CONFIG).is_file():
        return Config()
    file = path or _CONFIG
    return _told(lambda: lintconfig.read(yaml.load(_text(file), file), file))


def _baseline(path: str | None) -> tuple[Suppression, ...]:
    if path is None:
        return ()
    document = yaml.load(_text(path), path)
    entries = document.get("ignore") if isinstance(document, dict) else None
    return _told(lambda: lintconfig.ignored(entries, path, "ignore", "baseline"))


def _told(read: Callable[[], T]) -> T:
    """What `read` returns; a bad configuration is wrong usage."""
    try:
        return read()
    except BadConfig as error:
        raise click.UsageError(str(error)) from None


def _text(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError as error:
        raise click.UsageError(f"{path}: cannot be read: {error.strerror}") from None


def _write_baseline(path: str, findings: Sequence[Finding], reason: str, until: str) -> None:
    if not reason:
        raise click.UsageError("--write-baseline needs --reason: why these are lived with")
    text = json.dumps({"ignore": baseline(findings, reason, until)}, indent=2, ensure_ascii=False)
    _replace(Path(path), text + "\n")
    click.echo(f"{len(findings)} findings written to {path}", err=True)


def _fix(report: Report, dry: bool) -> None:
    edits: dict[str, list[Edit]] = defaultdict(list)
    for finding in report.findings:
        if finding.fix and finding.fix.certain and finding.where.file and finding.where.file not in report.texts:
            click.echo(f"{finding.where.text}: {finding.code} is not mended: a tool rendered it", err=True)
        elif finding.fix and finding.fix.certain and finding.where.file:
            _add(finding, finding.fix.edits, report.texts[finding.where.file], edits[finding.where.file])
    for file, wanted in sorted(edits.items()):
        if wanted:
            _fix_file(file, report.texts[file], wanted, dry)
    if not edits:
        click.echo("no finding here has a fix that is certain", err=True)


def _add(finding: Finding, more: Sequence[Edit], text: str, edits: list[Edit]) -> None:
    """To what is changed in its file, where it can be; one that cannot be made keeps no other back."""
    try:
        mended(text, [*edits, *more])
    except CannotMend as error:
        click.echo(f"{finding.where.text}: {finding.code} is not mended: {error}", err=True)
    else:
        edits += more


def _fix_file(file: str, text: str, edits: list[Edit], dry: bool) -> None:
    after = mended(text, edits)
    if dry:
        lines = difflib.unified_diff(text.splitlines(True), after.splitlines(True), f"a/{file}", f"b/{file}")
        click.echo("".join(lines), nl=False)
    elif not Path(file).is_file():
        raise Failure(f"{file} is not a file that can be written; use --diff")
    else:
        _replace(Path(file), after)
        click.echo(f"{file}: {len(edits)} fields mended", err=True)


def _replace(path: Path, text: str) -> None:
    """Whole or not at all, with the file's own mode and byte order mark."""
    draft = path.with_name(f".{path.name}.portway")
    marked = path.exists() and path.read_bytes().startswith(codecs.BOM_UTF8)
    draft.write_bytes((codecs.BOM_UTF8 if marked else b"") + text.encode())
    if path.exists():
        draft.chmod(path.stat().st_mode & 0o7777)
    os.replace(draft, path)  # noqa: PTH105 - one rename
