"""`portway explain`."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

import click
import msgspec

from portway.analysis import codes
from portway.analysis.check import Check, spelled
from portway.analysis.code import Code
from portway.cli import table
from portway.cli.lint import all_checks
from portway.cli.options import output_format


@click.command()
@click.argument("code", required=False)
@output_format
def command(code: str | None, output: str) -> None:
    """What a code means: its cause, how to check it, how to mend it, and Kubernetes' rule.

    CODE is a check's (PW-W01), a reason that trace, logs and metrics show (NO_ENDPOINTS), an assumption
    (ASSUME_NODES), what an audit or a diff marks (unrestricted), or a control of Kubescape, Trivy, CIS or NSA (C-0044,
    KSV-0024), which names the checks that speak to it. Without CODE: all of ours, a line each.
    """
    if code is None:
        click.echo(_listed(output))
        return
    checks = all_checks()
    wanted = _known(code, checks)
    check = next((one for one in checks if one.code == wanted), None)
    if speaking := [one for one in checks if wanted in one.controls]:
        click.echo(_speaking(wanted, speaking, output))
        return
    entry = codes.CODES.get(wanted)
    document = _document(check) if check else {"code": wanted, **msgspec.to_builtins(entry)}
    click.echo(json.dumps(document, indent=2) if output == "json" else _page(check, wanted, entry))


def _known(code: str, checks: Iterable[Check]) -> str:
    """As we write it, capitals or not. Raises a usage error that names those most like it."""
    known = {spelled(one): one for one in (*codes.CODES, *_all_of(checks))}
    wanted = spelled(code)
    if wanted in known:
        return known[wanted]
    from difflib import get_close_matches

    like = [known[one] for one in get_close_matches(wanted, known, n=3)]
    hint = f"did you mean {' or '.join(like)}?" if like else "portway explain lists them"
    raise click.BadParameter(f"there is no code {code}; {hint}", param_hint="CODE")


def _all_of(checks: Iterable[Check]) -> Iterator[str]:
    for check in checks:
        yield check.code
        yield from check.controls


def _speaking(control: str, checks: list[Check], output: str) -> str:
    """The checks that speak to a control of Kubescape, Trivy, CIS or NSA."""
    if output == "json":
        return json.dumps({"code": control, "checks": [_document(one) for one in checks]}, indent=2)
    rows = [(one.code, one.severity, one.title) for one in checks]
    return "\n".join([f"{control} is spoken to by", *table.lines(("CODE", "KIND", "TITLE"), rows)])


def _listed(output: str) -> str:
    rows: list[tuple[str, str, str]] = [(check.code, check.severity, check.title) for check in all_checks()]
    rows += [(name, entry.kind, entry.meaning) for name, entry in codes.CODES.items()]
    if output == "json":
        return json.dumps([dict(zip(("code", "kind", "title"), row, strict=True)) for row in rows], indent=2)
    return "\n".join(table.lines(("CODE", "KIND", "TITLE"), rows))


def _document(check: Check) -> dict[str, Any]:
    return {name: getattr(check, name) for name in check.__struct_fields__ if name != "run"}


def _page(check: Check | None, code: str, entry: Code | None) -> str:
    from textwrap import fill, indent

    if check is None:
        assert entry is not None
        parts = [f"{code}  {entry.kind}", fill(f"{entry.meaning[0].upper()}{entry.meaning[1:]}.", 80)]
        parts += [f"{name}:\n{indent(fill(text, 76), '  ')}" for name, text in entry.sections if text]
        return "\n\n".join(parts)
    head = f"{check.code}  {check.title}\n{check.severity} at the {check.hop}"
    parts = [head, fill(check.cause, 80), f"fix:\n{indent(fill(check.mend, 76), '  ')}"]
    parts += [f"rule:\n{indent(fill(check.rule, 76), '  ')}"] if check.rule else []
    parts += [f"controls: {', '.join(check.controls)}"] if check.controls else []
    parts += [f"finds something:\n{indent(check.fails.rstrip(), '  ')}"]
    parts += [f"finds nothing:\n{indent(check.passes.rstrip(), '  ')}"]
    return "\n\n".join(parts)
