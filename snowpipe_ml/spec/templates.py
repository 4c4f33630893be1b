"""Render ``{{ ... }}`` in a spec and in SQL files: sandboxed Jinja in which undefined names are errors.

Each scalar of a spec is rendered separately, after the YAML is parsed, so that positions are preserved
and a value can never become YAML structure. A scalar that is a single expression keeps the type of the
expression: ``lags: "{{ vars.lags }}"`` is a list.

In a SQL file, a filter must say whether a value is a literal or an identifier:
``{{ vars.city | literal }}``, ``{{ vars.table | identifier }}``. Text without a filter is refused.
"""

from __future__ import annotations

import itertools
import re
import string
from collections.abc import Callable, Mapping
from functools import cache, lru_cache
from types import MappingProxyType
from typing import TypeGuard, TypeVar

import jinja2
import jinja2.environment

from snowpipe_ml.errors import TemplateError, UnsafeSqlError
from snowpipe_ml.spec.bounds import BoundedEnvironment
from snowpipe_ml.spec.limits import bounded, written
from snowpipe_ml.sql import Fragment, Identifier, Literal, QualifiedName, Sql
from snowpipe_ml.sql.text import fragment_text
from snowpipe_ml.text.problems import did_you_mean

_T = TypeVar("_T")
Function = Callable[[str], Fragment]
"""A function of a SQL template, such as ``ref``."""
_CALL = re.compile(r"""(?<!\{)\{\{ *(\w+)\( *'([^'"\\{}]*)' *\) *\}\}(?!\})""")
# Whitespace and comments: https://docs.snowflake.com/en/sql-reference/comments
_NO_STATEMENT = re.compile(r"(?:[\s;]|(?:--|//)[^\n]*|/\*.*?\*/)*+", re.S)
_MARK = re.compile(r"\{[{%#]|[}%#]\}|\r")
_EXPRESSION = re.compile(r"\s*\{\{((?:(?!\{\{|\}\}).)*)\}\}\s*\Z", re.S)


class Namespace(dict[str, object]):
    """A mapping in which an unknown name is an error that suggests the known names."""

    def __init__(self, label: str, values: Mapping[str, object]) -> None:
        super().__init__(values)
        self.label = label


class TargetNamespace(Namespace):
    """The target, with the names that tables have on it.

    Args:
        values: the values of ``target``.
        renamed: returns the name that a table of the spec has.
    """

    def __init__(
        self, values: Mapping[str, object], renamed: Callable[[QualifiedName], QualifiedName]
    ) -> None:
        super().__init__("target", values)
        self.renamed = renamed


class _Environment(BoundedEnvironment):
    def getattr(self, obj: object, attribute: str) -> object:
        return self._lookup(obj, attribute) if isinstance(obj, Namespace) else super().getattr(obj, attribute)

    def getitem(self, obj: object, argument: object) -> object:
        return self._lookup(obj, argument) if isinstance(obj, Namespace) else super().getitem(obj, argument)

    @staticmethod
    def _lookup(namespace: Namespace, name: object) -> object:
        """Return the value of a name.

        An environment variable may be undefined, so that `default` can replace it; any other unknown
        name is an error.
        """
        if isinstance(name, str) and name in namespace:
            return namespace[name]
        message = f"undefined: {namespace.label}.{name}"

        def unknown(_: str | None) -> TemplateError:
            return TemplateError(message, did_you_mean(str(name), namespace))

        if namespace.label != "env":
            raise unknown(None)

        # Jinja raises the result of `unknown`, although it declares the parameter as an exception class.
        return jinja2.StrictUndefined(hint=message, name=str(name), exc=unknown)  # type: ignore[arg-type]


_SPEC = _Environment(keep_trailing_newline=True, finalize=written)


def has_template(text: object) -> TypeGuard[str]:
    """Return whether a value is text that contains a template."""
    return isinstance(text, str) and ("{{" in text or "{%" in text)


def render_scalar(text: str, scope: Mapping[str, object]) -> object:
    """Render one scalar of a spec.

    Raises:
        TemplateError: a syntax error, an undefined name, or an error inside the expression.
    """
    single = _EXPRESSION.match(text)

    def render() -> object:
        if single:
            value = _expression(single.group(1))(**scope)
            if isinstance(value, jinja2.Undefined):
                if value._undefined_hint:
                    str(value)  # raises the more specific error of a dotted name
                raise TemplateError(*_undefined(str(value._undefined_name), scope))
            return value
        return _template(text).render(**scope)

    return _guard(render, scope)


@lru_cache(maxsize=1000)
def _expression(text: str) -> jinja2.environment.TemplateExpression:
    """Compile a single expression, which returns its value rather than a text; a spec is loaded several times."""
    return _SPEC.compile_expression(text, undefined_to_none=False)


@lru_cache(maxsize=1000)
def _template(text: str) -> jinja2.Template:
    return _SPEC.from_string(text)


def render_sql(text: str, scope: Mapping[str, object], functions: Mapping[str, Function]) -> Sql:
    """Render the text of a SQL file or of an inline query.

    Args:
        text: the template, which is trusted because the author of the spec wrote it.
        scope: ``vars``, ``target``, ``run``...
        functions: callables in scope, such as ``ref``, that return SQL fragments.

    Raises:
        TemplateError: as :func:`render_scalar`; also for a value without a filter.
    """
    text = text.removeprefix("\ufeff")  # a byte order mark, which an editor may have left in pasted text
    simple = _calls_alone(text, functions)
    if simple is not None:
        return simple
    return _guard(lambda: Sql(_sql_template(text).render(**scope, **functions)), scope)


def render_query(
    text: str, scope: Mapping[str, object], functions: Mapping[str, Function] = MappingProxyType({})
) -> tuple[Sql, list[QualifiedName]]:
    """Render a query; return it and the tables that it names with ``ref``, each once.

    Args:
        text: the template.
        scope: ``vars``, ``target``, ``run``...
        functions: callables in scope besides ``ref``.

    Raises:
        TemplateError: as :func:`render_sql`.
    """
    read: dict[QualifiedName, None] = {}

    def ref(name: str) -> QualifiedName:
        found, target = QualifiedName.parse(name), scope.get("target")
        if isinstance(target, TargetNamespace):
            found = target.renamed(found)
        read[found] = None
        return found

    return render_statement(text, scope, {**functions, "ref": ref}), list(read)


def render_statement(text: str, scope: Mapping[str, object], functions: Mapping[str, Function]) -> Sql:
    """Render the text of one statement, without trailing semicolons and comments.

    Raises:
        TemplateError: as :func:`render_sql`; also if the text is only comments.
    """
    rendered = render_sql(statement_text(text), scope, functions)
    if _NO_STATEMENT.fullmatch(rendered.text):
        raise TemplateError("no SQL statement: the text is empty, or a comment")
    return rendered


def _calls_alone(text: str, functions: Mapping[str, Function]) -> Sql | None:
    """Render a text whose only templates are calls like ``{{ ref('table') }}``, as in nearly every query.

    Return None for any other text. This avoids compiling a template, which takes longer than the rest of a
    spec's validation. A call that fails here fails again as a template, which knows the line.
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
    """Return a compiled template. A query is rendered several times: for its inputs, the plan and the run."""
    return _sql_environment().from_string(text)


@cache
def _sql_environment() -> _Environment:
    environment = _Environment(keep_trailing_newline=True, finalize=lambda value: written(_finalize(value)))
    environment.filters["literal"] = environment.bounded_filter("literal", _literal)
    environment.filters["identifier"] = environment.bounded_filter("identifier", _identifier)
    return environment


def statement_text(text: str) -> str:
    """Return a statement without trailing semicolons and line comments."""
    while True:
        text = text.rstrip(string.whitespace + ";")
        last = text[text.rfind("\n") + 1 :]
        # A comment that contains a quote is kept: its dashes may be inside a string literal.
        at = last.find("--", max(last.rfind("'"), last.rfind('"')) + 1)
        if at < 0:
            return text.lstrip()
        text = text[: len(text) - len(last) + at]


def _finalize(value: object) -> str:
    if isinstance(value, jinja2.Undefined):
        str(value)  # raises UndefinedError with the name
    if isinstance(value, str | int | float) or value is None:
        raise TemplateError(
            f"{value!r} would be inserted into SQL as bare text",
            "write {{ ... | literal }} or {{ ... | identifier }}",
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


def _guard(render: Callable[[], _T], scope: Mapping[str, object]) -> _T:
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
    except (RecursionError, SyntaxError) as error:  # deep nesting raises one or the other
        raise TemplateError("the template is nested too deeply") from error
    except MemoryError as error:
        raise TemplateError("the template needs too much memory", line=_line_of(error)) from error
    except (jinja2.exceptions.SecurityError, ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise TemplateError(f"template: {error}", line=_line_of(error)) from error


def _undefined(name: str, scope: Mapping[str, object]) -> tuple[str, str | None]:
    # A bare {{ horizon }} nearly always means {{ vars.horizon }}.
    variables = scope.get("vars")
    if isinstance(variables, Mapping) and name in variables:
        return f"undefined: {name}", f"did you mean 'vars.{name}'?"
    return f"undefined: {name}", did_you_mean(name, scope)


def _line_of(error: BaseException) -> int:
    """Return the template's line, from the last traceback frame that Jinja rewrote to refer to it."""
    line, trace = 1, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename in ("<template>", "<unknown>"):
            line = trace.tb_lineno
        trace = trace.tb_next
    return line
