"""`op`: a function becomes an op by one decorator."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from adcore.errors import OpError
from adcore.params import Kind
from adcore.registry import Op
from adcore.rules import Rule

_NAME = re.compile(r"[a-z][a-z0-9_]*::[A-Za-z][A-Za-z0-9_]*\Z")


def op(
    name: str, *, rule: Rule | None = None, params: Mapping[str, Kind] | None = None, **fields: Any
) -> Callable[[Callable[..., Any]], Op]:
    """A decorator that makes an op of a function of arrays; params of the op are keyword-only.

    name: "domain::name". rule: its derivative. fields: the other fields of `adcore.registry.Op`.
    The op is called like the function; on traced values it records itself.
    Raises OpError when the name is not of that form.

    >>> from adcore.rules import elementwise
    >>> @op("acme::cube", rule=elementwise(lambda y, x: 3 * x**2), elementwise=True)
    ... def cube(x):
    ...     return x**3
    >>> import adcore as ad
    >>> ad.grad(cube)(2.0)
    np.float64(12.0)
    """
    if not _NAME.match(name):
        raise OpError(f"{name!r} is no name of an op", instead="write it as domain::name, as in acme::softplus")

    def make(run: Callable[..., Any]) -> Op:
        return Op(name, run, rule=rule, params=dict(params or {}), doc=(run.__doc__ or "").strip(), **fields)

    return make
