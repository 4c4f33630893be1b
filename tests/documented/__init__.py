"""Statements whose results Snowflake's documentation prints, and what the embedded warehouse gives for them."""

import pytest

pytest.register_assert_rewrite("tests.documented.cases")
