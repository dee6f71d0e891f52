"""The database: brought up to date, whole, and refused where it is not ours."""

import sqlite3
import threading

import pytest

from convolens.errors import ArgumentError, FileError
from convolens.studio.database import Database, migrations


def test_migrations_are_applied_once_and_in_order(tmp_path):
    for _ in range(2):
        with Database(tmp_path).reading() as connection:
            assert connection.execute("PRAGMA user_version").fetchone()[0] == len(migrations())
            assert connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal"


def test_a_newer_studios_database_is_refused(tmp_path):
    with Database(tmp_path).reading() as connection:
        connection.execute("PRAGMA user_version = 999")
    with pytest.raises(FileError, match=r"at most version \d+, got 999; a newer studio made it"):
        Database(tmp_path)


def test_what_is_no_database_is_refused_and_left(tmp_path):
    (tmp_path / "studio.db").write_bytes(b"no database at all" * 100)
    with pytest.raises(FileError, match="need the studio's database, got file is not a database"):
        Database(tmp_path)
    assert (tmp_path / "studio.db").read_bytes().startswith(b"no database")


def test_what_fails_half_way_leaves_nothing(tmp_path):
    database = Database(tmp_path)
    insert = "INSERT INTO job (kind, title, arguments, state, made) VALUES ('a', 'b', '[]', 'done', 0)"

    def fail():
        with database.writing() as connection:
            connection.execute(insert)
            connection.execute("INSERT INTO nowhere VALUES (1)")

    with pytest.raises(sqlite3.Error, match="no such table: nowhere"):
        fail()
    with database.reading() as connection:
        assert connection.execute("SELECT count(*) FROM job").fetchone()[0] == 0


def test_many_writers_wait_for_one_another(tmp_path):
    database = Database(tmp_path)
    insert = "INSERT INTO job (kind, title, arguments, state, made) VALUES ('a', 'b', '[]', 'done', 0)"

    def write():
        for _ in range(20):
            with database.writing() as connection:
                connection.execute(insert)

    threads = [threading.Thread(target=write) for _ in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    with database.reading() as connection:
        assert connection.execute("SELECT count(*) FROM job").fetchone()[0] == 160


def test_a_connection_is_kept_for_the_next_who_reads_and_never_shared(tmp_path):
    database = Database(tmp_path)
    with database.reading() as first, database.reading() as second:
        assert first is not second
    with database.reading() as again:
        assert again in (first, second)
        with database.writing() as writer:
            assert writer is not again
            writer.execute("INSERT INTO job (kind, title, arguments, state, made) VALUES ('a', 'b', '[]', 'done', 0)")
        assert again.execute("SELECT count(*) FROM job").fetchone()[0] == 1  # what was committed since
    database.close()
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        again.execute("SELECT 1")
    with database.reading() as anew:
        assert anew.execute("SELECT count(*) FROM job").fetchone()[0] == 1


def test_a_connection_that_an_error_came_out_of_is_not_used_again(tmp_path):
    database = Database(tmp_path)
    with pytest.raises(ArgumentError, match="need one of at most 64 bits"), database.reading() as connection:
        connection.execute("SELECT ?", (1 << 70,))
    with database.reading() as other:
        assert other is not connection
