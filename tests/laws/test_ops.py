"""Every op under every law, generated from the registry: a new op is tested by having samples."""

from __future__ import annotations

from adcore.registry import registry
from adcore.testing import laws

OPS = tuple(op for name, op in registry().ops.items() if registry().origins["ops", name].distribution == "adcore")

test_op = laws(OPS)


def test_every_op_has_samples() -> None:
    assert [op.name for op in OPS if not op.samples] == []
