"""Cases of COPY INTO a stage, VALIDATION_MODE and INFER_SCHEMA."""

from __future__ import annotations

from unittest.mock import ANY

from tests.local.statement_cases.case import (
    ALL_PEOPLE,
    COUNT,
    DONE,
    LOADED,
    PEOPLE,
    PUT,
    PUT_BAD,
    ROWS,
    STAGE,
    TABLE,
    Case,
    created,
)

FILES: dict[str, Case] = {
    "COPY INTO a stage from a table": Case(
        [TABLE, ROWS, STAGE],
        "COPY INTO @files/out/people FROM people FILE_FORMAT = (TYPE = CSV)",
        {"rows_unloaded": [2], "input_bytes": [ANY], "output_bytes": [ANY]},
        [
            ("LIST @files", {"name": ["files/out/people_0_0_0.csv.gz"]}),
            ("SELECT $1, $2 FROM @files/out ORDER BY 1", [("1", "Ada"), ("2", "Bob")]),
            (
                "COPY INTO @files/out/people FROM people FILE_FORMAT = (TYPE = CSV)",
                "Files already existing at the unload destination",
            ),
            ("TRUNCATE TABLE people", DONE),
            ("COPY INTO people FROM @files/out", LOADED),
            (ALL_PEOPLE, PEOPLE),
        ],
    ),
    "COPY INTO a stage from a query": Case(
        [TABLE, ROWS, STAGE],
        "COPY INTO @files/out.csv FROM (SELECT name, id * 10 AS tens FROM people ORDER BY id) "
        "FILE_FORMAT = (TYPE = CSV COMPRESSION = 'NONE') HEADER = TRUE SINGLE = TRUE DETAILED_OUTPUT = TRUE",
        {"FILE_NAME": ["out.csv"], "FILE_SIZE": [24], "ROW_COUNT": [2]},
        [
            ("LIST @files", {"name": ["files/out.csv"], "size": [24]}),
            (
                "SELECT $1, $2 FROM @files/out.csv ORDER BY METADATA$FILE_ROW_NUMBER",
                [("NAME", "TENS"), ("Ada", "10"), ("Bob", "20")],
            ),
        ],
    ),
    "COPY INTO a stage as Parquet": Case(
        [TABLE, ROWS, STAGE],
        "COPY INTO @files/people FROM people FILE_FORMAT = (TYPE = PARQUET) HEADER = TRUE",
        {"rows_unloaded": [2]},
        [
            ("LIST @files", {"name": ["files/people_0_0_0.snappy.parquet"]}),
            ("CREATE FILE FORMAT columns TYPE = PARQUET", created("File format", "COLUMNS")),
            (
                "SELECT $1:ID::INT, $1:NAME::VARCHAR FROM @files (FILE_FORMAT => 'columns') ORDER BY 1",
                PEOPLE,
            ),
        ],
    ),
    "COPY FILES": Case(
        [STAGE, PUT, PUT_BAD, "CREATE STAGE copies"],
        "COPY FILES INTO @copies FROM @files PATTERN = '.*people.*'",
        {"file": ["people.csv.gz"]},
        [("LIST @copies", {"name": ["copies/people.csv.gz"]})],
    ),
    "VALIDATION_MODE = RETURN_ERRORS": Case(
        [TABLE, STAGE, PUT, PUT_BAD],
        "COPY INTO people FROM @files VALIDATION_MODE = RETURN_ERRORS",
        {
            "ERROR": ["Numeric value 'x' is not recognized"],
            "LINE": [2],
            "CHARACTER": [1],
            "CATEGORY": ["conversion"],
            "CODE": [100038],
            "SQL_STATE": ["22018"],
            "COLUMN_NAME": ['"PEOPLE"["ID":1]'],
            "ROW_NUMBER": [2],
            "ROW_START_LINE": [2],
            "REJECTED_RECORD": ["x,Bob"],
        },
        [(COUNT, [(0,)]), ("COPY INTO people FROM @files/people", LOADED)],
    ),
    "VALIDATION_MODE = RETURN_ERRORS of valid files": Case(
        [TABLE, STAGE, PUT],
        "COPY INTO people FROM @files VALIDATION_MODE = RETURN_ERRORS",
        [],
        [(COUNT, [(0,)])],
    ),
    "VALIDATION_MODE = RETURN_n_ROWS": Case(
        [TABLE, STAGE, PUT],
        "COPY INTO people FROM @files VALIDATION_MODE = RETURN_1_ROWS",
        {"ID": [1], "NAME": ["Ada"]},
        [(COUNT, [(0,)])],
    ),
    # The first error ends the validation.
    "VALIDATION_MODE = RETURN_n_ROWS of a file with an error": Case(
        [TABLE, STAGE, PUT_BAD],
        "COPY INTO people FROM @files VALIDATION_MODE = RETURN_10_ROWS",
        "Numeric value 'x' is not recognized",
        [(COUNT, [(0,)])],
    ),
    "INFER_SCHEMA of a CSV file": Case(
        [
            STAGE,
            "PUT 'file://{folder}/header.csv' @files",
            "CREATE FILE FORMAT named TYPE = CSV PARSE_HEADER = TRUE",
        ],
        "SELECT * FROM TABLE(INFER_SCHEMA(LOCATION => '@files', FILE_FORMAT => 'named'))",
        {
            "COLUMN_NAME": ["id", "born", "name"],
            "TYPE": ["NUMBER(2, 0)", "DATE", "TEXT"],
            "NULLABLE": [True, True, True],
            "EXPRESSION": ["$1::NUMBER(2, 0)", "$2::DATE", "$3::TEXT"],
            "ORDER_ID": [0, 1, 2],
        },
    ),
    "INFER_SCHEMA of a CSV file without a header": Case(
        [STAGE, PUT, "CREATE FILE FORMAT plain TYPE = CSV"],
        "SELECT * FROM TABLE(INFER_SCHEMA(LOCATION => '@files', FILE_FORMAT => 'plain'))",
        {"COLUMN_NAME": ["c1", "c2"], "TYPE": ["NUMBER(1, 0)", "TEXT"], "ORDER_ID": [0, 1]},
    ),
    "INFER_SCHEMA of a Parquet file": Case(
        [
            TABLE,
            ROWS,
            STAGE,
            "COPY INTO @files/people FROM people FILE_FORMAT = (TYPE = PARQUET) HEADER = TRUE",
            "CREATE FILE FORMAT columns TYPE = PARQUET",
        ],
        "SELECT * FROM TABLE(INFER_SCHEMA(LOCATION => '@files', FILE_FORMAT => 'columns'))",
        {
            "COLUMN_NAME": ["ID", "NAME"],
            "TYPE": ["NUMBER(38, 0)", "TEXT"],
            "NULLABLE": [True, True],
            "EXPRESSION": ["$1:ID::NUMBER(38, 0)", "$1:NAME::TEXT"],
            "ORDER_ID": [0, 1],
        },
    ),
    "COPY INTO a stage with COMPRESSION = NONE": Case(
        [TABLE, ROWS, STAGE],
        "COPY INTO @files/people FROM people FILE_FORMAT = (TYPE = CSV COMPRESSION = NONE)",
        {"rows_unloaded": [2]},
        [("LIST @files", {"name": ["files/people_0_0_0.csv"], "size": [12]})],
    ),
}
