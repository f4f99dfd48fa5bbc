"""Which mail domains may not be used: the operator's list and a shipped list of disposable providers."""

import functools
from collections.abc import Iterator
from collections.abc import Set as AbstractSet


def ascii_domain(domain: str) -> str:
    """The domain as the wire wants it: lower-case A-labels without a final dot.

    A name that no registry could hold comes back lower-cased and otherwise as it was; nothing is raised.
    """
    domain = domain.strip().rstrip(".").lower()
    if domain.isascii():
        return domain
    import idna  # noqa: PLC0415 - its tables are large and few addresses need them

    try:
        return idna.encode(domain, uts46=True).decode("ascii").rstrip(".")
    except idna.IDNAError:
        return domain


def is_forbidden(address: str, blocked: frozenset[str], allow_disposable: bool) -> bool:  # noqa: FBT001
    """Whether the address's domain, or one it is a subdomain of, is blocked or (unless allowed) disposable.

    `blocked` is the operator's list as written: `example.org`, `*.example.org` and `Bücher.example` all do.
    """
    names = tuple(_self_and_parents(ascii_domain(address.rpartition("@")[2])))
    if not _normal(blocked).isdisjoint(names):
        return True
    return not allow_disposable and not _disposable().isdisjoint(names)


def _self_and_parents(domain: str) -> Iterator[str]:
    """`a.b.c`, `b.c`, `c`."""
    while domain:
        yield domain
        domain = domain.partition(".")[2]


@functools.lru_cache(maxsize=8)
def _normal(blocked: frozenset[str]) -> frozenset[str]:
    return frozenset(ascii_domain(name.strip().removeprefix("*").lstrip("@.")) for name in blocked)


@functools.cache
def _disposable() -> AbstractSet[str]:
    """The shipped list (about 10,000 names, 1.3 MB), loaded at the first question and never copied."""
    from disposable_email_domains import blocklist  # noqa: PLC0415 - most commands never ask

    return blocklist
