"""Snowflake's own clients, and those of others, on a served embedded warehouse: docs/clients.md."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.integrations.environments import node_modules, python_with
from tests.local.test_server import entry
from tests.local.test_server import served as served  # the fixture

pytestmark = pytest.mark.integrations


def output(*command: object, folder: Path, **environment: str) -> str:
    """Run a client in a folder, without this package on the path; return what it prints."""
    given = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [str(word) for word in command],
        cwd=folder,
        env={**given, "HOME": str(folder), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


SQLALCHEMY = """
import json, sys
import pandas as pd
from sqlalchemy import Sequence, String, create_engine, func, inspect, select, text
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

e = json.loads(sys.argv[1])
engine = create_engine(
    f"snowflake://{e['user']}:{e['password']}@{e['account']}/{e['database']}/{e['schema']}",
    connect_args={name: e[name] for name in ("host", "port", "protocol")},
)

class Base(DeclarativeBase):
    pass

class Trip(Base):
    __tablename__ = "trips"
    id: Mapped[int] = mapped_column(Sequence("trip_ids", order=True), primary_key=True)
    station: Mapped[str] = mapped_column(String(20))
    minutes: Mapped[float]

Base.metadata.create_all(engine)
found = {}
with Session(engine) as session:
    session.add_all([Trip(station=s, minutes=m) for s, m in (("A", 1.5), ("B", 2.5), ("A", 3.5))])
    session.commit()
    session.get(Trip, 2).station = "it's"
    session.commit()
    query = select(Trip.station, func.sum(Trip.minutes)).group_by(Trip.station).order_by(Trip.station)
    found["orm"] = [list(row) for row in session.execute(query)]
try:
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM trips WHERE station = :s"), {"s": "A"})
        raise RuntimeError
except RuntimeError:
    pass
with engine.begin() as connection:
    many = [{"i": 10, "s": "X", "m": 1}, {"i": 11, "s": "Y", "m": 2}]
    connection.execute(text("INSERT INTO trips (id, station, minutes) VALUES (:i, :s, :m)"), many)
found["count"] = int(pd.read_sql("SELECT COUNT(*) AS n FROM trips", engine)["n"][0])
frame = pd.DataFrame({"day": pd.date_range("2024-01-01", periods=3), "n": [1, 2, 3], "x": [0.5, None, 1.5], "t": ["a", "b", None]})
frame.to_sql("frame", engine, index=False, if_exists="replace")
found["pandas"] = pd.read_sql("SELECT * FROM frame ORDER BY day", engine).to_json(orient="values", date_format="iso")
found["tables"] = inspect(engine).get_table_names()
Base.metadata.drop_all(engine)
print(json.dumps(found))
"""


def test_sqlalchemy_and_pandas(served: dict[str, Any], tmp_path: Path) -> None:
    python = python_with("sqlalchemy", ["snowflake-sqlalchemy>=1.7,<2", "sqlalchemy<2.1", "pandas>=2.2,<3"])
    found = json.loads(output(python, "-c", SQLALCHEMY, json.dumps(entry(served)), folder=tmp_path))
    assert found["orm"] == [["A", 5.0], ["it's", 2.5]]
    assert found["count"] == 5
    assert json.loads(found["pandas"])[1] == ["2024-01-02T00:00:00.000", 2, None, "b"]
    assert {"frame", "trips"} <= set(found["tables"])


def test_snowflake_cli(served: dict[str, Any], tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text(served["text"].replace("[embedded]", "[connections.embedded]"))
    config.chmod(0o600)
    command = python_with("snowflake-cli", ["snowflake-cli>=3,<4"]).with_name("snow")

    def snow(*words: object) -> Any:
        text = output(
            command, "--config-file", config, *words, "-c", "embedded", "--format", "json", folder=tmp_path
        )
        return json.loads(text)

    assert snow("connection", "test")["Status"] == "OK"
    (tmp_path / "query.sql").write_text("SELECT <% n %> AS N;")
    assert snow("sql", "-f", "query.sql", "-D", "n=3") == [{"N": 3}]
    snow("stage", "create", "FILES")
    (tmp_path / "rows.csv").write_text("1,one\n2,two\n")
    assert snow("stage", "copy", "rows.csv", "@FILES")[0]["status"] == "UPLOADED"
    assert [file["name"] for file in snow("stage", "list-files", "@FILES")] == ["files/rows.csv"]
    snow("sql", "-q", "CREATE TABLE OF_CLI (N INT, T VARCHAR)")
    snow("sql", "-q", "COPY INTO OF_CLI FROM @FILES")
    assert "OF_CLI" in [table["name"] for table in snow("object", "list", "table")]


NODE = """
const sdk = require(process.argv[2] + "/snowflake-sdk");
sdk.configure({logLevel: "ERROR", additionalLogToConsole: false});
const e = JSON.parse(process.argv[3]);
const connection = sdk.createConnection({account: e.account, username: e.user, password: e.password,
  accessUrl: `http://${e.host}:${e.port}`, database: e.database, schema: e.schema});
const run = (sqlText, binds) => new Promise((done, failed) =>
  connection.execute({sqlText, binds, complete: (error, _, rows) => error ? failed(error) : done(rows)}));
(async () => {
  await new Promise((done, failed) => connection.connect(error => error ? failed(error) : done()));
  const found = {};
  found.values = await run(`SELECT 1 AS N, 1.25 AS D, 'x' AS T, 1.5::FLOAT AS F, '2024-01-02'::DATE AS DAY, TRUE AS B, FALSE AS C,
    '2024-01-02 03:04:05.678'::TIMESTAMP_NTZ AS AT, '1969-12-31 23:59:58.5'::TIMESTAMP_NTZ AS BEFORE,
    '2024-01-02 03:04:05 +02:00'::TIMESTAMP_TZ AS Z, '03:04:05'::TIME AS M,
    PARSE_JSON('{"a": [1]}') AS V, TO_BINARY('AB') AS X, NULL AS E`);
  await run("CREATE TABLE OF_NODE (A INT, B VARCHAR)");
  await run("INSERT INTO OF_NODE VALUES (?, ?)", [[1, "one"], [2, "tw'o"]]);
  found.rows = await run("SELECT * FROM OF_NODE WHERE A > ? ORDER BY A", [0]);
  found.many = (await run("SELECT SEQ4() AS I FROM TABLE(GENERATOR(ROWCOUNT => 50000))")).length;
  found.none = await run("SELECT 1 AS A WHERE FALSE");
  await run("SELECT * FROM ABSENT").catch(error => { found.error = [error.code, error.sqlState]; });
  console.log(JSON.stringify(found));
  connection.destroy(() => process.exit(0));
})().catch(error => { console.error(error); process.exit(1); });
"""


@pytest.mark.skipif(shutil.which("npm") is None, reason="there is no Node.js")
def test_the_driver_for_node(served: dict[str, Any], tmp_path: Path) -> None:
    script = tmp_path / "client.js"
    script.write_text(NODE)
    modules = node_modules("snowflake-sdk@3")
    text = output("node", script, modules, json.dumps(entry(served)), folder=tmp_path)
    found = json.loads(text.splitlines()[-1])
    (values,) = found["values"]
    assert values["X"] in ("AB", {"type": "Buffer", "data": [171]})
    del values["X"]
    assert values == {
        "N": 1,
        "D": 1.25,
        "T": "x",
        "F": 1.5,
        "DAY": "2024-01-02",
        "B": True,
        "C": False,
        "AT": "2024-01-02 03:04:05.678",
        "BEFORE": "1969-12-31 23:59:58.500",
        "Z": "2024-01-02 03:04:05.000 +0200",
        "M": "03:04:05",
        "V": {"a": [1]},
        "E": None,
    }
    assert found["rows"] == [{"A": 1, "B": "one"}, {"A": 2, "B": "tw'o"}]
    assert (found["many"], found["none"], found["error"]) == (50000, [], ["002003", "42S02"])


DBT = {
    "dbt_project.yml": "{name: shop, version: '1.0', profile: shop}\n",
    "seeds/orders.csv": "id,item,amount,day\n1,apple,2.5,2024-01-01\n2,pear,3,2024-01-01\n3,apple,1,2024-01-02\n",
    "models/daily.sql": "{{ config(materialized='table') }}\n"
    "select day, sum(amount) as amount from {{ ref('orders') }} group by day\n",
    "models/items.sql": "{{ config(materialized='view') }}\n"
    "select item, count(*) as n from {{ ref('orders') }} group by item\n",
    "models/history.sql": "{{ config(materialized='incremental', unique_key='id') }}\nselect * from {{ ref('orders') }}\n"
    "{% if is_incremental() %} where id >= (select max(id) from {{ this }}) {% endif %}\n",
    "models/schema.yml": "models:\n"
    "  - {name: daily, columns: [{name: day, data_tests: [unique, not_null]}]}\n"
    "  - {name: items, columns: [{name: item, data_tests: [{accepted_values: {arguments: {values: [apple, pear, fig]}}}]}]}\n"
    "  - name: history\n"
    "    columns: [{name: id, data_tests: [unique, {relationships: {arguments: {to: ref('orders'), field: id}}}]}]\n",
    "snapshots/changes.sql": "{% snapshot changes %}\n"
    "{{ config(target_schema='DBT', unique_key='id', strategy='check', check_cols=['amount']) }}\n"
    "select * from {{ ref('orders') }}\n{% endsnapshot %}\n",
    "tests/positive.sql": "select * from {{ ref('daily') }} where amount < 0\n",
}


def test_dbt(served: dict[str, Any], tmp_path: Path) -> None:
    command = python_with("dbt", ["dbt-core>=1.10,<1.12", "dbt-snowflake>=1.10,<1.12"]).with_name("dbt")
    for name, text in DBT.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    connection = {**entry(served), "type": "snowflake", "schema": "DBT", "warehouse": "WH", "threads": 2}
    profile = {"shop": {"target": "dev", "outputs": {"dev": connection}}}
    (tmp_path / "profiles.yml").write_text(json.dumps(profile))

    def build() -> str:
        return output(
            command, "--no-use-colors", "build", folder=tmp_path, DBT_SEND_ANONYMOUS_USAGE_STATS="false"
        )

    assert "PASS=11 WARN=0 ERROR=0 SKIP=0" in build()
    seed = tmp_path / "seeds" / "orders.csv"
    seed.write_text(seed.read_text().replace("3,apple,1,", "3,apple,2,") + "4,fig,4,2024-01-03\n")
    assert "PASS=11 WARN=0 ERROR=0 SKIP=0" in build()

    import snowflake.connector

    with snowflake.connector.connect(**entry(served)) as opened:
        cursor = opened.cursor()
        cursor.execute("SELECT id, amount FROM DBT.history ORDER BY id")
        assert [(row[0], float(row[1])) for row in cursor.fetchall()] == [(1, 2.5), (2, 3), (3, 2), (4, 4)]
        cursor.execute("SELECT id, COUNT(*), COUNT(dbt_valid_to) FROM DBT.changes GROUP BY id ORDER BY id")
        assert cursor.fetchall() == [(1, 1, 0), (2, 1, 0), (3, 2, 1), (4, 1, 0)]
