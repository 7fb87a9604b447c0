"""The old file is read whole, whatever its shape, and is not changed by it."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest

from daemon.errors import MigrationRefused
from daemon.migrate.legacy import RawLog, RawUser, content_digest, opened_legacy


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "old.db"


def made(file: Path, script: str) -> Path:
    database = sqlite3.connect(file)
    database.executescript(script)
    database.close()
    return file


def all_users(file: Path) -> list[RawUser]:
    with opened_legacy(file) as legacy:
        return [user for piece in legacy.all_users() for user in piece]


def all_logs(file: Path) -> list[RawLog]:
    with opened_legacy(file) as legacy:
        return [log for piece in legacy.all_logs() for log in piece]


def test_it_cannot_be_written_to(file: Path) -> None:
    made(file, "CREATE TABLE users (id INTEGER PRIMARY KEY);")
    with opened_legacy(file) as legacy, pytest.raises(sqlite3.OperationalError, match="readonly"):
        legacy.connection.execute("INSERT INTO users VALUES (1)")


def test_columns_may_be_missing_and_more(file: Path) -> None:
    made(
        file,
        "CREATE TABLE users (ID INTEGER PRIMARY KEY, Email, nickname); INSERT INTO users VALUES (7, 'a@b.c', 'x');",
    )
    assert all_users(file) == [RawUser(7, 7, "a@b.c", None, None, None)]
    assert all_logs(file) == []


def test_more_rows_than_are_read_at_once_all_come_once(file: Path) -> None:
    made(
        file,
        "CREATE TABLE users (id TEXT); CREATE TABLE usage_logs (id INTEGER PRIMARY KEY, user_id);"
        "WITH RECURSIVE n(i) AS (SELECT -700 UNION ALL SELECT i + 1 FROM n WHERE i < 700)"
        "INSERT INTO usage_logs SELECT i, 'u' FROM n;",
    )
    assert [log.seq for log in all_logs(file)] == list(range(-700, 701))


def test_tables_without_row_numbers_are_read_as_well(file: Path) -> None:
    made(
        file,
        "CREATE TABLE users (id TEXT PRIMARY KEY, email) WITHOUT ROWID; INSERT INTO users VALUES ('b', 2), ('a', 1);"
        "CREATE TABLE usage_logs (id TEXT PRIMARY KEY, user_id) WITHOUT ROWID;"
        "INSERT INTO usage_logs VALUES ('x', 'a');",
    )
    assert [(user.seq, user.id) for user in all_users(file)] == [(1, "a"), (2, "b")]
    assert [(log.key, log.user_id) for log in all_logs(file)] == [("x", "a")]


def test_a_column_called_rowid_is_no_row_number(file: Path) -> None:
    made(file, "CREATE TABLE users (rowid TEXT, id); INSERT INTO users VALUES ('z', 5), ('z', 6);")
    assert [(user.seq, user.id) for user in all_users(file)] == [(1, 5), (2, 6)]


@pytest.mark.parametrize("ids", ["(1, 'u'), (1, 'u')", "(NULL, 'u'), (2, 'u')", "(7, 'u'), ('7', 'u')"])
def test_logs_whose_ids_do_not_tell_them_apart_are_known_by_their_place(file: Path, ids: str) -> None:
    made(file, f"CREATE TABLE users (id); CREATE TABLE usage_logs (id, user_id); INSERT INTO usage_logs VALUES {ids};")
    assert [log.key for log in all_logs(file)] == ["row 1", "row 2"]


def test_logs_are_known_by_their_ids_where_these_are_unique(file: Path) -> None:
    made(
        file, "CREATE TABLE users (id); CREATE TABLE usage_logs (id, user_id); INSERT INTO usage_logs VALUES (9, 'u');"
    )
    assert [log.key for log in all_logs(file)] == ["9"]


def test_text_that_is_none_does_not_stop_the_reading(file: Path) -> None:
    made(file, "CREATE TABLE users (id, email TEXT); INSERT INTO users VALUES (1, CAST(x'ff41' AS TEXT));")
    assert all_users(file)[0].email == "\udcffA"


@pytest.mark.parametrize(
    "content", [b"no database at all, but long enough to look like a file of some sort" * 20, None]
)
def test_what_is_no_database_is_refused(file: Path, content: bytes | None) -> None:
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(MigrationRefused, match="old"), opened_legacy(file):
        pass


def test_a_file_that_an_app_has_left_in_the_middle_of_a_change_is_refused_with_the_way_out(file: Path) -> None:
    app = sqlite3.connect(file.with_name("app.db"), isolation_level=None)
    app.execute("CREATE TABLE users (id INTEGER PRIMARY KEY, email)")
    app.executemany("INSERT INTO users VALUES (?, ?)", [(number, "x" * 500) for number in range(200)])
    app.execute("PRAGMA cache_size = 5")  # so that pages are written before the end
    app.execute("BEGIN")
    app.execute("UPDATE users SET email = 'changed'")
    for suffix in ("", "-journal"):
        shutil.copy(file.with_name(f"app.db{suffix}"), file.with_name(f"old.db{suffix}"))
    app.close()
    with pytest.raises(MigrationRefused, match="in the middle of a change"), opened_legacy(file):
        pass


def test_what_the_app_has_committed_to_its_log_only_is_read_too(file: Path) -> None:
    app = sqlite3.connect(file.with_name("app.db"), isolation_level=None)
    app.execute("PRAGMA journal_mode = WAL")
    app.execute("CREATE TABLE users (id INTEGER PRIMARY KEY, email)")
    app.execute("INSERT INTO users VALUES (1, 'a')")
    for suffix in ("", "-wal"):
        shutil.copy(file.with_name(f"app.db{suffix}"), file.with_name(f"old.db{suffix}"))
    app.close()
    assert [user.email for user in all_users(file)] == ["a"]


def test_a_file_of_something_else_is_refused(file: Path) -> None:
    made(file, "CREATE TABLE pictures (id);")
    with pytest.raises(MigrationRefused, match="no table `users`"), opened_legacy(file):
        pass


def test_the_digest_is_of_the_content_and_not_of_the_pages(file: Path) -> None:
    made(file, "CREATE TABLE users (id, email); INSERT INTO users VALUES (1, 'a'), (2, 'b'), (3, 'c');")

    def digest() -> str:
        with opened_legacy(file) as legacy:
            return content_digest(legacy.connection)

    before = digest()
    made(file, "CREATE TABLE sessions (id); INSERT INTO sessions VALUES (1);")
    assert digest() == before
    made(file, "UPDATE users SET email = 'd' WHERE id = 3;")
    assert digest() != before
