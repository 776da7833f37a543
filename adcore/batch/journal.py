"""The journal of a job: one row per item in SQLite (WAL).

A row says what became of its item; pending, done, failed or quarantined. What runs right now is in
`leases`, one row per chunk: on the way to a result nothing is written per item. Rows of done items
name the shard that holds the result. The journal may lag behind the results (a shard is renamed into
place first, then rowed), never the other way round; and it can be rebuilt from manifest and results.
"""

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from adcore.batch.manifest import NewItem

PENDING, DONE, FAILED, QUARANTINED = range(4)
STATES = ("pending", "done", "failed", "quarantined")
VERSION = "3"

SCHEMA = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT);
CREATE TABLE groups (grp INTEGER PRIMARY KEY, name TEXT, sizes TEXT);
CREATE TABLE items (
    item INTEGER PRIMARY KEY, offset INTEGER, key BLOB, grp INTEGER, tag TEXT, twin INTEGER,
    state INTEGER NOT NULL DEFAULT 0, attempts INTEGER NOT NULL DEFAULT 0, kills INTEGER NOT NULL DEFAULT 0,
    shard INTEGER, position INTEGER, seconds REAL, peak INTEGER, kind TEXT, message TEXT, detail TEXT);
CREATE TABLE shards (shard INTEGER PRIMARY KEY, name TEXT UNIQUE, bytes INTEGER, machine TEXT);
CREATE TABLE leases (chunk INTEGER PRIMARY KEY, first INTEGER, items INTEGER, pid INTEGER);
"""
FIELDS = (
    "i.item, i.offset, i.tag, i.twin, r.state, r.attempts, r.shard, r.position,"
    " r.seconds, r.peak, r.kind, r.message, r.detail"
)


@dataclass(frozen=True, slots=True)
class Row:
    """What the journal knows of one item. seconds of the last attempt, peak in bytes."""

    item: int
    offset: int  # of its line in the manifest, in bytes; -1 if the line is lost
    tag: str
    twin: int | None  # the item with the same key whose result this one shares
    state: int
    attempts: int
    shard: int | None
    position: int | None
    seconds: float | None
    peak: int | None
    kind: str | None
    message: str | None
    detail: str | None


class Journal:
    """The open journal of one job. Changes become durable against a killed process at `commit`."""

    def __init__(self, path: Path, read_only: bool = False) -> None:
        self.path = path
        if read_only:
            self._db = _reading(path)
            return
        self._db = sqlite3.connect(_uri(path, "mode=rwc"), uri=True, isolation_level=None, timeout=10.0)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")  # results are fsynced; a lost row is adopted again
        self._db.execute("PRAGMA cache_size=-8000")
        self._db.execute("CREATE TEMP TABLE awaited (item INTEGER PRIMARY KEY, job INTEGER)")

    def damage(self, items: int, manifest: str) -> str:
        """Why this cannot be the journal of a manifest with this many items and this hash; or ""."""
        try:
            found = self._db.execute("PRAGMA quick_check(1)").fetchone()[0]
            if found != "ok":
                return f"SQLite says {found!r}"
            meta = dict(self._db.execute("SELECT name, value FROM meta"))
            count = self._db.execute("SELECT count(*) FROM items").fetchone()[0]
        except sqlite3.DatabaseError as error:
            return f"SQLite says {error}"
        if (meta.get("version"), meta.get("manifest")) != (VERSION, manifest):
            return "it belongs to another manifest, or was not completed"
        return "" if count == items else f"it has {count} items, the manifest {items}"

    def create(self, items: Iterable[NewItem], manifest: Callable[[], str]) -> None:
        """Fill an empty journal with pending items.

        manifest: asked after the last item for the manifest's hash.
        """
        self._db.executescript(SCHEMA)
        self._begin()
        groups: dict[tuple[str, str], int] = {}
        self._db.executemany(
            "INSERT INTO items (item, offset, key, grp, tag) VALUES (?, ?, ?, ?, ?)",
            (
                (item, offset, key, groups.setdefault((group, sizes), len(groups)), tag)
                for item, offset, key, group, sizes, tag in items
            ),
        )
        self._db.executemany("INSERT INTO groups VALUES (?, ?, ?)", ((i, *name) for name, i in groups.items()))
        self._db.execute("CREATE INDEX keys ON items (key)")
        self._db.execute("CREATE INDEX grouped ON items (grp, item)")
        self._db.execute(
            "UPDATE items SET twin = twins.first FROM (SELECT key AS k, min(item) AS first FROM items"
            " GROUP BY key HAVING count(*) > 1) AS twins WHERE key = twins.k AND item > twins.first"
        )
        meta = {"version": VERSION, "manifest": manifest(), "lines": manifest()}
        self._db.executemany("INSERT INTO meta VALUES (?, ?)", meta.items())
        self.commit()

    def hold(self) -> None:
        """Read from now on what is there now, whatever others write."""
        self._db.execute("BEGIN")
        self._db.execute("SELECT count(*) FROM shards").fetchone()

    def pending(self, after: tuple[int, int], limit: int) -> list[tuple[int, int, int]]:
        """The next pending items behind (group, item), at most `limit`: (group, item, offset of its line).

        Groups are numbers here: a graph, a strategy and named sizes each, in the order of the manifest.
        """
        return self._db.execute(
            "SELECT grp, item, offset FROM items WHERE state = 0 AND twin IS NULL AND (grp, item) > (?, ?)"
            " AND item NOT IN (SELECT item FROM awaited) ORDER BY grp, item LIMIT ?",
            (*after, limit),
        ).fetchall()

    def offset(self, item: int) -> int:
        """The byte offset of an item's line in the manifest."""
        return int(self._db.execute("SELECT offset FROM items WHERE item = ?", (item,)).fetchone()[0])

    @property
    def lines(self) -> str:
        """The sha256 of the manifest whose lines lie at the offsets that items have."""
        return str(self._db.execute("SELECT value FROM meta WHERE name = 'lines'").fetchone()[0])

    def place_lines(self, lines: Iterable[tuple[int, bytes, int]], sha256: str, lost: tuple[str, str, str]) -> int:
        """Note where lines lie now: (item, key, offset). Pending items without a line fail; how many these are.

        sha256: of the manifest. lost: kind, message and detail for those; who failed so before is pending again.
        """
        self._begin()
        self._db.execute("UPDATE items SET offset = -1")
        self._db.executemany(
            "UPDATE items SET offset = ? WHERE item = ? AND key = ?",
            ((offset, item, key) for item, key, offset in lines),
        )
        self._db.execute("UPDATE items SET state = 0, attempts = 0 WHERE state = 2 AND kind = ?", lost[:1])
        query = (
            "UPDATE items SET state = 2, kind = ?, message = ?, detail = ?"
            " WHERE offset = -1 AND state = 0 AND twin IS NULL"
        )
        failed = self._db.execute(query, lost).rowcount
        self._db.execute("UPDATE meta SET value = ? WHERE name = 'lines'", (sha256,))
        self.commit()
        return failed

    def lease(self, chunk: int, first: int, items: int, pid: int) -> None:
        """Record that a chunk was handed out."""
        self._begin()
        self._db.execute("INSERT OR REPLACE INTO leases VALUES (?, ?, ?, ?)", (chunk, first, items, pid))

    def release(self, chunk: int | None = None) -> None:
        """Record that a chunk came back; without a number all of them (their driver is gone)."""
        self._begin()
        self._db.execute("DELETE FROM leases WHERE ?1 IS NULL OR chunk = ?1", (chunk,))

    def add_shard(self, name: str, size: int, machine: str) -> int:
        """The number of a new shard."""
        self._begin()
        cursor = self._db.execute("INSERT INTO shards (name, bytes, machine) VALUES (?, ?, ?)", (name, size, machine))
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    def done(self, shard: int, rows: Iterable[tuple[int, int, float, int]]) -> int:
        """Mark items done: (position in the shard, item, seconds, peak). How many were not done before."""
        self._begin()
        before = self._db.total_changes
        self._db.executemany(
            "UPDATE items SET state = 1, attempts = attempts + 1, shard = ?, position = ?, seconds = ?,"
            " peak = ?, kind = NULL, message = NULL, detail = NULL WHERE item = ? AND state != 1",
            ((shard, position, seconds, peak, item) for position, item, seconds, peak in rows),
        )
        return self._db.total_changes - before

    def adopt(self, shard: int, rows: Sequence[tuple[int, bytes, float, int]]) -> int:
        """Mark items done by key, not by number: (position, key, seconds, peak). How many were adopted."""
        found = []
        for position, key, seconds, peak in rows:
            query = "SELECT item FROM items WHERE key = ? AND twin IS NULL"
            item = self._db.execute(query, (key,)).fetchone()
            if item is not None:
                found.append((position, item[0], seconds, peak))
        return self.done(shard, found)

    def failed(self, item: int, state: int, what: tuple[str, str, str], seconds: float, peak: int) -> None:
        """Mark an item as pending again, failed or quarantined, with kind, message and detail."""
        self._begin()
        self._db.execute(
            "UPDATE items SET state = ?, attempts = attempts + 1, seconds = ?, peak = ?, kind = ?,"
            " message = ?, detail = ? WHERE item = ? AND state != 1",
            (state, seconds, peak, *what, item),
        )

    def count_kill(self, item: int) -> int:
        """How many workers the item has killed, this one included."""
        self._begin()
        query = "UPDATE items SET kills = kills + 1 WHERE item = ? RETURNING kills"
        return int(self._db.execute(query, (item,)).fetchall()[0][0])

    def attempts(self, item: int) -> int:
        """How often the item was tried and came to an end."""
        return int(self._db.execute("SELECT attempts FROM items WHERE item = ?", (item,)).fetchone()[0])

    def useful_shards(self, other: Path) -> list[str]:
        """The names of the shards in which another job's journal has results for pending items of this one."""
        return [
            name
            for (name,) in self._beside(
                other,
                "SELECT DISTINCT s.name FROM items AS i JOIN other.items AS o ON o.key = i.key AND o.state = 1"
                " JOIN other.shards AS s ON s.shard = o.shard WHERE i.state = 0 AND i.twin IS NULL ORDER BY s.name",
            )
        ]

    def known_shards(self, other: Path) -> set[str]:
        """The names of all shards that another job's journal has a row of."""
        return {name for (name,) in self._beside(other, "SELECT name FROM other.shards")}

    def wants(self, keys: Iterable[bytes]) -> bool:
        """Whether an item with one of these keys is pending."""
        query = "SELECT 1 FROM items WHERE key = ? AND state = 0 AND twin IS NULL"
        return any(self._db.execute(query, (key,)).fetchone() for key in keys)

    def wait_for(self, job: int, other: Path) -> int:
        """Keep back the pending items that another job's journal has too, failed ones not; how many.

        job: the number under which `still_awaited` knows them.
        """
        query = (
            "INSERT OR IGNORE INTO awaited SELECT i.item, ? FROM items AS i JOIN other.items AS o"
            " ON o.key = i.key AND o.state IN (0, 1) WHERE i.state = 0 AND i.twin IS NULL RETURNING item"
        )
        return len(self._beside(other, query, (job,)))

    def still_awaited(self, job: int, gone: bool) -> int:
        """How many items are still kept back for another job; none if that one is gone."""
        self._begin()
        query = "DELETE FROM awaited WHERE job = ? AND (? OR item IN (SELECT item FROM items WHERE state != 0))"
        self._db.execute(query, (job, gone))
        return int(self._db.execute("SELECT count(*) FROM awaited WHERE job = ?", (job,)).fetchone()[0])

    def awaited(self) -> int:
        """How many items are kept back for other jobs."""
        return int(self._db.execute("SELECT count(*) FROM awaited").fetchone()[0])

    def _beside(self, other: Path, query: str, values: Sequence[Any] = ()) -> list[Any]:
        """Rows of a query that also reads another journal as `other`; none if it cannot be read."""
        try:
            self.commit()
            self._db.execute("ATTACH ? AS other", (_uri(other, "mode=ro"),))
        except sqlite3.Error:
            return []  # not a journal: that is its own job's trouble
        try:
            return self._db.execute(query, values).fetchall()
        except sqlite3.Error:
            return []
        finally:
            self._db.execute("DETACH other")

    def forget_shard(self, name: str) -> int:
        """Make the items of a lost or damaged shard pending again; how many these are."""
        self._begin()
        query = "UPDATE items SET state = 0, shard = NULL WHERE shard IN (SELECT shard FROM shards WHERE name = ?)"
        changed = self._db.execute(query, (name,)).rowcount
        self._db.execute("DELETE FROM shards WHERE name = ?", (name,))
        return changed

    def again(self, kinds: Sequence[str] = (), items: Sequence[int] = ()) -> int:
        """Make failed and quarantined items pending again, all or some, if they have a line; how many these are."""
        self._begin()
        query = (
            "UPDATE items SET state = 0, attempts = 0, kills = 0 WHERE state IN (2, 3) AND offset >= 0"
            " AND (?1 = '[]' OR kind IN (SELECT value FROM json_each(?1)))"
            " AND (?2 = '[]' OR item IN (SELECT value FROM json_each(?2)))"
        )
        changed = self._db.execute(query, (json.dumps(list(kinds)), json.dumps(list(items)))).rowcount
        self.commit()
        return changed

    def shards(self) -> list[tuple[int, str, int, str]]:
        """All shards: number, name, bytes, machine."""
        return self._db.execute("SELECT shard, name, bytes, machine FROM shards ORDER BY shard").fetchall()

    def twins(self) -> int:
        """How many items share the result of another one."""
        return int(self._db.execute("SELECT count(*) FROM items WHERE twin IS NOT NULL").fetchone()[0])

    def counts(self, twins: bool = True) -> dict[str, int]:
        """How many items are in each state; `running` are those of the pending ones that are leased.

        twins: count items that share a result, or each result once.
        """
        query = (
            "SELECT r.state, count(*) FROM items AS i JOIN items AS r"
            " ON r.item = coalesce(i.twin, i.item) GROUP BY r.state"
            if twins
            else "SELECT state, count(*) FROM items WHERE twin IS NULL GROUP BY state"
        )
        found = dict(self._db.execute(query))
        counts = {name: found.get(state, 0) for state, name in enumerate(STATES)}
        counts["running"] = self._db.execute("SELECT coalesce(sum(items), 0) FROM leases").fetchone()[0]
        return counts

    def rows(self, where: str = "1", values: Sequence[Any] = ()) -> Iterator[Row]:
        """What is known of every item, in item order, streamed; a twin shows its twin's result."""
        query = (
            f"SELECT {FIELDS} FROM items AS i JOIN items AS r ON r.item = coalesce(i.twin, i.item)"
            f" WHERE {where} ORDER BY i.item"
        )
        for found in self._db.execute(query, values):
            yield Row(*found)

    def report(self, labels: Mapping[str, tuple[str, str, str]]) -> Iterator[tuple[Any, ...]]:
        """The rows of the report, see `adcore.batch.report.COLUMNS`, in item order, streamed.

        labels: graph and strategy of every group, as the user calls them, and what was chosen for that.
        """
        self._db.execute("DROP TABLE IF EXISTS temp.labels")
        self._db.execute("CREATE TEMP TABLE labels (grp INTEGER PRIMARY KEY, graph, strategy, chosen, sizes)")
        groups = self._db.execute("SELECT grp, name, sizes FROM groups").fetchall()
        rows = [(grp, *labels[name], sizes) for grp, name, sizes in groups]
        self._db.executemany("INSERT INTO labels VALUES (?, ?, ?, ?, ?)", rows)
        state = " ".join(f"WHEN {number} THEN '{name}'" for number, name in enumerate(STATES))
        yield from self._db.execute(
            f"SELECT i.item, i.tag, CASE r.state {state} END, l.graph, l.strategy, l.chosen, l.sizes,"
            " r.seconds, r.peak, r.attempts, r.kind, r.message, i.twin, lower(hex(i.key))"
            " FROM items AS i JOIN labels AS l USING (grp) JOIN items AS r ON r.item = coalesce(i.twin, i.item)"
            " ORDER BY i.item"
        )

    def commit(self) -> None:
        """Make all changes since the last commit visible to others and safe from a kill."""
        if self._db.in_transaction:
            self._db.execute("COMMIT")

    def close(self) -> None:
        """Commit and close."""
        self.commit()
        self._db.close()

    def _begin(self) -> None:
        if not self._db.in_transaction:
            self._db.execute("BEGIN IMMEDIATE")


def _reading(path: Path) -> sqlite3.Connection:
    """A connection that writes nothing, in a directory that cannot be written too."""
    for options in ("mode=ro", "mode=ro&immutable=1"):  # on a read-only disk nobody can change it meanwhile
        db = sqlite3.connect(_uri(path, options), uri=True, isolation_level=None, timeout=10.0)
        try:
            db.execute("SELECT count(*) FROM meta").fetchone()
        except sqlite3.DatabaseError as error:
            db.close()
            if error.sqlite_errorname != "SQLITE_CANTOPEN" or "immutable" in options or not path.exists():
                raise
        else:
            break
    return db


def _uri(path: Path, options: str) -> str:
    return f"file:{quote(str(path.resolve()))}?{options}"
