"""Rematerialisation planners: when to compute, drop and recompute the values of a straight-line graph.

They work on the abstract `Problem` of `planners.problem` (integers for values, bytes for storages) and know neither
arrays nor ops. `planners.portfolio` is the door: `best`, `minimum` and `curve`.
"""
