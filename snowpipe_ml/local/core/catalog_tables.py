"""The tables of the catalog: those in each database, and those of the account."""

from __future__ import annotations

import contextlib
import hashlib

import duckdb

from snowpipe_ml.local.core.duck import Duck
from snowpipe_ml.local.core.names import ACCOUNT, CATALOG, quoted

_DATABASE = f"""
CREATE SCHEMA IF NOT EXISTS "{{db}}".{CATALOG};
CREATE SCHEMA IF NOT EXISTS "{{db}}"."PUBLIC";
CREATE TABLE IF NOT EXISTS "{{db}}".{CATALOG}.STAGES (
  schema_name VARCHAR, name VARCHAR, id VARCHAR, url VARCHAR, options JSON, comment VARCHAR,
  session VARCHAR, created_on TIMESTAMPTZ DEFAULT current_timestamp);
CREATE TABLE IF NOT EXISTS "{{db}}".{CATALOG}.FILE_FORMATS (
  schema_name VARCHAR, name VARCHAR, options JSON, comment VARCHAR, session VARCHAR,
  created_on TIMESTAMPTZ DEFAULT current_timestamp);
CREATE TABLE IF NOT EXISTS "{{db}}".{CATALOG}.FUNCTIONS (
  schema_name VARCHAR, name VARCHAR, signature VARCHAR, kind VARCHAR, definition JSON, session VARCHAR,
  created_on TIMESTAMPTZ DEFAULT current_timestamp);
CREATE TABLE IF NOT EXISTS "{{db}}".{CATALOG}.STREAMLITS (
  schema_name VARCHAR, name VARCHAR, options JSON, url_id VARCHAR, owner VARCHAR,
  created_on TIMESTAMPTZ DEFAULT current_timestamp);
CREATE TABLE IF NOT EXISTS "{{db}}".{CATALOG}.TAGS (
  schema_name VARCHAR, name VARCHAR, allowed JSON, comment VARCHAR,
  created_on TIMESTAMPTZ DEFAULT current_timestamp);
CREATE TABLE IF NOT EXISTS "{{db}}".{CATALOG}.TAG_VALUES (
  tag_schema VARCHAR, tag_name VARCHAR, domain VARCHAR, schema_name VARCHAR, object_name VARCHAR,
  column_name VARCHAR, tag_value VARCHAR);
CREATE TABLE IF NOT EXISTS "{{db}}".{CATALOG}.LOADS (
  schema_name VARCHAR, table_name VARCHAR, file VARCHAR, etag VARCHAR, status VARCHAR,
  row_count BIGINT, row_parsed BIGINT, error_count BIGINT, first_error VARCHAR,
  loaded_at TIMESTAMPTZ DEFAULT current_timestamp);
CREATE TABLE IF NOT EXISTS "{{db}}".{CATALOG}.COPY_ERRORS (
  query_id VARCHAR, schema_name VARCHAR, table_name VARCHAR, error VARCHAR, file VARCHAR,
  line BIGINT, "character" BIGINT, byte_offset BIGINT, category VARCHAR, code BIGINT,
  sql_state VARCHAR, column_name VARCHAR, row_number BIGINT, row_start_line BIGINT,
  rejected_record VARCHAR);
CREATE TABLE IF NOT EXISTS "{{db}}".{CATALOG}.COPY_FAILURES (
  id BIGINT, query_id VARCHAR, schema_name VARCHAR, table_name VARCHAR, file VARCHAR, delimiter VARCHAR,
  position INTEGER, code BIGINT, column_name VARCHAR, prefix VARCHAR, suffix VARCHAR);
CREATE TABLE IF NOT EXISTS "{{db}}".{CATALOG}.COPY_REJECTS (
  failure BIGINT, line BIGINT, record VARCHAR USING COMPRESSION uncompressed);
CREATE TABLE IF NOT EXISTS "{{db}}".{CATALOG}.TEMPORARY (
  kind VARCHAR, schema_name VARCHAR, name VARCHAR, session VARCHAR);
CREATE TABLE IF NOT EXISTS "{{db}}".{CATALOG}.STREAMS (
  schema_name VARCHAR, name VARCHAR, kept VARCHAR, table_schema VARCHAR, table_name VARCHAR, append_only BOOLEAN);
ALTER TABLE "{{db}}".{CATALOG}.STREAMS ADD COLUMN IF NOT EXISTS source VARCHAR DEFAULT 'TABLE';
ALTER TABLE "{{db}}".{CATALOG}.STREAMS ADD COLUMN IF NOT EXISTS part_of VARCHAR;
ALTER TABLE "{{db}}".{CATALOG}.STREAMS ADD COLUMN IF NOT EXISTS label VARCHAR;
ALTER TABLE "{{db}}".{CATALOG}.STREAMS ADD COLUMN IF NOT EXISTS query VARCHAR;
CREATE TABLE IF NOT EXISTS "{{db}}".{CATALOG}.TASKS (
  schema_name VARCHAR, name VARCHAR, definition JSON, state VARCHAR, created_on TIMESTAMPTZ DEFAULT current_timestamp);
CREATE TABLE IF NOT EXISTS "{{db}}".{CATALOG}.TASK_RUNS (
  schema_name VARCHAR, name VARCHAR, root_name VARCHAR, root_id VARCHAR, group_id VARCHAR, attempt BIGINT,
  version BIGINT, original TIMESTAMPTZ, scheduled TIMESTAMPTZ, scheduled_from VARCHAR, config VARCHAR,
  query_id VARCHAR, query_text VARCHAR, condition VARCHAR, state VARCHAR, error_code BIGINT, error_message VARCHAR,
  started TIMESTAMPTZ, completed TIMESTAMPTZ, return_value VARCHAR);
CREATE TABLE IF NOT EXISTS "{{db}}".{CATALOG}.COLUMNS (
  schema_name VARCHAR, table_name VARCHAR, column_name VARCHAR, type VARCHAR, "default" VARCHAR);
CREATE TABLE IF NOT EXISTS "{{db}}".{CATALOG}.PROPERTIES (
  schema_name VARCHAR, name VARCHAR, property VARCHAR, value VARCHAR);
CREATE TABLE IF NOT EXISTS "{{db}}".{CATALOG}.TRANSIENT (schema_name VARCHAR, name VARCHAR);
CREATE TABLE IF NOT EXISTS "{{db}}".{CATALOG}.CHANGES (schema_name VARCHAR, name VARCHAR, changed_at BIGINT);
ALTER TABLE "{{db}}".{CATALOG}.CHANGES ADD COLUMN IF NOT EXISTS appended BIGINT;
CREATE TABLE IF NOT EXISTS "{{db}}".{CATALOG}.VERSIONS (
  schema_name VARCHAR, name VARCHAR, kept VARCHAR, changed_at BIGINT, rows BIGINT, cells BIGINT, definition VARCHAR);
"""
"""Creates the catalog of a database; its name in quotes replaces ``{db}``."""

_ACCOUNT = f"""
CREATE SCHEMA IF NOT EXISTS {ACCOUNT}.{CATALOG};
CREATE TABLE IF NOT EXISTS {ACCOUNT}.{CATALOG}.WAREHOUSES (
  name VARCHAR, options JSON, state VARCHAR, created_on TIMESTAMPTZ DEFAULT current_timestamp);
CREATE TABLE IF NOT EXISTS {ACCOUNT}.{CATALOG}.ROLES (
  name VARCHAR, comment VARCHAR, created_on TIMESTAMPTZ DEFAULT current_timestamp);
CREATE TABLE IF NOT EXISTS {ACCOUNT}.{CATALOG}.GRANTS (
  privilege VARCHAR, granted_on VARCHAR, name VARCHAR, grantee VARCHAR,
  created_on TIMESTAMPTZ DEFAULT current_timestamp);
ALTER TABLE {ACCOUNT}.{CATALOG}.GRANTS ADD COLUMN IF NOT EXISTS grant_option BOOLEAN DEFAULT false;
ALTER TABLE {ACCOUNT}.{CATALOG}.GRANTS ADD COLUMN IF NOT EXISTS granted_to VARCHAR DEFAULT 'ROLE';
CREATE TABLE IF NOT EXISTS {ACCOUNT}.{CATALOG}.USERS (
  name VARCHAR, options JSON, created_on TIMESTAMPTZ DEFAULT current_timestamp);
"""
"""Creates the tables of the account."""


def create_catalog(duck: Duck, database: str) -> None:
    """Create the tables that are missing in the catalog of an attached database, or in that of the account.

    The table VERSION says which script has run. Its one row is read in a tenth of the time in which the script
    finds that all of its tables exist, and one transaction takes a third of the time of one for each table.
    """
    script = _ACCOUNT if database == ACCOUNT else _DATABASE
    digest = hashlib.sha256(script.encode()).hexdigest()
    version = quoted(database, CATALOG, "VERSION")
    with contextlib.suppress(duckdb.CatalogException):  # a new database, or one of an earlier version
        if duck.execute(f"SELECT digest FROM {version}").fetchall() == [(digest,)]:
            return
    duck.execute("BEGIN TRANSACTION")
    try:
        script = script.format(db=database.replace('"', '""'))
        duck.execute(f"{script}CREATE OR REPLACE TABLE {version} AS SELECT '{digest}' AS digest")
        duck.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(duckdb.Error):  # a failed COMMIT has ended the transaction
            duck.execute("ROLLBACK")
        raise
