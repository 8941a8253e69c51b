"""`lint --fix`: what was found is gone, nothing new is found, and only the fields' own lines differ."""

import difflib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portway.analysis.check import Check, Settings
from portway.analysis.checks import built_in
from portway.analysis.finding import Edit
from portway.analysis.formats import sarif
from portway.analysis.lint import lint
from portway.analysis.mend import CannotMend, mended
from portway.testing.checks import bundle_of

_STYLELESS = [check for check in built_in() if not check.style]
MENDING = [
    c for c in built_in() if any(f.fix and f.fix.edits for f in lint(bundle_of(c.fails), [c], Settings()).findings)
]


@pytest.mark.parametrize("check", MENDING, ids=[check.code for check in MENDING])
def test_the_edits_of_a_check_mend_its_example(check: Check) -> None:
    found = lint(bundle_of(check.fails), [check], Settings()).findings
    edits = [edit for one in found for edit in (one.fix.edits if one.fix else ())]
    left = lint(bundle_of(mended(check.fails, edits)), [check], Settings()).findings
    assert len(left) == sum(not (one.fix and one.fix.edits) for one in found)


_PORT = st.sampled_from(
    [
        '{port: 80, targetPort: "8080"}',
        "{port: 81, targetPort: '8081', name: web}   # flow, é",
        'port: 82  # a tab\there\n    targetPort: "8082"   # why\n',
        "# above\n    port: 83\n    name: b\n",
        "port: 84\n    targetPort: !!str 8084\n\n    # below\n    protocol: TCP\n",
        "port: 85\n    targetPort: >-\n      8085\n",
    ]
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(_PORT, min_size=1, max_size=4, unique=True), min_size=1, max_size=3), st.booleans())
def test_fixing_takes_away_and_adds_nothing(services: list[list[str]], windows: bool) -> None:
    documents = [
        f"apiVersion: v1\nkind: Service\nmetadata: {{name: s{n}}}\nspec:\n  selector: {{app: s{n}}}\n  ports:\n"
        + "".join(f"  - {port.rstrip()}\n" for port in ports)
        for n, ports in enumerate(services)
    ]
    text = "# first\n" + "---\n# next\n".join(documents)
    text = text.replace("\n", "\r\n") if windows else text
    before = lint(bundle_of(text), _STYLELESS, Settings()).findings
    certain = [one for one in before if one.fix and one.fix.certain]
    after_text = mended(text, [edit for one in certain for edit in one.fix.edits if one.fix])  # type: ignore[union-attr]
    after = lint(bundle_of(after_text), _STYLELESS, Settings()).findings
    gone = {(one.code, one.where.object, one.where.path) for one in certain}
    left = {(one.code, one.where.object, one.where.path) for one in after}
    assert not gone & left
    assert left <= {(one.code, one.where.object, one.where.path) for one in before}
    changed = [line for line in difflib.ndiff(text.splitlines(), after_text.splitlines()) if line[0] in "+-"]
    assert all("targetPort" in line or "name:" in line or "80" in line for line in changed)
    assert text.count("#") == after_text.count("#")
    assert not windows or after_text.count("\r\n") == after_text.count("\n")


ANCHORED = (
    "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec:\n  ports:\n  - port: 80\n"
    '    targetPort: &p "8080"\n  - port: 81\n    targetPort: *p\n'
)


@pytest.mark.parametrize(("index", "said"), [(0, "anchor"), (1, "alias")])
def test_what_others_mean_too_is_not_changed(index: int, said: str) -> None:
    where = bundle_of(ANCHORED).items[0].where(f"spec.ports[{index}].targetPort")
    with pytest.raises(CannotMend, match=said):
        mended(ANCHORED, [Edit(where, "replace", 8080)])


@pytest.mark.parametrize("check", MENDING, ids=[check.code for check in MENDING])
def test_sarif_tells_the_same_change(check: Check) -> None:
    report = lint(bundle_of(check.fails), [check], Settings())
    for result, finding in zip(sarif.document(report)["runs"][0]["results"], report.findings, strict=True):
        edits = finding.fix.edits if finding.fix else ()
        changes = [change for fix in result.get("fixes", ()) for change in fix["artifactChanges"]]
        assert _replaced(check.fails, changes) == mended(check.fails, edits)


def _replaced(text: str, changes: list[dict[str, list[dict[str, dict[str, int | str]]]]]) -> str:
    """The text as a reader of SARIF would change it."""
    lines = text.split("\n")
    for change in changes:
        for one in reversed(change["replacements"]):
            region, new = one["deletedRegion"], str(one["insertedContent"]["text"])
            first, last = int(region["startLine"]) - 1, int(region["endLine"]) - 1
            head, tail = lines[first][: int(region["startColumn"]) - 1], lines[last][int(region["endColumn"]) - 1 :]
            lines[first : last + 1] = (head + new + tail).split("\n")
    return "\n".join(lines)
