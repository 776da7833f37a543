"""Finding, loading and registering plugins, and the report of who brought what and what failed.

Built-in plugins come from a list of module names, so a bare source tree works; strangers' from the
entry point group `adcore`, where an entry point's name is the op domain it brings. One broken
plugin is recorded and skipped (with `strict`, it is an error); nothing of it stays registered.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import io
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from adcore import registry as _registry
from adcore.errors import PluginError
from adcore.registry import Op, Origin, Registry
from adcore.trace import own_code

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

ADCORE_API = 1
"""The number of the plugin interface that this version offers."""

BUILT_IN = (
    "adcore_ops", "adcore_strategies", "adcore_backends", "adcore_executors", "adcore_stores", "adcore_formats",
)  # fmt: skip
GROUP = "adcore"
SLOW = 1.0
"""Seconds of import time from which a plugin is called slow in the report."""


@dataclass(slots=True)
class Plugin:
    """One plugin and what became of it.

    status: loaded, failed, blocked, or waiting (an entry point not needed so far).
    brought: what it registered, by table. printed: what it wrote to stdout while it was loaded.
    """

    name: str
    module: str
    distribution: str
    version: str
    built_in: bool = False
    status: str = "waiting"
    reason: str = ""
    detail: str = ""
    seconds: float = 0.0
    brought: dict[str, list[str]] = field(default_factory=dict)
    printed: str = ""

    @property
    def origin(self) -> Origin:
        """What the registry remembers of it."""
        return Origin(self.distribution, self.version, self.module)


@dataclass(slots=True)
class Settings:
    """Which plugins may load. only: if not empty, just these (and the built-in ones)."""

    enabled: bool = True
    only: tuple[str, ...] = ()
    blocked: tuple[str, ...] = ()
    strict: bool = False
    trace: bool = False
    local: tuple[str, ...] = ()  # files named in the settings: [plugins] local = ["./my_ops.py"]


class Loader:
    """The plugins of this process. Use the one that `loader()` gives."""

    def __init__(self) -> None:
        self.plugins: dict[str, Plugin] = {}
        self.settings = _from_environment()
        self.manager: Any = None
        self._lock = threading.RLock()
        self._found = False

    def configure(self, **changes: Any) -> None:
        """Change which plugins may load; before the first use of any op."""
        for name, value in changes.items():
            setattr(self.settings, name, value)

    def load(self, domain: str | None) -> None:
        """Load the built-in plugins, and the entry point that brings `domain` if it is not loaded yet."""
        with self._lock:
            self._start()
            if domain is not None:
                for plugin in self.plugins.values():
                    if plugin.name == domain and plugin.status == "waiting":
                        self._load(plugin)

    def load_all(self) -> list[Plugin]:
        """Load every plugin that may be; the report, sorted by name."""
        with self._lock:
            self._start()
            for plugin in list(self.plugins.values()):
                if plugin.status == "waiting":
                    self._load(plugin)
        return sorted(self.plugins.values(), key=lambda p: (not p.built_in, p.name))

    def load_file(self, path: str) -> None:
        """Load a plugin from a file, beside those of the settings; one with the same content is loaded once.

        Raises: PluginError if it cannot be loaded, or another plugin has its name.
        """
        with self._lock:
            self._start()
            plugin = _local(path)
            known = self.plugins.setdefault(plugin.name, plugin)
            if known.version != plugin.version:
                raise PluginError(
                    f"another plugin is called {plugin.name}",
                    f"{known.module}, when {path} was to be loaded",
                    "rename one of the files",
                )
            if known.status == "waiting":
                self._load(known)
            if known.status != "loaded":
                raise PluginError(f"plugin {known.name} is {known.status}: {known.reason}", path)

    def observers(self, hook: str) -> list[Callable[..., None]]:
        """What plugins want to be told of, to be called with the arguments of the hook by keyword.

        One that raises is reported on stderr and never called again.
        """
        with self._lock:
            self._start()
        return [_guarded(found) for found in getattr(self.manager.hook, hook).get_hookimpls()]

    def _start(self) -> None:
        if self._found:
            return
        self._found = True
        import pluggy

        from adcore import hookspecs

        self._read_config()
        self.manager = pluggy.PluginManager("adcore")
        self.manager.add_hookspecs(hookspecs)
        version = _version("adcore")
        for name in BUILT_IN:
            self.plugins[name] = Plugin(name, name, "adcore", version, built_in=True)
        for path in self.settings.local:
            plugin = _local(path)
            self.plugins[plugin.name] = plugin
        for point in _entry_points():
            dist = point.dist
            name = point.name if point.name not in self.plugins else f"{point.name} ({dist.name if dist else '?'})"
            self.plugins[name] = Plugin(
                point.name, point.value, dist.name if dist else "(unknown)", dist.version if dist else ""
            )
        self._apply_settings()
        for plugin in list(self.plugins.values()):
            wanted = plugin.built_in or plugin.name in self.settings.only or plugin.module in self.settings.local
            if plugin.status == "waiting" and (wanted or not _lazy(plugin)):
                self._load(plugin)

    def _read_config(self) -> None:
        """Add what the settings say in [plugins]; they may forbid more, never allow what was forbidden."""
        from adcore.config import config

        said, own = config(), self.settings
        own.only = own.only or tuple(said["plugins.only"])
        own.blocked = (*own.blocked, *said["plugins.disable"])
        own.enabled = own.enabled and said["plugins.enabled"]
        own.strict = own.strict or said["plugins.strict"]
        own.local = own.local or tuple(said["plugins.local"])

    def _apply_settings(self) -> None:
        known = {p.name for p in self.plugins.values()}
        for name in (*self.settings.only, *self.settings.blocked):
            if name not in known:
                raise PluginError(f"no plugin is called {name!r}", f"known: {', '.join(sorted(known))}")
        for plugin in self.plugins.values():
            if plugin.name in self.settings.blocked:
                plugin.status, plugin.reason = "blocked", "disabled by -p no:NAME or by config"
            elif not plugin.built_in and not self.settings.enabled:
                plugin.status, plugin.reason = "blocked", "plugins are disabled"
            elif not plugin.built_in and self.settings.only and plugin.name not in self.settings.only:
                plugin.status, plugin.reason = (
                    "blocked",
                    f"only {', '.join(self.settings.only)} was asked for",
                )

    def _load(self, plugin: Plugin) -> None:
        """Import and register one plugin; on any failure record it and take everything of it back."""
        start = time.perf_counter()
        printed = io.StringIO()
        plugin.status = "loading"
        try:
            with contextlib.redirect_stdout(printed):
                module = _import(plugin)
                _check_api(module, plugin)
                self._register(module, plugin)
            plugin.status = "loaded"
        except BaseException as e:
            if isinstance(e, KeyboardInterrupt):
                raise
            registry_of().remove(plugin.origin)
            plugin.brought.clear()
            plugin.status, plugin.reason = (
                "failed",
                f"{type(e).__name__}: {str(e).splitlines()[0] if str(e) else ''}",
            )
            plugin.detail = traceback.format_exc()
            if self.settings.strict or plugin.built_in:
                raise PluginError(
                    f"plugin {plugin.name} could not be loaded: {plugin.reason}",
                    f"from {plugin.distribution} {plugin.version} ({plugin.module})",
                    f"fix or uninstall it, or disable it with -p no:{plugin.name}",
                ) from e
            sys.stderr.write(
                f"adcore: plugin {plugin.name} of {plugin.distribution} was skipped: {plugin.reason} "
                f"(see `adcore plugins`)\n"
            )
        finally:
            plugin.seconds = time.perf_counter() - start
            plugin.printed = printed.getvalue()

    def _register(self, module: Any, plugin: Plugin) -> None:
        """All hooks of one plugin, committed to the registry entry by entry, under its origin."""
        from adcore.hookspecs import REGISTERING

        name = self.manager.register(module, name=plugin.module)
        try:
            self._check_hooks(module, plugin)
            for hook, table in REGISTERING.items():
                others = [p for p in self.manager.get_plugins() if p is not module]
                caller = self.manager.subset_hook_caller(hook, remove_plugins=others)
                for entries in caller():
                    self._enter(plugin, table, entries)
                    if self.settings.trace:
                        sys.stderr.write(f"adcore: {plugin.name}: {hook} -> {plugin.brought.get(table, [])}\n")
            for value in list(vars(module).values()) if hasattr(module, "__dict__") else []:
                if isinstance(value, Op) and not plugin.built_in and value.domain == plugin.name:
                    self._enter(plugin, "ops", [value])
        except BaseException:
            self.manager.unregister(name=name)
            raise

    def _check_hooks(self, module: Any, plugin: Plugin) -> None:
        """A misspelt hook is an error of that plugin."""
        self.manager.check_pending()
        known = {h for h in dir(self.manager.hook) if h.startswith("adcore_")}
        for attribute in dir(module):
            if attribute.startswith("adcore_") and attribute not in known and callable(getattr(module, attribute)):
                raise PluginError(f"{attribute} is no hook", f"known: {', '.join(sorted(known))}")

    def _enter(self, plugin: Plugin, table: str, entries: Any) -> None:
        for name, value in _named(table, entries):
            registry_of().add(table, name, value, plugin.origin)
            shown = name if isinstance(name, str) else getattr(name, "__name__", str(name))
            if shown not in plugin.brought.setdefault(table, []):
                plugin.brought[table].append(shown)


def _named(table: str, entries: Any) -> Iterable[tuple[Any, Any]]:
    """Entries with their names: those of a mapping, or by what each says of itself."""
    if isinstance(entries, Mapping):
        return entries.items()
    if table == "methods":
        return [((m.op, m.name), m) for m in entries]
    if table == "ops":
        wrong = [e for e in entries if not isinstance(e, Op)]
        if wrong:
            raise PluginError(f"adcore_register_ops gave {wrong[0]!r}", instead="give objects made by adcore.op")
    return [(e.name, e) for e in entries]


def _import(plugin: Plugin) -> Any:
    if plugin.module.endswith(".py"):
        spec = importlib.util.spec_from_file_location(plugin.name, plugin.module)
        if spec is None or spec.loader is None or not os.path.exists(plugin.module):
            raise PluginError(f"there is no file {plugin.module}")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module
    name, _, attribute = plugin.module.partition(":")
    module = importlib.import_module(name)
    if plugin.built_in and module.__file__:
        own_code(os.path.dirname(module.__file__))
    found: Any = module
    for part in attribute.split(".") if attribute else ():
        found = getattr(found, part)
    return found


def _check_api(module: Any, plugin: Plugin) -> None:
    wanted = getattr(module, "ADCORE_API", ADCORE_API)
    if wanted != ADCORE_API:
        older = "adcore" if isinstance(wanted, int) and wanted > ADCORE_API else plugin.distribution
        raise PluginError(
            f"it is written for plugin interface {wanted}; this adcore offers {ADCORE_API}",
            instead=f"upgrade {older}",
        )


def _local(path: str) -> Plugin:
    """A plugin that is one file; its version is the hash of what is in it."""
    name = os.path.splitext(os.path.basename(path))[0]
    import hashlib  # 2 ms

    try:
        with open(path, "rb") as file:
            version = hashlib.sha256(file.read()).hexdigest()[:12]
    except OSError:
        version = ""  # loading it will say why
    return Plugin(name, path, f"file {os.path.basename(path)}", version)


def _guarded(found: Any) -> Callable[..., None]:
    broken = False

    def tell(**facts: Any) -> None:
        nonlocal broken
        if broken:
            return
        try:
            found.function(**{name: facts[name] for name in found.argnames})
        except Exception as e:  # noqa: BLE001  (whoever only watches must not stop what is watched)
            broken = True
            sys.stderr.write(
                f"adcore: {found.plugin_name}: {found.function.__name__} raised {type(e).__name__}: {e}; "
                "it is not called again\n"
            )

    return tell


def _entry_points() -> list[EntryPoint]:
    """The entry points of strangers, sorted by name; editable installs may list one twice."""
    from importlib.metadata import entry_points  # slow to import

    seen = {(p.name, p.value): p for p in entry_points(group=GROUP)}
    return [seen[key] for key in sorted(seen)]


def _lazy(plugin: Plugin) -> bool:
    """An entry point named as a domain loads when an op of that domain is needed. None is needed at the start."""
    return not plugin.built_in


def _from_environment() -> Settings:
    def names(variable: str) -> tuple[str, ...]:
        return tuple(n.strip() for n in os.environ.get(variable, "").split(",") if n.strip())

    blocked = names("ADCORE_DISABLE_PLUGINS")
    everything = any(n.lower() in ("1", "all", "true") for n in blocked)
    return Settings(
        enabled=not everything,
        blocked=() if everything else blocked,
        trace=os.environ.get("ADCORE_TRACE_PLUGINS", "") not in ("", "0"),
    )


def _version(distribution: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(distribution)
    except PackageNotFoundError:
        return ""


_loader = Loader()


def loader() -> Loader:
    """The loader of this process."""
    return _loader


def registry_of() -> Registry:
    """The registry that plugins fill, without asking for it to be filled."""
    return _registry.REGISTRY


def missing_domain(domain: str) -> str:
    """Who could have brought a domain: plugins that failed or are blocked, with their reasons."""
    return "; ".join(
        f"{p.name} of {p.distribution} is {p.status}: {p.reason}"
        for p in _loader.plugins.values()
        if p.name == domain and p.status in ("failed", "blocked")
    )


_registry.doors["load"] = _loader.load
_registry.doors["missing"] = missing_domain

_registry.doors["load_all"] = _loader.load_all
