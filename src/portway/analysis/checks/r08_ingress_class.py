"""PW-R08: an Ingress, Gateway or LoadBalancer of a class that is not there, or retired annotations."""

from collections.abc import Iterator

from portway.analysis import examples
from portway.analysis.bundle import Bundle, Item
from portway.analysis.check import Check, Settings
from portway.analysis.finding import Finding
from portway.analysis.view import word

_CLASS = "kubernetes.io/ingress.class"
_DEFAULT = "ingressclass.kubernetes.io/is-default-class"


def _run(bundle: Bundle, settings: Settings) -> Iterator[Finding]:
    classes = {item.name: item for item in bundle.of("IngressClass")}
    default = any(item.annotations.get(_DEFAULT) == "true" for item in classes.values())
    for item in bundle.of("Ingress"):
        name = word(item.get("spec.ingressClassName"))
        if name and classes and name not in classes:
            yield _missing(item, "spec.ingressClassName", name, classes)
        elif not name and _CLASS not in item.annotations and bundle.complete and not default:
            text = f"{item.named} has no class, and no IngressClass is the default"
            yield Finding("PW-R08", "warning", text, item.where("spec"), hop="door", effect="no controller serves it")
        elif _CLASS in item.annotations:
            text = f"{item.named} names its class by the annotation {_CLASS}, deprecated since 1.18"
            where = item.where(("metadata", "annotations", _CLASS))
            yield Finding("PW-R08", "info", text, where, hop="door", expected="spec.ingressClassName")
    known = {item.name: item for item in bundle.of("GatewayClass")}
    for item in bundle.of("Gateway"):
        name = word(item.get("spec.gatewayClassName"))
        if known and name and name not in known:
            yield _missing(item, "spec.gatewayClassName", name, known)


def _missing(item: Item, path: str, name: str, classes: dict[str, Item]) -> Finding:
    return Finding(
        "PW-R08",
        "error",
        f"{item.named} is of class {name}, which is not there",
        item.where(path),
        confidence="likely",
        hop="door",
        seen=name,
        expected=", ".join(sorted(classes)),
        effect="no controller serves it, and nothing says so",
    )


def _example(name: str) -> str:
    one = "apiVersion: networking.k8s.io/v1\nkind: IngressClass\nmetadata: {name: portway}\nspec: {controller: a.b/c}\n"
    door = examples.ingress(examples.backend("number: 80"), more=f"ingressClassName: {name}")
    return examples.together(one, examples.service("{port: 80}"), door)


CHECK = Check(
    code="PW-R08",
    title="a door of a class that is not there",
    severity="error",
    hop="door",
    run=_run,
    cause="Controllers serve the classes that are theirs. A class that does not exist, or none where none is the "
    "default, leaves the door unserved.",
    mend="Write a class that the cluster has.",
    rule="Ingress.spec.ingressClassName; Gateway.spec.gatewayClassName",
    fails=_example("nginx"),
    passes=_example("portway"),
)
