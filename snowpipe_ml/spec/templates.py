"""``{{ ... }}`` in a spec and in SQL files: sandboxed Jinja that tolerates no undefined name.

In a spec each scalar is rendered by itself, after the YAML is parsed, so that positions survive and
a value can never become YAML structure. A scalar that is one expression keeps the expression's
type: ``lags: "{{ vars.lags }}"`` is a list.

In a SQL file a value must say what it becomes, with a filter: ``{{ vars.city | literal }}``,
``{{ vars.table | identifier }}``. Text that has not passed a filter is refused.
"""

from __future__ import annotations

import itertools
import re
import string
from collections.abc import Callable, Mapping
from functools import cache, lru_cache
from typing import Any, TypeVar

import jinja2

from snowpipe_ml.errors import TemplateError, UnsafeSqlError
from snowpipe_ml.spec.bounds import BoundedEnvironment, bounded, written
from snowpipe_ml.sql import Identifier, Literal, QualifiedName, Sql
from snowpipe_ml.sql.text import fragment_text
from snowpipe_ml.text.problems import did_you_mean

_T = TypeVar("_T")
_CALL = re.compile(r"""(?<!\{)\{\{ *(\w+)\( *'([^'"\\{}]*)' *\) *\}\}(?!\})""")
# Blanks and comments: https://docs.snowflake.com/en/sql-reference/comments
_NO_STATEMENT = re.compile(r"(?:[\s;]|(?:--|//)[^\n]*|/\*.*?\*/)*+", re.S)
_MARK = re.compile(r"\{[{%#]|[}%#]\}|\r")
_EXPRESSION = re.compile(r"\s*\{\{((?:(?!\{\{|\}\}).)*)\}\}\s*\Z", re.S)


class Namespace(dict[str, Any]):
    """A mapping whose missing names are errors that tell the names there are."""

    def __init__(self, label: str, values: Mapping[str, Any]) -> None:
        super().__init__(values)
        self.label = label


class _Environment(BoundedEnvironment):
    def getattr(self, obj: Any, attribute: str) -> Any:
        return self._lookup(obj, attribute) if isinstance(obj, Namespace) else super().getattr(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        return self._lookup(obj, argument) if isinstance(obj, Namespace) else super().getitem(obj, argument)

    @staticmethod
    def _lookup(namespace: Namespace, name: str) -> Any:
        """A name's value.

        A variable of the environment may be missing, and `default` replaces it; any other name is a mistake.
        """
        if name in namespace:
            return namespace[name]
        message = f"undefined: {namespace.label}.{name}"

        def unknown(_: str | None) -> TemplateError:
            return TemplateError(message, did_you_mean(str(name), namespace))

        if namespace.label != "env":
            raise unknown(None)

        # Jinja raises what this makes; it is declared to be an exception's class.
        return jinja2.StrictUndefined(hint=message, name=str(name), exc=unknown)  # type: ignore[arg-type]


_SPEC = _Environment(keep_trailing_newline=True, finalize=written)


def has_template(text: object) -> bool:
    """Return whether a value is text with a template in it."""
    return isinstance(text, str) and ("{{" in text or "{%" in text)


def render_scalar(text: str, scope: Mapping[str, Any]) -> Any:
    """Render one scalar of a spec.

    Raises:
        TemplateError: a syntax error, an undefined name, or an error inside the expression.
    """
    single = _EXPRESSION.match(text)

    def render() -> Any:
        if single:
            # compile_expression reads one expression, and gives its value instead of its text.
            compiled = _SPEC.compile_expression(single.group(1), undefined_to_none=False)
            value = compiled(**scope)
            if isinstance(value, jinja2.Undefined):
                if value._undefined_hint:
                    str(value)  # raises what is known of a name behind a dot
                raise TemplateError(*_undefined(str(value._undefined_name), scope))
            return value
        return _SPEC.from_string(text).render(**scope)

    return _guard(render, scope)


def render_sql(text: str, scope: Mapping[str, Any], functions: Mapping[str, Callable[..., Any]]) -> Sql:
    """Render the text of a SQL file or of an inline query.

    Args:
        text: the template, written by the spec's author, and so trusted itself.
        scope: ``vars``, ``target``, ``run``...
        functions: callables in scope such as ``ref``; they return SQL fragments.

    Raises:
        TemplateError: as :func:`render_scalar`; also a value that passed no filter.
    """
    text = text.removeprefix("\ufeff")  # a byte order mark, which an editor may have left in what was pasted
    simple = _calls_alone(text, functions)
    if simple is not None:
        return simple
    return _guard(lambda: Sql(_sql_template(text).render(**scope, **functions)), scope)


def render_query(text: str, scope: Mapping[str, Any]) -> tuple[Sql, list[QualifiedName]]:
    """A query, and the tables that it names with ``ref``, each once.

    Raises:
        TemplateError: as :func:`render_sql`.
    """
    read: dict[QualifiedName, None] = {}

    def ref(name: str) -> QualifiedName:
        found = QualifiedName.parse(name)
        read[found] = None
        return found

    return render_statement(text, scope, {"ref": ref}), list(read)


def render_statement(text: str, scope: Mapping[str, Any], functions: Mapping[str, Callable[..., Any]]) -> Sql:
    """Render the text of one statement, without what may stand behind it.

    Raises:
        TemplateError: as :func:`render_sql`; also a text of comments alone.
    """
    rendered = render_sql(statement_text(text), scope, functions)
    if _NO_STATEMENT.fullmatch(rendered.text):
        raise TemplateError("no SQL statement: the text is empty, or a comment")
    return rendered


def _calls_alone(text: str, functions: Mapping[str, Callable[..., Any]]) -> Sql | None:
    """Render a text with no more than ``{{ ref('table') }}`` in it, as nearly every query is; None for others.

    Compiling a template takes longer than all else that a spec's validation does. What fails here fails
    again as a template, which knows the line.
    """
    pieces = _CALL.split(text)
    between, names, arguments = pieces[::3], pieces[1::3], pieces[2::3]
    if not functions.keys() >= set(names) or _MARK.search("".join(between)):
        return None
    try:
        values = [
            _finalize(functions[name](argument)) for name, argument in zip(names, arguments, strict=True)
        ]
    except (TemplateError, UnsafeSqlError):
        return None
    return Sql("".join(itertools.chain(*zip(between, [*values, ""], strict=True))))


@lru_cache(maxsize=4096)
def _sql_template(text: str) -> jinja2.Template:
    """A compiled template. A query is rendered several times: for what it reads, for the plan, for the run."""
    return _sql_environment().from_string(text)


@cache
def _sql_environment() -> _Environment:
    environment = _Environment(keep_trailing_newline=True, finalize=lambda value: written(_finalize(value)))
    environment.filters["literal"] = environment.bounded_filter("literal", _literal)
    environment.filters["identifier"] = environment.bounded_filter("identifier", _identifier)
    return environment


def statement_text(text: str) -> str:
    """A statement without what may stand behind it: semicolons and line comments."""
    while True:
        text = text.rstrip(string.whitespace + ";")
        last = text[text.rfind("\n") + 1 :]
        # A comment with a quote in it stays: its dashes may stand inside a text.
        at = last.find("--", max(last.rfind("'"), last.rfind('"')) + 1)
        if at < 0:
            return text.lstrip()
        text = text[: len(text) - len(last) + at]


def _finalize(value: object) -> str:
    if isinstance(value, jinja2.Undefined):
        str(value)  # raises UndefinedError with the name
    if isinstance(value, str | int | float) or value is None:
        raise TemplateError(
            f"{value!r} enters SQL as bare text", "write {{ ... | literal }} or {{ ... | identifier }}"
        )
    return fragment_text(value)


def _literal(value: object) -> Literal:
    if isinstance(value, jinja2.Undefined):
        str(value)  # raises UndefinedError with the name
    return Literal(value)


def _identifier(value: object) -> QualifiedName | Identifier:
    if isinstance(value, QualifiedName | Identifier):
        return value
    return QualifiedName.parse(str(value))


def _guard(render: Callable[[], _T], scope: Mapping[str, Any]) -> _T:
    try:
        with bounded():
            return render()
    except TemplateError as error:
        error.line = _line_of(error)
        raise
    except jinja2.TemplateSyntaxError as error:
        raise TemplateError(f"template syntax: {error.message}", line=error.lineno) from error
    except jinja2.UndefinedError as error:
        name = re.match(r"'([^']+)' is undefined", error.message or "")
        message, hint = _undefined(name.group(1), scope) if name else (str(error.message), None)
        raise TemplateError(message, hint, _line_of(error)) from error
    except UnsafeSqlError as error:
        raise TemplateError(str(error), line=_line_of(error)) from error
    except (RecursionError, SyntaxError) as error:  # which of them deep nesting raises depends on where it is
        raise TemplateError("the template is nested too deeply") from error
    except MemoryError as error:
        raise TemplateError("the template needs too much memory", line=_line_of(error)) from error
    except (jinja2.exceptions.SecurityError, ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise TemplateError(f"template: {error}", line=_line_of(error)) from error


def _undefined(name: str, scope: Mapping[str, Any]) -> tuple[str, str | None]:
    # A bare {{ horizon }} nearly always means {{ vars.horizon }}.
    if name in scope.get("vars", {}):
        return f"undefined: {name}", f"did you mean 'vars.{name}'?"
    return f"undefined: {name}", did_you_mean(name, scope)


def _line_of(error: BaseException) -> int:
    """The template's line, from the last traceback frame that Jinja rewrote to it."""
    line, trace = 1, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename in ("<template>", "<unknown>"):
            line = trace.tb_lineno
        trace = trace.tb_next
    return line
