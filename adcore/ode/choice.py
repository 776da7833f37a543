"""Which way an initial-value problem is differentiated when nobody says: forward or discrete, by counts; gauss where
the steps cannot be made again."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from adcore.graph import Node

CROSSOVER = 10
"""Up to as many, tangents carried together along the mesh take little more time than one pass backwards."""


def forward_or_discrete(inputs: int) -> tuple[str, str]:
    """The method for one output and, in a sentence, why.

    inputs: how many numbers it is differentiated with respect to, states and parameters.

    >>> forward_or_discrete(6)
    ('forward', 'forward for 6 inputs, at most 10: their tangents go along the mesh, and nothing is kept')
    >>> forward_or_discrete(100)
    ('discrete', 'discrete for 100 inputs, more than 10: the mesh is gone back step by step')
    """
    count = "1 input" if inputs == 1 else f"{inputs:,} inputs"
    if inputs <= CROSSOVER:
        return (
            "forward",
            f"forward for {count}, at most {CROSSOVER}: their tangents go along the mesh, and nothing is kept",
        )
    return "discrete", f"discrete for {count}, more than {CROSSOVER}: the mesh is gone back step by step"


def method_of(node: Node, active: Sequence[bool]) -> tuple[str, str]:
    """The method for a node of `core::solve_ivp` and, in a sentence, why. active: per input."""
    if node.params["samples"]:
        return "gauss", f"gauss: {node.params['method']} steps by itself, and its steps cannot be run again"
    return forward_or_discrete(active_inputs(node, active))


def active_inputs(node: Node, active: Sequence[bool]) -> int:
    """How many numbers of one lane of a `core::solve_ivp` are differentiated. active: per input."""
    lanes, total = node.params["lanes"], 0
    for v, bits, wanted in zip(node.inputs, node.params["batched"], active, strict=True):
        t: Any = v.type
        own = [n for k, n in enumerate(reversed(lanes)) if bits >> k & 1]
        total += math.prod(t.shape[len(own) :]) if wanted else 0
    return total
