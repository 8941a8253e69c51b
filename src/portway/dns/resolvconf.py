"""resolv.conf: read and written as kubelet does (man 5 resolv.conf; pkg/kubelet/network/dns)."""

from collections.abc import Iterable

from msgspec import Struct


class ResolvConf(Struct, frozen=True):
    """What a resolver is told."""

    nameservers: tuple[str, ...] = ()
    searches: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    """`name` or `name:value`."""


def read(text: str) -> ResolvConf:
    """The last `search` (or `domain`) line counts; `nameserver` and `options` lines add up."""
    nameservers, searches, options = list[str](), list[str](), dict[str, str]()
    for line in text.splitlines():
        match line.split("#")[0].split(";")[0].split():
            case ["nameserver", address, *_]:
                nameservers.append(address)
            case ["search" | "domain", *names]:
                searches = [name.removesuffix(".") for name in names if name != "."]
            case ["options", *some]:
                options |= {option.partition(":")[0]: option for option in some}
    return ResolvConf(tuple(nameservers), tuple(searches), tuple(options.values()))


def added(base: ResolvConf, more: ResolvConf) -> ResolvConf:
    """Both, nothing twice; an option of `more` replaces the one of that name."""
    options = {option.partition(":")[0]: option for option in (*base.options, *more.options)}
    return ResolvConf(
        _once((*base.nameservers, *more.nameservers)), _once((*base.searches, *more.searches)), tuple(options.values())
    )


def _once(found: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(found))


def written(conf: ResolvConf) -> str:
    """The file."""
    lines = [f"search {' '.join(conf.searches)}"] if conf.searches else []
    lines += [f"nameserver {address}" for address in conf.nameservers]
    lines += [f"options {' '.join(conf.options)}"] if conf.options else []
    return "".join(f"{line}\n" for line in lines)
