"""A batch of initial-value problems: every lane has its own steps."""

from __future__ import annotations

from typing import Any

from adcore.extend import Node, find_op


def ode_batch(flags: tuple[bool, ...], size: int, node: Node, xs: list[Any]) -> Any:
    """The same node with one more lane axis, the outermost; an input says by its bits which of them it has."""
    lanes = node.params["lanes"]
    batched = tuple(bits | (flag << len(lanes)) for bits, flag in zip(node.params["batched"], flags, strict=True))
    return find_op("core::solve_ivp")(*xs, **{**node.params, "lanes": (size, *lanes), "batched": batched})


def lane_axes(bits: int, lanes: tuple[int, ...]) -> list[int]:
    """Which lane axes an input has, outermost first. Bit 0 of `bits` is the innermost one."""
    return [i for i in range(len(lanes)) if bits >> (len(lanes) - 1 - i) & 1]


def one_lane(t: Any, lanes: tuple[int, ...], bits: int) -> Any:
    """The type of an input for one lane."""
    lead = tuple(lanes[i] for i in lane_axes(bits, lanes))
    if t.shape[: len(lead)] != lead:
        raise TypeError(f"{t} is not a batch of {lead}")
    return t.with_shape(t.shape[len(lead) :])
