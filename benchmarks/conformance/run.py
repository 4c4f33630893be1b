"""Measure how much of Snowpark's own integration suite passes on the embedded warehouse.

    SNOWPARK_TESTS=path/to/snowpark-python python benchmarks/conformance/run.py [FILE ...]

The checkout is of the public repository snowflakedb/snowpark-python, which is not part of this project.
Each file runs in its own process on its own warehouse. Failures because a feature is reported as
unsupported ("refused") are counted separately from other failures.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).parent
# File -> tests passed by Snowflake's own local testing mode, of Snowpark 1.56 with the suite of 1.54.
OFFICIAL = {
    "scala/test_column_suite.py": 38,
    "scala/test_dataframe_aggregate_suite.py": 43,
    "scala/test_dataframe_copy_into.py": 0,
    "scala/test_dataframe_join_suite.py": 42,
    "scala/test_dataframe_reader_suite.py": 27,
    "scala/test_dataframe_suite.py": 75,
    "scala/test_file_operation_suite.py": 15,
    "scala/test_permanent_udf_suite.py": 0,
    "scala/test_session_suite.py": 12,
    "scala/test_sql_suite.py": 0,
    "scala/test_table_function_suite.py": 0,
    "scala/test_udf_suite.py": 34,
    "scala/test_udtf_suite.py": 0,
    "scala/test_window_frame_suite.py": 18,
    "test_stored_procedure.py": 35,
    "test_udf.py": 37,
    "test_pandas_to_df.py": 8,
}

# The tests that cannot pass without an account -> what they need.
NEEDS_ACCOUNT = {
    "test_invalid_configs": "a login that an account refuses",
    "test_snowpark_python_bugfix_version_warning": "a channel with Snowpark 1.39.0 besides the installed one",
    "test_register_artifact_repository_negative": "an artifact repository of the account",
    "test_basic_pandas_udf": "batches of one row, whose size Snowflake does not document",
    "test_sproc_pass_system_reference": "SYSTEM$REFERENCE, which grants rights that are not enforced here",
    "test_add_import_duplicate": "the log of the connector's own upload",
    "test_put_with_one_relative_path_file": "the size of files that are encrypted on the stage",
    "test_put_stream_with_one_file_twice": "the size of files that are encrypted on the stage",
    "test_get_multiple_files": "the size of files that are encrypted on the stage",
}


def run_file(checkout: Path, file: str, options: list[str]) -> list[dict[str, str]]:
    """Run one file of the suite, and return the result of each test."""
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder) / "results.jsonl"
        environment = {
            **os.environ,
            "PYTHONPATH": f"{HERE}{os.pathsep}{HERE.parents[1]}",
            "CONFORMANCE_RESULTS": str(results),
        }
        process = subprocess.run(
            [
                sys.executable,
                "-m",
                "pytest",
                "-p",
                "plugin",
                "-q",
                "--no-header",
                "-p",
                "no:cacheprovider",
                "--tb=short",
                "-p",
                "no:xdist",
                *options,
                f"tests/integ/{file}",
            ],
            cwd=checkout,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if not results.exists():
            sys.exit(f"{file}: nothing ran\n{process.stdout[-3000:]}{process.stderr[-3000:]}")
        lines = [json.loads(line) for line in results.read_text().splitlines()]
    last = {line["test"]: line for line in lines}
    return list(last.values())


def result_of(test: dict[str, str]) -> str:
    """The result of a test: passed, refused, failed, skipped, or ``account`` if it needs an account."""
    name = test["test"].rpartition("::")[2].partition("[")[0]
    return "account" if test["result"] in ("failed", "refused") and name in NEEDS_ACCOUNT else test["result"]


def main() -> None:
    """Print the results per file, and the failures on request."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", nargs="*", default=list(OFFICIAL), help="files below tests/integ")
    parser.add_argument("--failures", action="store_true", help="print each failure's first line")
    parser.add_argument("--json", type=Path, help="write every test's result to this file")
    parser.add_argument("-k", help="run only matching tests, like pytest's -k")
    parser.add_argument("--jobs", type=int, default=2, help="number of files to run at once")
    arguments = parser.parse_args()
    if "SNOWPARK_TESTS" not in os.environ:
        parser.error("set SNOWPARK_TESTS to a checkout of github.com/snowflakedb/snowpark-python")
    checkout = Path(os.environ["SNOWPARK_TESTS"])
    options = ["-k", arguments.k] if arguments.k else []
    with ThreadPoolExecutor(arguments.jobs) as pool:
        found = dict(
            zip(
                arguments.files,
                pool.map(lambda f: run_file(checkout, f, options), arguments.files),
                strict=True,
            )
        )
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1))
    total: Counter[str] = Counter()
    print(
        f"{'file':40} {'passed':>7} {'of':>4} {'official':>9} {'refused':>8} {'failed':>7} {'account':>8} {'skipped':>8}"
    )
    for file, tests in found.items():
        by = Counter(result_of(test) for test in tests)
        total += by
        print(
            f"{file:40} {by['passed']:7} {len(tests):4} {OFFICIAL.get(file, 0):9} {by['refused']:8} "
            f"{by['failed']:7} {by['account']:8} {by['skipped']:8}"
        )
    print(
        f"{'all':40} {total['passed']:7} {sum(total.values()):4} {sum(OFFICIAL.get(f, 0) for f in found):9} "
        f"{total['refused']:8} {total['failed']:7} {total['account']:8} {total['skipped']:8}"
    )
    print(
        "\naccount: tests that cannot pass without an account\n"
        + "\n".join(f"  {name}: {why}" for name, why in NEEDS_ACCOUNT.items())
    )
    if arguments.failures:
        for tests in found.values():
            for test in tests:
                if test["result"] in ("failed", "refused"):
                    print(
                        f"{test['result']:8} {test['test'].split('::', 1)[1]}: {' '.join(test['why'].split())[:230]}"
                    )


if __name__ == "__main__":
    main()
