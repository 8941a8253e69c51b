"""Where objects come from: texts that are partly broken, places, folders, snapshots."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from portway.cli import sources
from portway.cli.snapshot import command as snapshot

SERVICE = """\
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  ports:
  - port: 80
    targetPort: http
"""


def _write(folder: Path, **texts: str) -> str:
    for name, text in texts.items():
        (folder / f"{name}.yaml").write_text(text)
    return str(folder)


def test_all_inputs_form_one_bundle_and_know_their_places(tmp_path: Path) -> None:
    (tmp_path / "deeper").mkdir()
    _write(tmp_path / "deeper", other=SERVICE.replace("web", "api"))
    bundle = sources.from_files([_write(tmp_path, web=SERVICE)], "shop").bundle
    assert [item.named for item in bundle.items] == ["Service shop/api", "Service shop/web"]
    where = bundle.items[1].where("spec.ports[0].targetPort")
    assert (where.file, where.line, where.column) == (f"{tmp_path}/web.yaml", 7, 5)
    assert where.path == "spec.ports[0].targetPort"


def test_a_broken_document_hides_no_other(tmp_path: Path) -> None:
    text = f"{SERVICE}---\nkind: Service\nkind: Pod\n---\n{SERVICE.replace('web', 'api')}"
    inputs = sources.from_files([_write(tmp_path, all=text)])
    assert [item.name for item in inputs.bundle.items] == ["web", "api"]
    assert inputs.bundle.items[1].where("spec.ports[0].port").line == 17
    assert [p.text for p in inputs.problems] == [f'{tmp_path}/all.yaml:10:1: key "kind" already set in map']


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("kind: Service\nmetadata: {name: a}\n", "x.yaml:1:1: apiVersion is missing (a string such as v1)"),
        ("apiVersion: v1\nkind: 7\n", "x.yaml:2:1: kind is missing (a string such as Service)"),
        ("apiVersion: v1\nkind: Service\nmetadata: []\n", "x.yaml:3:1: Service: metadata must be an object"),
        ("- a\n", "x.yaml:1:1: expected an object with apiVersion and kind, found a list"),
        ("a: {{ .Values.a }}\n", "; a Helm template? render it first: helm template … | portway … -f -"),
    ],
)
def test_what_is_no_object_is_a_problem_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    inputs = sources.from_files([_write(tmp_path, x=text)])
    assert not inputs.bundle.items
    assert said in inputs.problems[0].text


def test_bytes_that_are_no_text_are_a_problem(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_bytes(b"a: \xff\n")
    assert [p.text for p in sources.from_files([str(tmp_path)]).problems] == [
        f"{tmp_path}/x.yaml: this is not UTF-8 text"
    ]


def test_a_snapshot_is_a_whole_cluster(tmp_path: Path) -> None:
    path = _write(tmp_path, web=SERVICE)
    run = CliRunner().invoke(snapshot, ["-f", path])
    assert run.exit_code == 0
    (tmp_path / "snapshot.json").write_text(run.stdout)
    read = sources.from_files([str(tmp_path / "snapshot.json")]).bundle
    assert read.complete and [item.named for item in read.items] == ["Service default/web"]
    assert json.loads(run.stdout)["apiVersion"] == "portway.dev/v1"


def test_a_snapshot_of_what_cannot_be_read_says_so(tmp_path: Path) -> None:
    run = CliRunner().invoke(snapshot, ["-f", _write(tmp_path, web=SERVICE, bad="a: [\n")])
    assert run.exit_code == 3
    assert "bad.yaml" in run.stderr and len(json.loads(run.stdout)["items"]) == 1


def test_a_kustomization_is_a_unit_and_names_the_tool_it_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _write(tmp_path, web=SERVICE, kustomization="resources: [web.yaml]\nnamePrefix: my-\n")
    monkeypatch.setenv("PATH", str(tmp_path))
    said = sources.from_files([str(tmp_path)]).problems[0].text
    assert said == f"{tmp_path}: this needs kustomize or kubectl on PATH; or pipe its output: … | portway … -f -"


def test_secrets_keep_their_names_and_lose_their_values() -> None:
    slim = sources.slim({"kind": "Secret", "data": {"tls.key": "c2VjcmV0"}, "metadata": {"managedFields": [{}]}})
    assert slim == {"kind": "Secret", "data": {"tls.key": ""}, "metadata": {}}
