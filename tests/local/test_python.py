from __future__ import annotations

import io
import os
import threading
import zipfile
from pathlib import Path
from typing import Any

import pytest
from snowflake.snowpark.exceptions import SnowparkSQLException
from snowflake.snowpark.functions import col
from snowflake.snowpark.types import (
    DateType,
    FloatType,
    LongType,
    PandasDataFrameType,
    StringType,
    StructField,
    StructType,
)

from snowpipe_ml.local.python.registry import functions_of
from tests.gate import Gate, eventually, opened_after


@pytest.fixture
def table(query: Any) -> None:
    query("CREATE TABLE t (k VARCHAR, n INT, x FLOAT, d DATE)")
    query(
        "INSERT INTO t VALUES ('a', 1, 0.5, '2020-01-01'), ('a', 2, 1.5, '2020-01-02'), ('b', NULL, 2.5, NULL)"
    )


def test_scalar_function_with_nulls_and_types(session: Any, query: Any, table: None) -> None:
    def describe(k, n, d):
        return f"{k} {n} {d}"

    types = [StringType(), LongType(), DateType()]
    session.udf.register(describe, name="describe_row", input_types=types, return_type=StringType())
    assert query("SELECT describe_row(k, n, d) FROM t ORDER BY x") == [
        ("a 1 2020-01-01",),
        ("a 2 2020-01-02",),
        ("b None None",),
    ]
    # Arguments are cast at the call, and calls may be nested in expressions.
    assert query("SELECT LENGTH(describe_row('z', '7', '2021-05-05')) || '!'") == [("14!",)]


def test_many_rows_go_through_in_order(session: Any, query: Any) -> None:
    session.udf.register(lambda n: n * 2, name="twice", input_types=[LongType()], return_type=LongType())
    query("CREATE TABLE big AS SELECT SEQ4() AS n FROM TABLE(GENERATOR(ROWCOUNT => 30000))")
    assert query("SELECT COUNT(*), SUM(twice(n) - 2 * n) FROM big") == [(30000, 0)]


def test_vectorized_scalar_function(session: Any, query: Any, table: None) -> None:
    from snowflake.snowpark.functions import pandas_udf
    from snowflake.snowpark.types import PandasSeriesType

    pandas_udf(
        lambda x: x * 10,
        name="tenfold",
        session=session,
        return_type=PandasSeriesType(FloatType()),
        input_types=[PandasSeriesType(FloatType())],
        packages=["pandas"],
    )
    assert query("SELECT tenfold(x) FROM t ORDER BY 1") == [(5.0,), (15.0,), (25.0,)]


def test_row_table_function(session: Any, table: None) -> None:
    class Running:
        """A row-based table function with state per partition."""

        def __init__(self) -> None:
            self.total = 0

        def process(self, n):
            if n is not None:
                self.total += n
                yield (n, self.total)

        def end_partition(self):
            yield (-1, self.total)

    schema = StructType([StructField("n_in", LongType()), StructField("total", LongType())])
    running = session.udtf.register(Running, name="running", output_schema=schema, input_types=[LongType()])
    frame = session.table("t").join_table_function(running(col("n")).over(partition_by="k", order_by="n"))
    rows = sorted(
        (row["K"], row["X"], row["N_IN"], row["TOTAL"]) for row in frame.collect() if row["N_IN"] != -1
    )
    assert rows == [("a", 0.5, 1, 1), ("a", 1.5, 2, 3)]
    # In rows from the end of a partition, the partition columns are set and the other columns are NULL.
    ends = sorted((row["K"], row["X"], row["TOTAL"]) for row in frame.collect() if row["N_IN"] == -1)
    assert ends == [("a", None, 3), ("b", None, 0)]


VECTORIZED = """
import pandas as pd
class Handler:
    def end_partition(self, df):
        return pd.DataFrame({"k": [df["K"].iloc[0]], "rows": [len(df)], "total": [df["N"].sum()], "names": [",".join(df.columns)]})
Handler.end_partition._sf_vectorized_input = pd.DataFrame
"""


def test_vectorized_table_function_from_a_staged_file(session: Any, query: Any, table: None) -> None:
    query("CREATE STAGE code")
    session.file.put_stream(io.BytesIO(VECTORIZED.encode()), "@code/handler.py", auto_compress=False)
    query(
        "CREATE FUNCTION summary(k VARCHAR, n FLOAT) RETURNS TABLE (key VARCHAR, rows_in INT, total FLOAT, names VARCHAR) "
        "LANGUAGE PYTHON RUNTIME_VERSION = '3.11' PACKAGES = ('pandas') IMPORTS = ('@code/handler.py') HANDLER = 'handler.Handler'"
    )
    text = "SELECT t.k, s.* FROM t, TABLE(summary(t.k, t.n::FLOAT) OVER (PARTITION BY t.k)) s ORDER BY 1"
    assert query(text) == [("a", "a", 2, 3.0, "K,N"), ("b", "b", 1, 0.0, "K,N")]
    # It works in a CTAS, and can be described without running.
    query(f"CREATE TABLE result AS {text}")
    assert query("SELECT SUM(rows_in) FROM result") == [(3,)]
    assert [field.name for field in session.sql(text).schema.fields] == [
        "K",
        "KEY",
        "ROWS_IN",
        "TOTAL",
        "NAMES",
    ]


def test_a_permanent_function_lives_on(tmp_path: Path) -> None:
    import snowpipe_ml

    first = snowpipe_ml.local_session(tmp_path)
    first.sql("CREATE STAGE code").collect()
    first.udf.register(
        lambda n: n + 1,
        name="plus_one",
        input_types=[LongType()],
        return_type=LongType(),
        is_permanent=True,
        stage_location="@code",
        replace=True,
    )
    first.close()
    second = snowpipe_ml.local_session(tmp_path)
    assert second.sql("SELECT plus_one(41)").collect()[0][0] == 42
    assert [row["name"] for row in second.sql("SHOW USER FUNCTIONS").collect()] == ["PLUS_ONE"]
    second.close()


def test_partitions_run_in_several_processes(
    session: Any, query: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    processes = min(functions_of(session.connection.storage).workers, 16)
    for gate in opened_after(tmp_path, monkeypatch):
        query(
            "CREATE FUNCTION whoami(n INT) RETURNS TABLE (pid INT) LANGUAGE PYTHON RUNTIME_VERSION = '3.11' PACKAGES = () "
            f"HANDLER = 'H' AS $$\n{gate.code}class H:\n    def process(self, n):\n        wait_at_gate()\n        yield (os.getpid(),)\n$$"
        )
        query("CREATE TABLE p AS SELECT SEQ4() AS n FROM TABLE(GENERATOR(ROWCOUNT => 16))")

        def open_once_all_have_begun(gate: Gate = gate) -> None:
            eventually(lambda: len(gate.reached()) >= processes)
            gate.opened.touch()

        opening = threading.Thread(target=open_once_all_have_begun)
        opening.start()
        pids = {pid for (pid,) in query("SELECT w.pid FROM p, TABLE(whoami(p.n) OVER (PARTITION BY p.n)) w")}
        opening.join()
    assert len(pids) == processes
    assert os.getpid() not in pids


def scalar(query: Any, body: str, packages: str = "()") -> Any:
    query(
        "CREATE OR REPLACE FUNCTION f(n INT) RETURNS VARCHAR LANGUAGE PYTHON RUNTIME_VERSION = '3.11' "
        f"PACKAGES = {packages} HANDLER = 'f' AS $$\n{body}\n$$"
    )
    return query("SELECT f(1)")[0][0]


def test_an_undeclared_package_is_not_there(query: Any) -> None:
    with pytest.raises(SnowparkSQLException, match=r"No module named 'yaml' \(declare the package 'pyyaml'"):
        scalar(query, "import yaml\ndef f(n): return 'x'")
    # pyarrow transports the data, but the function still cannot import it.
    with pytest.raises(SnowparkSQLException, match="No module named 'pyarrow'"):
        scalar(query, "def f(n):\n    import pyarrow\n    return 'x'")
    assert (
        scalar(query, "import importlib.util\ndef f(n): return str(importlib.util.find_spec('yaml'))")
        == "None"
    )


def test_a_declared_package_comes_with_what_it_requires(query: Any) -> None:
    assert (
        scalar(query, "import pandas, numpy, dateutil\ndef f(n): return pandas.__name__", "('pandas')")
        == "pandas"
    )
    with pytest.raises(SnowparkSQLException, match="declare the package 'pytorch'"):
        scalar(query, "import torch\ndef f(n): return 'x'", "('pandas')")


@pytest.mark.parametrize(
    ("packages", "message"),
    [
        ("('no-such-package')", "pip install 'no-such-package'"),
        ("('pandas==1.0.0')", "'pandas==1.0.0' is declared, but pandas"),
        ("('pandas >>> 3')", "Invalid package specification"),
    ],
)
def test_packages_are_checked_when_the_function_is_created(query: Any, packages: str, message: str) -> None:
    with pytest.raises(SnowparkSQLException, match=message):
        scalar(query, "def f(n): return 'x'", packages)


def test_a_handlers_error_reaches_the_caller(query: Any, table: None) -> None:
    with pytest.raises(SnowparkSQLException) as caught:
        scalar(query, "def helper(n):\n    raise ValueError(f'bad {n}')\n\ndef f(n):\n    return helper(n)")
    message = str(caught.value)
    assert caught.value.sql_error_code == 100357
    assert "Python Interpreter Error" in message
    assert "ValueError: bad 1" in message
    assert "in helper" in message
    assert "worker.py" not in message


def test_a_dying_worker_fails_its_query_alone(query: Any) -> None:
    with pytest.raises(SnowparkSQLException, match="worker process was killed by signal 9"):
        scalar(query, "import os, signal\ndef f(n): os.kill(os.getpid(), signal.SIGKILL)")
    assert scalar(query, "def f(n): return 'alive'") == "alive"


def test_a_missing_import_is_found_at_create(query: Any) -> None:
    query("CREATE STAGE code")
    with pytest.raises(SnowparkSQLException, match="Remote file '@code/nope.zip' was not found"):
        query(
            "CREATE FUNCTION f(n INT) RETURNS INT LANGUAGE PYTHON RUNTIME_VERSION = '3.11' "
            "IMPORTS = ('@code/nope.zip') HANDLER = 'nope.f'"
        )


def test_imports_are_found_by_snowflakes_option(session: Any, query: Any) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("mylib/__init__.py", "def f(n): import mylib.deep; return mylib.deep.read()")
        archive.writestr(
            "mylib/deep.py",
            "import sys\ndef read(): return open(sys._xoptions['snowflake_import_directory'] + 'data.txt').read()",
        )
    query("CREATE STAGE code")
    session.file.put_stream(io.BytesIO(out.getvalue()), "@code/mylib.zip", auto_compress=False)
    session.file.put_stream(io.BytesIO(b"hello"), "@code/data.txt", auto_compress=False)
    query(
        "CREATE FUNCTION f(n INT) RETURNS VARCHAR LANGUAGE PYTHON RUNTIME_VERSION = '3.11' "
        "IMPORTS = ('@code/mylib.zip', '@code/data.txt') HANDLER = 'mylib.f'"
    )
    assert query("SELECT f(1)") == [("hello",)]


def test_too_few_columns_is_an_error(query: Any, table: None) -> None:
    query(
        "CREATE FUNCTION g(n INT) RETURNS TABLE (a INT, b INT) LANGUAGE PYTHON RUNTIME_VERSION = '3.11' HANDLER = 'H' "
        "AS $$\nclass H:\n    def process(self, n):\n        yield (n,)\n$$"
    )
    with pytest.raises(SnowparkSQLException, match="a row of 1 values where 2 columns are declared"):
        query("SELECT * FROM TABLE(g(1))")


def test_pandas_types(session: Any, table: None) -> None:
    class Types:
        def end_partition(self, df):
            import pandas as pd

            return pd.DataFrame({"t": [",".join(str(t) for t in df.dtypes)]})

    Types.end_partition._sf_vectorized_input = __import__("pandas").DataFrame
    types = session.udtf.register(
        Types,
        name="types",
        output_schema=PandasDataFrameType([StringType()], ["T"]),
        packages=["pandas"],
        input_types=[PandasDataFrameType([StringType(), LongType(), FloatType(), DateType()])],
    )
    frame = session.table("t").join_table_function(
        types(col("k"), col("n"), col("x"), col("d")).over(partition_by=col("k"))
    )
    assert {row["K"]: row["T"] for row in frame.collect()} == {
        "a": "object,int64,float64,datetime64[ns]",
        "b": "object,Int64,float64,datetime64[ns]",
    }


def test_a_strict_table_function_returns_null_for_null(query: Any) -> None:
    query(
        "CREATE FUNCTION echo(n INT) RETURNS TABLE (m INT) LANGUAGE PYTHON RUNTIME_VERSION = '3.11' STRICT "
        "HANDLER = 'Echo' AS 'class Echo:\n  def process(self, n):\n    yield (n + 1,)'"
    )
    assert query("SELECT m FROM VALUES (1), (NULL) AS t(n), TABLE(echo(t.n::INT)) ORDER BY 1") == [
        (2,),
        (None,),
    ]


def test_a_vectorized_process_may_end_its_partition_with_a_frame(query: Any, table: None) -> None:
    query(
        "CREATE FUNCTION sums(n FLOAT) RETURNS TABLE (total FLOAT) LANGUAGE PYTHON RUNTIME_VERSION = '3.11' "
        "PACKAGES = ('pandas') HANDLER = 'Sums' AS '\n"
        "import pandas as pd\n"
        "from _snowflake import vectorized\n"
        "class Sums:\n"
        "  def __init__(self):\n    self.total = 0\n"
        "  @vectorized(input=pd.DataFrame)\n"
        "  def process(self, df):\n    self.total += df.iloc[:, 0].sum()\n    return df\n"
        "  def end_partition(self):\n    return pd.DataFrame([[self.total]])'"
    )
    text = "SELECT total FROM t, TABLE(sums(x) OVER (PARTITION BY k)) ORDER BY k, total"
    assert [row[0] for row in query(text)] == [0.5, 1.5, 2.0, 2.5, 2.5]
