"""The pytest plugin, used as in another project."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from snowpipe_ml.cli.scaffold import TESTING, init
from snowpipe_ml.errors import UsageError

pytest_plugins = ["pytester"]
DOCS = Path(__file__).parents[1] / "docs" / "testing.md"


@pytest.mark.slow
def test_the_page_about_it_is_right(pytester: pytest.Pytester) -> None:
    example = re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.S)[0]
    settings = re.findall(r"```ini\n(.*?)```", DOCS.read_text(), re.S)[0]
    more = """

def test_each_test_has_a_database_of_its_own(snowpark_session):
    assert [row["name"] for row in snowpark_session.sql("SHOW TABLES").collect()] == []
    assert snowpark_session.get_current_database() == '"ANALYTICS"'
    assert snowpark_session.get_current_schema() == '"MARTS"'
"""
    pytester.makepyfile(example + more)
    pytester.makeini(settings)
    pytester.runpytest_subprocess("-p", "no:xdist", "-W", "ignore").assert_outcomes(passed=3)


@pytest.mark.slow
def test_the_template_of_tests_passes(pytester: pytest.Pytester) -> None:
    files = init(pytester.path, TESTING)
    assert [file.name for file in files] == ["orders.py", "test_orders.py"]
    pytester.runpytest_subprocess("-p", "no:xdist", "-W", "ignore").assert_outcomes(passed=4)
    with pytest.raises(UsageError, match="no series to explore"):
        init(pytester.path / "other", TESTING, notebook=True)
