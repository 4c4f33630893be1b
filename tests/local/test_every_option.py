"""Every option of COPY, stages, PUT and GET in Snowflake's reference: what it does here, or its refusal by name.

The options of file formats and of COPY INTO a table are in test_copy_options.py. docs/parity.md lists the state
and the witness of each. https://docs.snowflake.com/en/sql-reference/sql/copy-into-location
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.local.test_copy_options import CASES, COPY_CASES, ELSEWHERE, FIXED

Query = Callable[..., list[tuple[Any, ...]]]
REFERENCE = Path(__file__).parents[1] / "documented" / "reference" / "options.tsv"
THIS = "tests/local/test_every_option.py"
COPY_OPTIONS = "tests/local/test_copy_options.py"

SERVED = {
    "COPY FILES": {
        "DETAILED_OUTPUT": "test_copy_files",
        "FILES": "test_copy_files",
        "PATTERN": "test_copy_files",
    },
    "COPY INTO <location>": {
        "DETAILED_OUTPUT": "test_detailed_output",
        "FILE_FORMAT": "test_unloaded_names",
        "HEADER": "test_header",
        "INCLUDE_QUERY_ID": "test_unloaded_names",
        "MAX_FILE_SIZE": "test_max_file_size",
        "OVERWRITE": "test_overwrite",
        "SINGLE": "test_unloaded_names",
    },
    "CREATE STAGE": {
        "COMMENT": "test_options_of_stages",
        "DIRECTORY": "test_options_of_stages",
        "ENCRYPTION": "test_options_of_stages",
        "FILE_FORMAT": "test_options_of_stages",
        "URL": "test_options_of_stages",
    },
    "GET": {"PARALLEL": "test_get", "PATTERN": "test_get"},
    "PUT": {
        "AUTO_COMPRESS": "test_put",
        "OVERWRITE": "test_put",
        "PARALLEL": "test_put",
        "SOURCE_COMPRESSION": "test_put",
    },
}
"""The tests that show the effect of an option, by statement and option."""

REFUSED = {
    "COPY INTO <location>": {
        "CREDENTIALS": "COPY INTO @s FROM t CREDENTIALS = (AWS_KEY_ID = 'x')",
        "ENCRYPTION": "COPY INTO @s FROM t ENCRYPTION = (TYPE = NONE)",
        "PARTITION BY": "COPY INTO @s FROM t PARTITION BY ('a')",
        "STORAGE_INTEGRATION": "COPY INTO @s FROM t STORAGE_INTEGRATION = x",
        "VALIDATION_MODE": "COPY INTO @s FROM t VALIDATION_MODE = RETURN_ROWS",
    },
    "COPY INTO <table>": {
        "CLUSTER_AT_INGEST_TIME": "COPY INTO t FROM @s CLUSTER_AT_INGEST_TIME = TRUE",
        "CREDENTIALS": "COPY INTO t FROM @s CREDENTIALS = (AWS_KEY_ID = 'x')",
        "ENCRYPTION": "COPY INTO t FROM @s ENCRYPTION = (TYPE = NONE)",
        "FILE_PROCESSOR": "COPY INTO t FROM @s FILE_PROCESSOR = (SCANNER = 'x')",
        "INCLUDE_METADATA": "COPY INTO t FROM @s INCLUDE_METADATA = (a = METADATA$FILENAME)",
        "LOAD_MODE": "COPY INTO t FROM @s LOAD_MODE = FULL_INGEST",
        "STORAGE_INTEGRATION": "COPY INTO t FROM @s STORAGE_INTEGRATION = x",
    },
    "CREATE STAGE": {
        "AWS_ACCESS_POINT_ARN": "CREATE STAGE x URL = 's3://x/' AWS_ACCESS_POINT_ARN = 'x'",
        "CREDENTIALS": "CREATE STAGE x URL = 's3://x/' CREDENTIALS = (AWS_KEY_ID = 'x')",
        "ENDPOINT": "CREATE STAGE x URL = 's3compat://x/' ENDPOINT = 'x'",
        "STORAGE_INTEGRATION": "CREATE STAGE x URL = 's3://x/' STORAGE_INTEGRATION = x",
        "TAG": "CREATE STAGE x WITH TAG (a = 'x')",
        "USE_PRIVATELINK_ENDPOINT": "CREATE STAGE x URL = 's3://x/' USE_PRIVATELINK_ENDPOINT = TRUE",
    },
}
"""A statement with the option, which must be refused with the option's name."""

# File formats that are refused by the name of their type.
_REFUSED_TYPES = ("CUSTOM", "XML")


def reference() -> list[tuple[str, str]]:
    """Return the (statement or file format, option) of Snowflake's reference."""
    with REFERENCE.open(encoding="utf-8") as file:
        return [(row["of"], row["option"]) for row in csv.DictReader(file, delimiter="\t")]


def option_state(of: str, option: str) -> tuple[str, str]:
    """Return the state of an option, ``served``, ``default only`` or ``refused``, and its witness.

    Raises:
        KeyError: no test knows the option.
    """
    if of.startswith("FILE FORMAT TYPE = "):
        kind = of.rpartition(" ")[2]
        if kind in _REFUSED_TYPES:
            return "refused", f"{THIS}::test_types_of_file_formats_are_refused"
        if option in CASES[kind]:
            return "served", f"{COPY_OPTIONS}::test_a_file_format_option_changes_what_is_loaded"
        if option in ELSEWHERE[kind]:
            return "served", f"{COPY_OPTIONS}::{ELSEWHERE[kind][option]}"
        assert option in FIXED[kind], (of, option)
        return "default only", f"{COPY_OPTIONS}::test_an_option_without_effect_is_refused_by_name"
    if of == "COPY INTO <table>" and option in COPY_CASES:
        test = COPY_CASES[option]
        return "served", f"{COPY_OPTIONS}::{test}" if test.startswith("test_") else COPY_OPTIONS
    if option in SERVED.get(of, {}):
        return "served", f"{THIS}::{SERVED[of][option]}"
    assert REFUSED[of][option]
    return "refused", f"{THIS}::test_an_option_is_refused_by_name"


def test_every_option_has_a_state() -> None:
    for of, option in reference():
        assert option_state(of, option)[1]
    listed = set(reference())
    for table in (SERVED, REFUSED):
        assert {(of, option) for of, options in table.items() for option in options} <= listed
    tests = {test for options in SERVED.values() for test in options.values()}
    assert tests <= set(globals())


@pytest.fixture
def people(query: Query) -> None:
    query("CREATE STAGE s")
    query("CREATE TABLE t (a INT)")
    query("INSERT INTO t VALUES (1), (2)")


@pytest.mark.parametrize(
    ("option", "statement"),
    [(option, statement) for options in REFUSED.values() for option, statement in options.items()],
)
def test_an_option_is_refused_by_name(query: Query, people: None, option: str, statement: str) -> None:
    with pytest.raises(Exception, match=f"does not support.*{option}"):
        query(statement)


@pytest.mark.parametrize("kind", _REFUSED_TYPES)
def test_types_of_file_formats_are_refused(query: Query, people: None, kind: str) -> None:
    with pytest.raises(Exception, match=f"does not support.*{kind}"):
        query(f"COPY INTO t FROM @s FILE_FORMAT = (TYPE = {kind})")


@pytest.mark.parametrize(
    "statement",
    [
        "COPY INTO @s FROM t COLOUR = 'red'",
        "COPY FILES INTO @s FROM @s COLOUR = 'red'",
        "CREATE STAGE x COLOUR = 'red'",
        "PUT file:///nothing @s COLOUR = 'red'",
        "GET @s file:///nothing COLOUR = 'red'",
    ],
)
def test_an_unknown_option_is_an_error(query: Query, people: None, statement: str) -> None:
    with pytest.raises(Exception, match="COLOUR"):
        query(statement)


def _names(query: Query) -> list[str]:
    return [row[0].removeprefix("s/") for row in query("LIST @s")]


def test_unloaded_names(query: Query, people: None) -> None:
    query("COPY INTO @s/a FROM t")
    query("COPY INTO @s/b FROM t FILE_FORMAT = (TYPE = CSV COMPRESSION = NONE)")
    query("COPY INTO @s/c.csv FROM t SINGLE = TRUE")
    query("COPY INTO @s/d FROM t INCLUDE_QUERY_ID = TRUE FILE_FORMAT = (TYPE = PARQUET)")
    *names, last = _names(query)
    assert names == ["a_0_0_0.csv.gz", "b_0_0_0.csv", "c.csv"]
    assert last.startswith("d_")
    assert last.endswith(".snappy.parquet")
    assert len(last) > 50


def test_detailed_output(query: Query, people: None) -> None:
    ((name, size, count),) = query("COPY INTO @s/a FROM t DETAILED_OUTPUT = TRUE")
    assert (name, count) == ("a_0_0_0.csv.gz", 2)
    assert size > 0


@pytest.mark.parametrize("written", ["HEADER = TRUE {0}", "{0} HEADER = TRUE", "HEADER {0}"])
def test_header(query: Query, people: None, written: str) -> None:
    query(f"COPY INTO @s/a FROM t {written.format('FILE_FORMAT = (TYPE = CSV)')}")
    assert query("SELECT $1 FROM @s/a") == [("A",), ("1",), ("2",)]


def test_overwrite(query: Query, people: None) -> None:
    query("COPY INTO @s/a FROM t")
    with pytest.raises(Exception, match="already existing"):
        query("COPY INTO @s/a FROM t")
    query("COPY INTO @s/a FROM (SELECT 3) OVERWRITE = TRUE")
    assert query("SELECT $1 FROM @s/a") == [("3",)]


def test_max_file_size(query: Query, people: None) -> None:
    query("COPY INTO @s/a FROM t MAX_FILE_SIZE = 1000")
    with pytest.raises(Exception, match="several files"):
        query("COPY INTO @s/b FROM t MAX_FILE_SIZE = 3")
    with pytest.raises(Exception, match=r"Max file size \(3\) exceeded"):
        query("COPY INTO @s/b FROM t SINGLE = TRUE MAX_FILE_SIZE = 3")
    assert _names(query) == ["a_0_0_0.csv.gz"]


def test_copy_files(query: Query, people: None) -> None:
    for name in ("a", "b", "c"):
        query(f"COPY INTO @s/from/{name} FROM t SINGLE = TRUE")
    query("CREATE STAGE other")
    assert query("COPY FILES INTO @other/1/ FROM @s/from/ FILES = ('a')") == [("1/a",)]
    assert query("COPY FILES INTO @other/2/ FROM @s/from/ PATTERN = '.*[bc]'") == [("2/b",), ("2/c",)]
    assert query("COPY FILES INTO @other/3/ FROM @s/from/ DETAILED_OUTPUT = FALSE") == [(3,)]


def test_put(query: Query, people: None, tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("1\n")
    (tmp_path / "packed").write_bytes(gzip.compress(b"2\n"))
    uploaded = [
        query(f"PUT file://{tmp_path}/plain @s/1 PARALLEL = 2"),
        query(f"PUT file://{tmp_path}/plain @s/2 AUTO_COMPRESS = FALSE"),
        query(f"PUT file://{tmp_path}/packed @s/3 SOURCE_COMPRESSION = GZIP"),
        query(f"PUT file://{tmp_path}/packed @s/4 SOURCE_COMPRESSION = NONE"),
        query(f"PUT file://{tmp_path}/plain @s/1"),
        query(f"PUT file://{tmp_path}/plain @s/1 OVERWRITE = TRUE"),
    ]
    assert [(row[1], row[5], row[6]) for ((*row,),) in uploaded] == [
        ("plain.gz", "GZIP", "UPLOADED"),
        ("plain", "NONE", "UPLOADED"),
        ("packed", "GZIP", "UPLOADED"),
        ("packed.gz", "GZIP", "UPLOADED"),
        ("plain.gz", "GZIP", "SKIPPED"),
        ("plain.gz", "GZIP", "UPLOADED"),
    ]
    with pytest.raises(Exception, match="SOURCE_COMPRESSION is one of"):
        query(f"PUT file://{tmp_path}/plain @s SOURCE_COMPRESSION = ZIP")


def test_get(query: Query, people: None, tmp_path: Path) -> None:
    for name in ("a", "b"):
        query(f"COPY INTO @s/{name} FROM t SINGLE = TRUE")
    query(f"GET @s file://{tmp_path}/some PATTERN = '.*b' PARALLEL = 3")
    assert [file.name for file in (tmp_path / "some").iterdir()] == ["b"]


def test_options_of_stages(query: Query, people: None, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("a;b\n")
    query(
        f"CREATE STAGE e URL = 'file://{tmp_path}' DIRECTORY = (ENABLE = TRUE) COMMENT = 'files' "
        "FILE_FORMAT = (TYPE = CSV FIELD_DELIMITER = ';')"
    )
    assert query("SELECT $1, $2 FROM @e") == [("a", "b")]
    assert query("SELECT relative_path FROM DIRECTORY(@e)") == [("x.csv",)]
    assert "files" in query("SHOW STAGES LIKE 'e'")[0]
    query("CREATE STAGE i ENCRYPTION = (TYPE = 'SNOWFLAKE_SSE')")
    with pytest.raises(Exception, match="ENCRYPTION of a stage with the type AWS_CSE"):
        query("CREATE STAGE j ENCRYPTION = (TYPE = 'AWS_CSE')")
