"""`portway explain`."""

import json
from typing import Any

import click
import msgspec

from portway.analysis import codes
from portway.analysis.check import Check, spelled
from portway.cli import table
from portway.cli.lint import all_checks
from portway.cli.options import output_format


@click.command()
@click.argument("code", required=False)
@output_format
def command(code: str | None, output: str) -> None:
    """What a code means: its cause, how to check it, how to mend it, and Kubernetes' rule.

    CODE is a check's (PW-W01), a reason that trace, logs and metrics show (NO_ENDPOINTS), an assumption
    (ASSUME_NODES), or a control of Kubescape, Trivy, CIS or NSA (C-0044, KSV-0024), which names the checks that speak
    to it. Without CODE: all of ours, a line each.
    """
    if code is None:
        click.echo(_listed(output))
        return
    wanted = spelled(code)
    check = next((one for one in all_checks() if one.code == wanted), None)
    entry = codes.CODES.get(wanted)
    speaking = [one for one in all_checks() if wanted in one.controls]
    if speaking:
        click.echo(_speaking(wanted, speaking, output))
        return
    if check is None and entry is None:
        raise click.BadParameter(f"there is no code {code}; portway explain lists them", param_hint="CODE")
    document = _document(check) if check else {"code": wanted, **msgspec.to_builtins(entry)}
    click.echo(json.dumps(document, indent=2) if output == "json" else _page(check, wanted, entry))


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


def _page(check: Check | None, code: str, entry: codes.Code | None) -> str:
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
