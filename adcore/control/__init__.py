"""Control flow that a graph can hold: loops, branches, named regions, checks and reports. Python's own loops unroll.

The ops themselves (`core::scan`, `core::while_loop`, `core::cond`, `core::call`) are brought by a plugin
and looked up by name.
"""

from adcore.control.branches import cond
from adcore.control.loops import scan, while_loop
from adcore.control.regions import region
from adcore.control.statements import check, report

__all__ = ["check", "cond", "region", "report", "scan", "while_loop"]
