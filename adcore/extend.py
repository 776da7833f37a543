"""The stranger's door: everything a plugin may import, re-exported."""

from adcore.plan.schedule import *  # noqa: F403
