from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snowpipe_ml.errors import TemplateError
from snowpipe_ml.spec.templates import (
    Namespace,
    _calls_alone,
    _sql_template,
    render_scalar,
    render_sql,
    statement_text,
)
from snowpipe_ml.sql import QualifiedName

SCOPE = {"vars": Namespace("vars", {"lags": [1, 7], "city": "O'Hare", "n": 3, "t": "my table"})}


def test_one_expression_keeps_its_type() -> None:
    assert render_scalar("{{ vars.lags }}", SCOPE) == [1, 7]
    assert render_scalar(" {{ vars.n + 1 }} ", SCOPE) == 4
    assert render_scalar("n is {{ vars.n }}", SCOPE) == "n is 3"


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("{{ vars.lag }}", "undefined: vars.lag", "did you mean 'lags'?"),
        ("{{ lags }}", "undefined: lags", "did you mean 'vars.lags'?"),
        ("x {{ var.n }}", "undefined: var", "did you mean 'vars'?"),
        ("{{ vars.n + }}", "template syntax", None),
        ("{{ vars.n / 0 }}", "division by zero", None),
        ("{{ ''.__class__.__mro__ }}", "", None),
    ],
)
def test_errors_say_what_to_do(text: str, message: str, hint: str | None) -> None:
    with pytest.raises(TemplateError) as caught:
        render_scalar(text, SCOPE)
    assert message in caught.value.message
    assert caught.value.hint == hint or hint is None


@pytest.mark.parametrize(
    "text",
    [
        "SELECT 1",
        "SELECT 1;",
        "SELECT 1;\n-- done\n",
        "SELECT 1 -- why;",
        "\nSELECT 1 ; ; -- a\n  -- b",
        "SELECT 1;;\n",
    ],
)
def test_nothing_stands_behind_a_statement(text: str) -> None:
    assert statement_text(text) == "SELECT 1"
    assert statement_text("SELECT 'a -- b'") == "SELECT 'a -- b'"


def test_a_value_enters_sql_through_a_filter_alone() -> None:
    functions = {"ref": QualifiedName.parse}
    text = "SELECT * FROM {{ ref('trips') }} WHERE c = {{ vars.city | literal }} AND n IN {{ vars.lags | literal }}"
    assert (
        str(render_sql(text, SCOPE, functions)) == "SELECT * FROM TRIPS WHERE c = 'O''Hare' AND n IN (1, 7)"
    )
    with pytest.raises(TemplateError, match="bare text") as caught:
        render_sql("SELECT 1\nFROM x\nWHERE c = {{ vars.city }}", SCOPE, functions)
    assert "| literal" in (caught.value.hint or "")
    assert caught.value.line == 3
    with pytest.raises(TemplateError, match="not a name"):
        render_sql("SELECT * FROM {{ vars.t | identifier }}", SCOPE, functions)


_TEXT = st.text(st.sampled_from("abc' \"(){}%#\n;-"), max_size=12)


@given(
    st.lists(st.tuples(_TEXT, st.sampled_from(["{{ ref('t') }}", "{{ref( 'a.b' )}}", '{{ ref("t") }}', ""])))
)
def test_a_query_of_references_alone_is_rendered_as_a_template_would(parts: list[tuple[str, str]]) -> None:
    text = "".join(before + call for before, call in parts)
    functions = {"ref": QualifiedName.parse}
    simple = _calls_alone(text, functions)
    if simple is not None:
        assert simple.text == _sql_template(text).render(**functions)
