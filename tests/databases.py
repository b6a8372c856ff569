"""Databases for tests: copies of a migrated one, used again when a test only wrote rows.

To make and drop a database of hundreds of files, or to truncate its tables, takes the server much longer
than to delete the rows of the few tables that a test wrote into.
"""

from __future__ import annotations

from uuid import uuid4

import psycopg
from psycopg.rows import tuple_row

from exchange.repository.database import embedded

_REUSABLE = """
CREATE SCHEMA tests;
CREATE TABLE tests.changed (command text);
CREATE FUNCTION tests.note_change() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    INSERT INTO tests.changed
    SELECT command_tag FROM pg_event_trigger_ddl_commands() WHERE schema_name IS DISTINCT FROM 'pg_temp';
END $$;
CREATE FUNCTION tests.note_drop() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    INSERT INTO tests.changed SELECT 'DROP ' || object_type FROM pg_event_trigger_dropped_objects()
    WHERE schema_name IS DISTINCT FROM 'pg_temp';
END $$;
DO $$
DECLARE filled text;
BEGIN
    FOR filled IN
        SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
        AND relname <> 'migration' AND pg_relation_size(oid) > 0
    LOOP
        EXECUTE format('CREATE TABLE tests.%I AS TABLE public.%I', filled, filled);
    END LOOP;
END $$;
CREATE EVENT TRIGGER note_change ON ddl_command_end EXECUTE FUNCTION tests.note_change();
CREATE EVENT TRIGGER note_drop ON sql_drop EXECUTE FUNCTION tests.note_drop();
ALTER EVENT TRIGGER note_change ENABLE ALWAYS;
ALTER EVENT TRIGGER note_drop ENABLE ALWAYS;
"""
_EMPTY = """
DO $$
DECLARE filled regclass; seed text;
BEGIN
    FOR filled IN
        SELECT oid FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
        AND relname <> 'migration' AND pg_relation_size(oid) > 0
    LOOP
        EXECUTE 'DELETE FROM ' || filled;
    END LOOP;
    FOR seed IN
        SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'tests'::regnamespace
        AND relname <> 'changed'
    LOOP
        EXECUTE format('INSERT INTO public.%I SELECT * FROM tests.%I', seed, seed);
    END LOOP;
    PERFORM setval(seqrelid::regclass, seqstart, false) FROM pg_sequence
    WHERE pg_sequence_last_value(seqrelid) IS NOT NULL;
END $$
"""
_SEND_AWAY = """
SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
WHERE datname = current_database() AND pid NOT IN (pg_backend_pid(), %s) AND backend_type = 'client backend'
"""
_AS_NEW = """
CLOSE ALL; SET SESSION AUTHORIZATION DEFAULT; RESET ALL; UNLISTEN *; DISCARD TEMP; DISCARD SEQUENCES;
SELECT pg_advisory_unlock_all()
"""


def make_reusable(url: str) -> None:
    """Lets a template's copies tell whether their schema is still the template's."""
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute(_REUSABLE)


def copy_database(server: str, template: str) -> str:
    """URL of a new database."""
    name = f"test_{uuid4().hex}"
    with psycopg.connect(server, autocommit=True) as conn:
        conn.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
    return embedded.url_with(server, database=name)


def drop_database(server: str, url: str) -> None:
    name = url.partition("?")[0].rpartition("/")[2]
    with psycopg.connect(server, autocommit=True) as conn:
        conn.execute(f"DROP DATABASE {name} WITH (FORCE)")


def janitor(url: str) -> psycopg.Connection:
    """A connection that empties the database again and again: a new one would have to learn all tables first.

    Triggers and foreign keys have no say.
    """
    return psycopg.connect(url, autocommit=True, options="-c session_replication_role=replica")


def empty(conn: psycopg.Connection) -> None:
    """Leaves the rows of a new database."""
    conn.execute(_EMPTY)


def emptied_if_reusable(conn: psycopg.Connection, kept: psycopg.Connection | None) -> bool:
    """Whether it is as new again, not so if more than rows was changed; ends all connections but `kept`."""
    conn.execute(_SEND_AWAY, [kept.info.backend_pid if kept else 0])
    if conn.execute("SELECT FROM tests.changed LIMIT 1").fetchall():
        return False
    empty(conn)
    return True


def as_new(conn: psycopg.Connection) -> bool:
    """Whether what a test left could be undone: the server's side knows tables and plans already."""
    try:
        conn.rollback()
        conn.autocommit = True
        conn.execute(_AS_NEW)
        conn.autocommit = False
    except psycopg.Error:
        return False
    conn.row_factory = tuple_row
    conn.isolation_level = conn.read_only = None
    return True
