"""`check_op`: every law for one op, from its samples; `laws`: the same for a package, as tests."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from types import ModuleType
from typing import Any

from adcore.errors import LawError, OpError, UnknownOpError
from adcore.registry import Op, doors, ensure, registry
from adcore.samples import Sample
from adcore.testing import op_rules, op_values
from adcore.testing.case import Case, case, cases, describe

LAWS: dict[str, Callable[[Case], None]] = {
    law.__name__: law
    for law in (
        op_values.types, op_values.dtypes, op_values.pure, op_values.compiled, op_values.strided, op_values.views,
        op_values.identity, op_values.numpy, op_values.empty, op_values.single, op_values.file,
        op_rules.stated, op_rules.tangents, op_rules.transposes, op_rules.second_order,
        op_rules.batches, op_rules.batched_rules,
    )
}  # fmt: skip
"""The laws of ops by name, in the order in which they are checked."""


def check_op(op: Op | str, laws: Iterable[str] | None = None, samples: Sequence[Sample] | None = None) -> None:
    """None, if the op obeys the laws at its samples.

    op: an op or its name. laws: names of `LAWS`; default: all. samples: in place of the op's own.
    Raises: LawError at the first law that does not hold: which, at which sample, with the numbers.

    >>> import adcore.testing
    >>> adcore.testing.check_op("core::sin", laws=["tangents", "transposes"])
    """
    found = _op(op)
    names = list(LAWS) if laws is None else list(laws)
    unknown = [n for n in names if n not in LAWS]
    if unknown:
        raise LawError(f"no law is called {unknown[0]!r}", f"known: {', '.join(LAWS)}")
    if samples is None and not found.samples:
        raise LawError(
            f"{found.name} has no samples, so nothing would be tested", "",
            "list some beside its rule: samples=(Sample(((2, 3),)),)",
        )  # fmt: skip
    given = cases(found) if samples is None else [case(found, s, describe(s)) for s in samples]
    for name in names:
        for one in given:
            LAWS[name](one)


def _op(op: Op | str) -> Op:
    from adcore.registry import find_op

    return ensure(op) if isinstance(op, Op) else find_op(op)


def ops_of(package: str | ModuleType | Iterable[Op]) -> list[Op]:
    """The ops of a domain ("acme"), of a module, or as listed. Raises UnknownOpError when there is none."""
    if isinstance(package, ModuleType):
        found = [v for v in vars(package).values() if isinstance(v, Op)]
    elif isinstance(package, str):
        registry()
        doors["load"](package)
        found = [op for op in registry().ops.values() if op.domain == package]
    else:
        found = list(package)
    unique = sorted({op.name: op for op in found}.values(), key=lambda op: op.name)
    if not unique:
        name = getattr(package, "__name__", package)
        raise UnknownOpError(
            f"{name} brings no ops", "named as a domain, a module or a list of ops",
            "install the package, or pass its module: laws(acme_ops)",
        )  # fmt: skip
    return unique


def laws(package: str | ModuleType | Iterable[Op], skip: Iterable[str] = ()) -> Any:
    """A pytest function with one test per op of a package and law. It is all that a plugin's tests need.

    package: a domain ("acme", of an installed plugin), a module, or ops. skip: names of laws.
    Raises: UnknownOpError when the package brings no ops.

    >>> test_core = laws("core")
    """
    import pytest

    left = set(skip)
    wrong = sorted(left - LAWS.keys())
    if wrong:
        raise OpError(f"no law is called {wrong[0]!r}", f"known: {', '.join(LAWS)}")
    pairs = [pytest.param(op, law, id=f"{op.name}-{law}") for op in ops_of(package) for law in LAWS if law not in left]

    @pytest.mark.parametrize(("op", "law"), pairs)
    def test(op: Op, law: str) -> None:
        check_op(op, [law])

    return test
