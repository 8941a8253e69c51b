"""Small manifests out of which the examples of checks are made; every text is one YAML stream."""


def together(*documents: str) -> str:
    """One stream of several documents."""
    return "---\n".join(documents)


def service(ports: str, *, name: str = "shop", selector: str = "app: shop", more: str = "") -> str:
    """A Service. `ports`: flow mappings, a line each (`{port: 80}`); `more`: further lines of its spec."""
    lines = [f"  - {line}" for line in ports.strip().splitlines()]
    head = ["apiVersion: v1", "kind: Service", f"metadata: {{name: {name}}}", "spec:"]
    chosen = [f"  selector: {{{selector}}}"] if selector else []
    extra = [f"  {line}" for line in more.strip().splitlines()]
    return "\n".join([*head, *extra, *chosen, "  ports:", *lines]) + "\n"


def workload(
    ports: str = "{containerPort: 8080}",
    *,
    name: str = "shop",
    labels: str = "",
    kind: str = "Deployment",
    more: str = "",
    pod: str = "",
    container: str = "",
) -> str:
    """A Deployment or the like. `ports`: flow mappings, comma separated; `more`, `pod`, `container`: further lines of
    its spec, its pods' spec and its container.
    """
    chosen = labels or f"app: {name}"
    listed = [f"        ports: [{ports}]"] if ports else []
    return (
        "\n".join(
            [
                "apiVersion: apps/v1",
                f"kind: {kind}",
                f"metadata: {{name: {name}}}",
                "spec:",
                *(f"  {line}" for line in more.strip().splitlines()),
                f"  selector: {{matchLabels: {{{chosen}}}}}",
                "  template:",
                f"    metadata: {{labels: {{{chosen}}}}}",
                "    spec:",
                *(f"      {line}" for line in pod.strip().splitlines()),
                "      containers:",
                f"      - name: {name}",
                f"        image: {name}",
                *(f"        {line}" for line in container.strip().splitlines()),
                *listed,
            ]
        )
        + "\n"
    )


def policy(spec: str, *, name: str = "shop") -> str:
    """A NetworkPolicy. `spec`: lines."""
    lines = "\n".join(f"  {line}" for line in spec.strip("\n").splitlines())
    return f"apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: {name}}}\nspec:\n{lines}\n"


def ingress(paths: str, *, name: str = "shop", more: str = "") -> str:
    """An Ingress with one rule. `paths`: flow mappings, a line each; `more`: further lines of its spec."""
    head = f"apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {{name: {name}}}\nspec:\n"
    extra = "".join(f"  {line}\n" for line in more.strip().splitlines())
    lines = "".join(f"      - {line}\n" for line in paths.strip().splitlines())
    return f"{head}{extra}  rules:\n  - host: {name}.example\n    http:\n      paths:\n{lines}"


def backend(port: str, service: str = "shop", path: str = "/") -> str:
    """A path of an Ingress: `port` is `number: 80` or `name: http`."""
    return f"{{path: {path}, pathType: Prefix, backend: {{service: {{name: {service}, port: {{{port}}}}}}}}}"


def pool(more: str = "addresses: [192.0.2.240-192.0.2.249]", *, kind: str = "IPAddressPool", name: str = "home") -> str:
    """A pool or an advertisement of MetalLB's. `more`: lines of its spec."""
    lines = "".join(f"  {line}\n" for line in more.strip().splitlines())
    head = f"apiVersion: metallb.io/v1beta1\nkind: {kind}\nmetadata: {{name: {name}, namespace: metallb-system}}\n"
    return head + (f"spec:\n{lines}" if lines else "")
