"""Graph to Graph: jvp, vjp, simplify, and what they are made of."""

from adcore.transform.jvp import jvp
from adcore.transform.simplify import simplify
from adcore.transform.splice import splice
from adcore.transform.vjp import vjp

__all__ = ["jvp", "simplify", "splice", "vjp"]
