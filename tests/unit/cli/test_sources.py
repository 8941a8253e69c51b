"""Where objects come from: texts that are partly broken, places, folders, snapshots, what other tools render."""

import io
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from portway.cli import sources
from portway.cli.rendered import Rendering
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
    built = f"kustomize build {tmp_path} | portway … -f -"
    assert said == f"{tmp_path}: this needs kustomize or kubectl on PATH; or pipe its output: {built}"


def test_a_kustomization_is_built_and_says_so_of_its_places(tmp_path: Path) -> None:
    """By kubectl itself: names are prefixed, and no line of the output is taken for one of a file."""
    _write(tmp_path, web=SERVICE, kustomization="resources: [web.yaml]\nnamePrefix: my-\n")
    inputs = sources.from_files([str(tmp_path)])
    assert not inputs.problems and [item.name for item in inputs.bundle.items] == ["my-web"]
    where = inputs.bundle.items[0].where("spec.ports[0].targetPort")
    assert where.text == f"{tmp_path}/kustomization.yaml Service default/my-web spec.ports[0].targetPort"


def test_a_kustomization_that_cannot_be_built_says_why(tmp_path: Path) -> None:
    _write(tmp_path, kustomization="resources: [gone.yaml]\n")
    (problem,) = sources.from_files([str(tmp_path)]).problems
    assert "kustomize failed: " in problem.text and "gone.yaml" in problem.text


def test_a_chart_names_the_tool_it_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "Chart.yaml").write_text("apiVersion: v2\nname: shop\nversion: 1.0.0\n")
    monkeypatch.setenv("PATH", str(tmp_path))
    built = f"helm template --include-crds release-name {tmp_path} | portway … -f -"
    assert [problem.text for problem in sources.from_files([str(tmp_path)]).problems] == [
        f"{tmp_path}: this needs helm on PATH; or pipe its output: {built}"
    ]


TEMPLATE = """\
{{- if .Values.web }}
apiVersion: v1
kind: Service
metadata: {name: {{ .Release.Name }}-web}
spec:
  ports:
  - port: {{ .Values.port }}
    targetPort: http
{{- end }}
"""
RENDERED = f"""\
---
# Source: shop/templates/web.yaml
{SERVICE.replace("name: web", "name: r-web")}---
# Source: shop/charts/cache/templates/all.yaml
{SERVICE.replace("name: web", "name: r-cache")}---
{SERVICE.replace("name: web", "name: mine")}"""


def test_what_helm_rendered_is_placed_in_its_templates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the comments that helm writes; a line that the template has as it is, and once, is that line."""
    (tmp_path / "shop" / "templates").mkdir(parents=True)
    (tmp_path / "shop" / "templates" / "web.yaml").write_text(TEMPLATE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(RENDERED.encode())))
    web, cache, mine = sources.from_files(["-"]).bundle.items
    assert web.where("spec.ports[0].targetPort").text == "shop/templates/web.yaml:8:1"
    assert web.where("spec.ports[0].port").text == "shop/templates/web.yaml Service default/r-web spec.ports[0].port"
    assert cache.where("spec").text == "shop/charts/cache/templates/all.yaml Service default/r-cache spec"
    assert mine.where("spec.ports[0].targetPort").text == "stdin:26:5"


def test_a_charts_templates_are_named_below_its_folder(tmp_path: Path) -> None:
    """The folder of a chart need not be called as the chart."""
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "web.yaml").write_text(TEMPLATE)
    rendering = Rendering(RENDERED, "Chart.yaml", tmp_path)
    assert rendering.origin(9) == (f"{tmp_path}/templates/web.yaml", 8)
    assert rendering.origin(12) == (f"{tmp_path}/charts/cache/templates/all.yaml", 0)
    assert rendering.origin(25) == ("Chart.yaml", 0)


def test_files_in_folders_that_are_no_manifests_are_left_out(tmp_path: Path) -> None:
    path = _write(tmp_path, web=SERVICE, values="replicas: 2\nimage: {tag: v1}\n")
    inputs = sources.from_files([path])
    assert inputs.left_out == (f"{tmp_path}/values.yaml",) and not inputs.problems
    assert sources.from_files([f"{tmp_path}/values.yaml"]).problems, "named, it is meant to be one"


def test_nothing_is_missing_where_something_could_not_be_read(tmp_path: Path) -> None:
    """A Deployment that fails to parse is no reason to call its Service dangling."""
    path = _write(tmp_path, web=SERVICE, broken="apiVersion: apps/v1\nkind: Deployment\nkind: Deployment\n")
    bundle = sources.from_files([path]).bundle
    assert bundle.partial and not bundle.in_scope("Service", "default")


def test_secrets_keep_their_names_and_lose_their_values() -> None:
    slim = sources.slim({"kind": "Secret", "data": {"tls.key": "c2VjcmV0"}, "metadata": {"managedFields": [{}]}})
    assert slim == {"kind": "Secret", "data": {"tls.key": ""}, "metadata": {}}
