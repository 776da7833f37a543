"""The cotangent of a value as it is added up, path by path.

What arrives whole is added as it arrives. What is zero outside a window (`adcore.rules.Window`) is kept
by window, and all windows are added at the end by one `core::add_slices`. The order is that of arrival.
"""

from __future__ import annotations

from adcore.graph import Node
from adcore.rules import Window
from adcore.trace import Trace, op_call
from adcore.tracer import Tracer
from adcore.transform.linear import add, fit, zeros
from adcore.types import AnyType, Type

add_slices = op_call("core::add_slices")

Bar = Tracer | Window


class Sum:
    """A cotangent so far."""

    __slots__ = ("whole", "windows")

    def __init__(self) -> None:
        self.whole: Tracer | None = None
        self.windows: dict[tuple[object, ...], Window] = {}

    def add(self, bar: Bar) -> None:
        """One path more."""
        if not isinstance(bar, Window):
            self.whole = add(self.whole, bar)
            return
        key = (bar.start, bar.step, bar.inside.shape)
        before = self.windows.get(key)
        inside = bar.inside if before is None else add(before.inside, bar.inside)
        self.windows[key] = Window(inside, bar.start, bar.step)

    def total(self, trace: Trace, t: AnyType) -> Tracer:
        """All that has arrived, as one cotangent of type t."""
        if not self.windows and self.whole is not None:
            return self.whole
        found = list(self.windows.values())
        total: Tracer = add_slices(
            self.whole if self.whole is not None else zeros(trace, t), *(w.inside for w in found),
            starts=tuple(w.start for w in found), steps=tuple(w.step for w in found),
        )  # fmt: skip
        return total


def fit_bar(bar: object, t: AnyType, trace: Trace, node: Node, spread: bool) -> Bar | None:
    """What a rule returned for an input of type t, as a cotangent; see `fit`."""
    if not isinstance(bar, Window) or not isinstance(t, Type):
        return fit(bar, t, trace, node, spread)
    inside = fit(bar.inside, Type(t.dtype, bar.inside.shape), trace, node, False)
    return Window(inside, bar.start, bar.step)


def whole(trace: Trace, t: AnyType, bar: Bar) -> Tracer:
    """A cotangent of type t as a whole."""
    found = Sum()
    found.add(bar)
    return found.total(trace, t)
