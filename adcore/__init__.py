"""Exact derivatives of NumPy models, as graphs you can save, within a memory budget in bytes."""
