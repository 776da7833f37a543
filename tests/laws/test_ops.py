"""Every op under every law, generated from the registry: a new op is tested by having samples."""

from __future__ import annotations

import pytest

from adcore.registry import Op, registry
from adcore.testing import LAWS, check_op

OPS = tuple(op for name, op in registry().ops.items() if registry().origins["ops", name].distribution == "adcore")
DERIVATIVES = ("stated", "tangents", "transposes", "second_order")
BATCHES = ("batches", "batched_rules")
GROUPS = {
    "values": [law for law in LAWS if law not in (*DERIVATIVES, *BATCHES)],
    "derivatives": DERIVATIVES,
    "batches": BATCHES,
}
"""Laws by what they are about; one test per group, because five thousand tests cost more than what they test."""


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_op(op: Op, group: str) -> None:
    check_op(op, GROUPS[group])


def test_every_op_has_samples() -> None:
    assert [op.name for op in OPS if not op.samples] == []
