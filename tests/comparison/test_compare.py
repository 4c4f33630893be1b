"""`snowpipe-ml compare`: a pipeline at two commits of a real repository."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from snowpipe_ml.cli.main import main
from snowpipe_ml.comparison.commits import Repository, keep_times
from snowpipe_ml.comparison.compare import compare
from snowpipe_ml.comparison.found import Comparison
from snowpipe_ml.comparison.options import Options
from snowpipe_ml.data_diff.diff import Question
from snowpipe_ml.errors import SpecError, UsageError
from snowpipe_ml.ui.comparison import markdown
from snowpipe_ml.ui.comparison_page import comparison_html
from tests.conftest import ROOT
from tests.ui.test_outputs import conforming

SPEC = """name: shop
targets:
  local: {type: local, path: .snowpipe/shop, database: SHOP}
  prod: {type: snowflake, connection: nobody, database: SHOP, schema: ML}
sources:
  orders:
    columns: {ID: number, CUSTOMER: number, AMOUNT: float}
    from: {local: {file: orders.csv}}
  customers:
    columns: {ID: number, NAME: varchar}
    from: {local: {file: customers.csv}}
steps:
  named:
    type: transform
    sql: named.sql
    writes: named
  totals:
    type: transform
    query: SELECT NAME, SUM(AMOUNT) AS TOTAL FROM {{ ref('named') }} GROUP BY NAME
    writes: totals
  counts:
    type: transform
    query: SELECT COUNT(*) AS N FROM {{ ref('customers') }}
    writes: counts
"""
JOIN = "SELECT O.ID, C.NAME, O.AMOUNT FROM {{ ref('orders') }} O\nLEFT JOIN {{ ref('customers') }} C ON C.ID = O.CUSTOMER\n"
ORDERS = "ID,CUSTOMER,AMOUNT\n1,10,5\n2,10,7\n3,20,1\n"
CUSTOMERS = "ID,NAME\n10,Ann\n20,Bob\n"


class Repo:
    """A repository with a branch that changes files of its main branch."""

    def __init__(self, folder: Path, spec: str = "shop/spec.yaml") -> None:
        self.folder, self.spec = folder, folder / spec
        folder.mkdir()
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *arguments: str) -> str:
        """Run git, as a user without any settings."""
        identity = [
            "-c",
            "user.name=Someone",
            "-c",
            "user.email=someone@example.com",
            "-c",
            "commit.gpgsign=false",
        ]
        command = ["git", "-C", str(self.folder), *identity, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def commit(self, **files: str | None) -> None:
        """Commit files of the folder of the spec; None removes one."""
        for name, text in files.items():
            path = self.spec.parent / name.replace("__", ".")
            path.parent.mkdir(exist_ok=True)
            if text is None:
                path.unlink()
            else:
                path.write_text(text)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message=a change")

    def branch(self, **files: str | None) -> None:
        """Commit files on a new branch."""
        self.git("switch", "--quiet", "--create=branch")
        self.commit(**files)

    def compare(self, **options: object) -> Comparison:
        """Compare the branch with the main branch."""
        # Each option has its own type, which a mapping of all cannot tell.
        return compare(self.spec, "main", "branch", Options(**options))  # type: ignore[arg-type]


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    made = Repo(tmp_path / "repo")
    made.commit(spec__yaml=SPEC, named__sql=JOIN, orders__csv=ORDERS, customers__csv=CUSTOMERS)
    return made


def invoke(repo: Repo, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["compare", str(repo.spec), "--base", "main", *arguments])


@pytest.mark.slow
@pytest.mark.usefixtures("torch_in_workers")
def test_a_changed_lag_and_a_broken_join_are_told_on_one_screen(
    tmp_path: Path, months: Path, weather: Path
) -> None:
    repo = Repo(tmp_path / "repo", "citibike.yaml")
    shutil.copytree(ROOT / "pipelines" / "citibike", repo.folder / "citibike")
    spec = (ROOT / "pipelines" / "citibike.yaml").read_text().replace("lags: [1, 7, 90, 365]", "lags: [1, 7]")
    repo.commit(citibike__yaml=spec)
    query = repo.folder / "citibike" / "conformed_trips.sql"
    query.write_text(query.read_text().replace("N ON N.STATION_NAME", "N ON N.STATION_ID", 1))
    spec = spec.replace("lags: [1, 7]  ", "lags: [1, 14]  ")
    repo.branch(citibike__yaml=spec)
    given = {"source": str(months), "weather": str(weather), "min_history_days": 30, "horizon_days": 5}
    members = [{"type": "ridge"}, {"type": "seasonal_naive"}]
    found = repo.compare(variables={**given, "members": members}, series=2)
    text = markdown(found)
    assert len(text.splitlines()) <= 50
    assert not found.failures
    changed = {step.name: step.reason for step in found.steps if step.kind.value == "changed"}
    assert changed == {
        "conform_trips": "citibike/conformed_trips.sql changed",
        "station_features": "lags changed from [1, 7] to [1, 14]",
    }
    assert "-LEFT JOIN STATION_NAMES AS N ON N.STATION_NAME = T.START_STATION_NAME" in text
    assert "+LEFT JOIN STATION_NAMES AS N ON N.STATION_ID = T.START_STATION_NAME" in text
    trips = next(table for table in found.tables if str(table.diff.name) == "TRIPS")
    assert "STATION_ID" in trips.columns
    assert "LAG\\_14 is new" in text
    assert [each.step for each in found.forecasts] == ["train_stations"]
    assert found.left_out == ["plots", "snapshot_trips"]


def test_a_broken_join_is_found_by_key(repo: Repo) -> None:
    repo.branch(named__sql=JOIN.replace("C.ID = O.CUSTOMER", "C.ID = O.ID"))
    found = repo.compare(question=Question(keys=("named=ID",)))
    assert [(step.name, step.kind.value, step.reason) for step in found.steps] == [
        ("named", "changed", "named.sql changed"),
        ("totals", "follows", "named runs"),
    ]
    named, totals = (table.diff.found for table in found.tables)
    assert named is not None
    assert totals is not None
    assert (named.changed, named.columns) == (3, {"NAME": 3})
    assert (totals.only_here, totals.only_there) == (2, 1)
    assert found.tables[1].columns == {"NAME": 2, "TOTAL": 2}
    text = markdown(found)
    assert "**1 step changes and 1 step follows. 2 of 2 tables differ.**" in text
    assert "- `named`: `named.sql changed`\n- follow: `totals`" in text
    assert "-LEFT JOIN CUSTOMERS C ON C.ID = O.CUSTOMER;\n+LEFT JOIN CUSTOMERS C ON C.ID = O.ID;" in text


def test_a_step_that_fails_is_told_and_the_rest_compared(repo: Repo) -> None:
    wrong = SPEC.replace("SUM(AMOUNT)", "SUM(AMOUNTS)").replace("COUNT(*) AS N", "COUNT(*) + 1 AS N")
    repo.branch(spec__yaml=wrong)
    found = repo.compare()
    (failure,) = found.failures
    assert failure.step == "totals"
    assert "AMOUNTS" in failure.error
    assert [str(table.diff.name) for table in found.tables if table.diff.differs] == ["COUNTS"]
    assert "- ✗ `totals` fails: `" in markdown(found)


def test_new_and_removed_steps_have_tables_on_one_side(repo: Repo) -> None:
    new = SPEC.replace("  counts:\n", "  rows:\n").replace("writes: counts", "writes: rows_of_customers")
    repo.branch(spec__yaml=new)
    found = repo.compare()
    assert {step.name: step.kind.value for step in found.steps} == {"rows": "added", "counts": "removed"}
    assert {str(table.diff.name): table.diff.presence.value for table in found.tables} == {
        "COUNTS": "only A",
        "ROWS_OF_CUSTOMERS": "only B",
    }


def test_a_changed_file_of_a_source_changes_the_steps_that_read_it(repo: Repo) -> None:
    repo.branch(customers__csv=CUSTOMERS + "30,Cy\n")
    found = repo.compare(run=False)
    assert {step.name: step.reason for step in found.steps} == {
        "sources.customers": "customers.csv changed",
        "named": "sources.customers runs",
        "totals": "named runs",
        "counts": "sources.customers runs",
    }


def test_the_base_is_where_the_branch_has_left_it(repo: Repo) -> None:
    repo.branch(spec__yaml=SPEC.replace("COUNT(*) AS N", "COUNT(*) + 1 AS N"))
    repo.git("switch", "--quiet", "main")
    repo.commit(named__sql=JOIN.replace("LEFT JOIN", "JOIN"))
    found = repo.compare(run=False)
    assert [step.name for step in found.steps] == ["counts"]
    assert found.base.forked
    assert not found.ran


def test_the_work_tree_stays_as_it_is(repo: Repo, tmp_path: Path) -> None:
    repo.branch(spec__yaml=SPEC.replace("COUNT(*) AS N", "COUNT(*) + 1 AS N"))
    (repo.spec.parent / "named.sql").write_text("not committed")
    before = {path: path.read_bytes() for path in repo.folder.rglob("*") if path.is_file()}
    page = tmp_path / "pages" / "page.html"
    result = invoke(repo, "--json", "--html", str(page))
    assert result.exit_code == 0, result.output
    assert "<h2>Tables</h2>" in page.read_text()
    assert "+CREATE OR REPLACE TABLE COUNTS AS SELECT COUNT(*) + 1 AS N" in page.read_text()
    assert before == {path: path.read_bytes() for path in repo.folder.rglob("*") if path.is_file()}
    found = conforming("compare", result.stdout)
    assert [step["name"] for step in found["steps"]] == ["counts"]
    assert found["tables"][0]["rows"] == {"a": 1, "b": 1}


def test_an_equal_pipeline_is_not_run(repo: Repo) -> None:
    repo.branch(README__md="something else")
    result = invoke(repo)
    assert result.exit_code == 0
    assert "**No step changes.**" in result.stdout
    assert "running" not in result.output


def test_texts_of_a_spec_are_no_markup(repo: Repo) -> None:
    hostile = SPEC.replace("COUNT(*) AS N", "COUNT(*) AS N, '```' AS A, '@someone <b>|' AS B")
    repo.branch(spec__yaml=hostile)
    found = repo.compare(run=False)
    text = markdown(found)
    assert "````diff" in text
    assert "\\|" in text
    assert (
        "<b>" not in comparison_html(found).replace("<b>shop", "").split("<h2>SQL</h2>")[1].split("</pre>")[0]
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--head", "nowhere"], "git knows no commit 'nowhere'"),
        (["--head", "branch", "--target", "prod"], "the target prod is not an embedded warehouse"),
        (["--head", "branch", "--ignore", "a b"], "--ignore"),
    ],
)
def test_mistakes_are_told(repo: Repo, arguments: list[str], message: str) -> None:
    repo.branch(spec__yaml=SPEC.replace("COUNT(*) AS N", "COUNT(*) + 1 AS N"))
    result = invoke(repo, *arguments)
    assert result.exit_code == 2
    assert message in result.output


def test_another_target_is_compared_without_a_run(repo: Repo) -> None:
    source = SPEC.replace("local: {file: orders.csv}", "local: {file: orders.csv}, prod: {table: A.B.C}")
    source = source.replace(
        "local: {file: customers.csv}", "local: {file: customers.csv}, prod: {table: A.B.D}"
    )
    repo.commit(spec__yaml=source)
    repo.branch(spec__yaml=source.replace("COUNT(*) AS N", "COUNT(*) + 1 AS N"))
    result = invoke(repo, "--target", "prod", "--no-run")
    assert result.exit_code == 0, result.output
    assert "+CREATE OR REPLACE TABLE COUNTS AS SELECT COUNT(*) + 1 AS N FROM CUSTOMERS;" in result.stdout


def test_an_invalid_spec_is_told_with_its_ref(repo: Repo) -> None:
    repo.branch(spec__yaml=SPEC.replace("writes: counts", "writse: counts"))
    with pytest.raises(SpecError, match=r"branch:shop/spec\.yaml:24:5: unknown key 'writse'"):
        repo.compare()


def test_a_view_of_the_base_reads_the_tables_of_the_base(repo: Repo) -> None:
    views = SPEC + "".join(
        f"  {name}:\n    type: transform\n    query: SELECT N * 10 AS M FROM {table}\n    writes: {name}\n"
        "    materialized: view\n    needs: [counts]\n"
        for name, table in (("shown", "{{ ref('counts') }}"), ("qualified", "SHOP.PUBLIC.COUNTS"))
    )
    repo.commit(spec__yaml=views)
    repo.branch(spec__yaml=views.replace("COUNT(*) AS N", "COUNT(*) + 1 AS N"))
    found = repo.compare()
    assert {str(table.diff.name): table.columns for table in found.tables} == {
        "COUNTS": {"N": 1},
        "SHOWN": {"M": 1},
        "QUALIFIED": {"M": 1},
    }


def test_items_of_a_foreach_that_fail_are_not_compared(repo: Repo) -> None:
    items = SPEC + (
        "  items:\n    type: transform\n    foreach: [1, 0]\n    query: SELECT {{ item | literal }} AS X\n"
        "    writes: item_{{ item }}\n"
    )
    repo.commit(spec__yaml=items)
    repo.branch(spec__yaml=items.replace("SELECT {{", "SELECT 1 / {{"))
    found = repo.compare()
    assert [failure.step for failure in found.failures] == ["items[0]"]
    assert [str(table.diff.name) for table in found.tables] == ["ITEM_1"]


def test_a_query_of_foreach_on_an_empty_warehouse_is_told_with_its_ref(repo: Repo) -> None:
    fanned = SPEC + (
        "  items:\n    type: transform\n    foreach: {query: \"SELECT N FROM {{ ref('counts') }}\"}\n"
        '    query: SELECT 1 AS X\n    writes: "item_{{ item.N }}"\n'
    )
    repo.commit(spec__yaml=fanned)
    repo.branch(spec__yaml=fanned.replace("SELECT 1 AS X", "SELECT 2 AS X"))
    with pytest.raises(UsageError, match=r"^main:shop/spec\.yaml:27:.*could not be read"):
        repo.compare()


def test_a_spec_that_the_base_lacks_is_told(repo: Repo) -> None:
    repo.branch(other__yaml=SPEC)
    with pytest.raises(UsageError, match="shop/other.yaml does not exist at main"):
        compare(repo.spec.with_name("other.yaml"), "main", "branch")


def test_a_folder_in_no_repository_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not a git repository"):
        Repository.of(tmp_path / "spec.yaml")


def test_a_link_out_of_the_repository_is_not_followed(repo: Repo, tmp_path: Path) -> None:
    (repo.folder / "out").symlink_to("/etc/passwd")
    (repo.folder / "in").symlink_to("shop/orders.csv")
    repo.commit()
    repository = Repository.of(repo.spec)
    commit = repository.commits("main", "main")[0]
    repository.export(commit, tmp_path / "tree")
    assert not (tmp_path / "tree" / "out").is_symlink()
    assert (tmp_path / "tree" / "in").read_text() == ORDERS


def test_equal_files_have_equal_times(repo: Repo, tmp_path: Path) -> None:
    def made(side: str, name: str) -> Path:
        return tmp_path / side / name

    for side, text in (("base", "a"), ("head", "b")):
        (tmp_path / side).mkdir()
        made(side, "same").write_text("same")
        made(side, "other").write_text(text)
    keep_times(tmp_path / "base", tmp_path / "head")
    assert made("base", "same").stat().st_mtime_ns == made("head", "same").stat().st_mtime_ns
    assert made("base", "other").stat().st_mtime_ns != made("head", "other").stat().st_mtime_ns
