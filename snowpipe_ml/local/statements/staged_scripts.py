"""EXECUTE IMMEDIATE FROM: the statements of a staged file, which may be a Jinja template.

https://docs.snowflake.com/en/sql-reference/sql/execute-immediate-from
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping

from snowpipe_ml.local.catalog.stages import MissingFilesError, Stage, find_stage
from snowpipe_ml.local.core import connector, errors
from snowpipe_ml.local.core.connector_errors import connector_errors
from snowpipe_ml.local.core.result import Result, rows, status
from snowpipe_ml.local.scripting.expressions import compute
from snowpipe_ml.local.scripting.scope import Bindings, Scope
from snowpipe_ml.local.scripting.source import Source
from snowpipe_ml.local.statements.base import Statement, binds, command
from snowpipe_ml.local.syntax.script import statements

_DIRECTIVE = re.compile(r"\ufeff?\s{0,10}(?:--|#)!jinja\b[^\n]*(?:\n|\Z)")
_FILE = re.compile(r"(?:\"[^\"]*\"|[^\s'\";])+")
_RELATIVE = re.compile(r"\s*EXECUTE\s+IMMEDIATE\s+FROM\s+'?(?:\.{0,2}/)", re.I)
_DEEPEST = 20
_LOCATED = "Uncaught exception of type 'STATEMENT_ERROR' in file"


@command("EXECUTE IMMEDIATE FROM")
@binds
def execute_from(statement: Statement) -> Result:
    """``EXECUTE IMMEDIATE FROM @stage/file [USING (name => value)] [DRY_RUN = TRUE]``: run each statement.

    The result is that of the last statement. The statements before one that fails have taken effect.
    """
    return _Script(statement, statement.text, None, 0).run()


class _Script:
    """One staged file on its way.

    Args:
        statement: the statement that runs it, or the file that runs this one.
        text: the EXECUTE IMMEDIATE FROM of this file.
        outer: the stage and the path of the file with this statement; None outside of files.
        depth: how many files run one another.
    """

    def __init__(self, statement: Statement, text: str, outer: tuple[Stage, str] | None, depth: int) -> None:
        if depth > _DEEPEST:
            raise errors.compilation(f"staged scripts run one another more than {_DEEPEST} times")
        self._statement, self._depth = statement, depth
        source = Source(text)
        source.expect("EXECUTE", "IMMEDIATE", "FROM")
        self._stage, self._path = self._place(source, outer)
        self._values = self._read_values(source)
        self._dry = False
        if source.accept("DRY_RUN"):
            source.expect("=")
            self._dry = source.next().upper == "TRUE"
        source.end()

    def _place(self, source: Source, outer: tuple[Stage, str] | None) -> tuple[Stage, str]:
        """Parse the path of the file; a relative one is that from the file that runs it."""
        if source.peek().kind in ("string", "stage"):
            reference = source.stage()
        else:
            found = _FILE.match(source.text, source.peek().start)
            if found is None:
                raise source.unexpected("expected the path of a staged file")
            reference = found.group()
            while not source.done and source.peek().start < found.end():
                source.next()
        if reference.startswith("@"):
            return find_stage(self._statement.session, reference)
        if outer is None:
            raise errors.syntax(
                f"'{reference}' is not the path of a staged file, such as @stage/folder/file.sql; a path that starts "
                "with ./ or ../ is valid in a staged file only"
            )
        stage, path = outer
        joined = reference if reference.startswith("/") else f"{posixpath.dirname(path)}/{reference}"
        return stage, posixpath.normpath("/" + joined).lstrip("/")

    def _read_values(self, source: Source) -> dict[str, object] | None:
        """Parse ``USING (name => value, ...)``; None without it."""
        if not source.accept("USING"):
            return None
        source.expect("(")
        session, params = self._statement.session, self._statement.params
        scope = params.scope if isinstance(params, Bindings) else Scope()
        found: dict[str, object] = {}
        while True:
            name = source.next().text
            source.expect("=>")
            found[name] = compute(session, scope, source.expression(",").text).python
            if not source.accept(","):
                break
        source.expect(")")
        return found

    @property
    def label(self) -> str:
        """The file in messages."""
        return f"@{self._stage.name}/{self._path}"

    def run(self) -> Result:
        """Run the statements of the file, one after another."""
        text = self._text()
        if self._dry:
            return rows([("rendered file contents", "VARCHAR")], [(text,)])
        result = status("Statement executed successfully.")
        for start, each in statements(text):
            line = text.count("\n", 0, start) + 1
            position = start - (text.rfind("\n", 0, start) + 1)
            try:
                with connector_errors(self._statement.session.client.translated):
                    result = self._run_statement(each)
            except errors.UnsupportedError:
                raise
            except connector.ProgrammingError as raised:
                if str(raised.raw_msg).startswith(_LOCATED):
                    raise
                raise errors.error(
                    raised.errno or 0,
                    raised.sqlstate or "P0000",
                    f"{_LOCATED} {self.label} on line {line} at position {position}:\n{raised.raw_msg}",
                ) from raised
        return result

    def _run_statement(self, text: str) -> Result:
        if _RELATIVE.match(text):
            return _Script(self._statement, text, (self._stage, self._path), self._depth + 1).run()
        return self._statement.run(text)

    def _text(self) -> str:
        """Return the statements: the file, or the template that it is with its values."""
        file = self._stage.file(self._path)
        if not file.is_file():
            raise MissingFilesError(self.label.removeprefix("@"), [self._path])
        try:
            text = file.read_text("utf-8")
        except UnicodeDecodeError as raised:
            raise errors.error(100144, "22000", f"the file {self.label} is not in UTF-8") from raised
        directive = _DIRECTIVE.match(text)
        if directive is None and self._values is None:
            return text.removeprefix("\ufeff")
        return _rendered(text[directive.end() if directive else 0 :], self._values or {}, self.label)


def _rendered(text: str, values: Mapping[str, object], label: str) -> str:
    """Render a template.

    Raises:
        ProgrammingError: its syntax is invalid, or it uses a name without a value.
        UnsupportedError: it reads other files.
    """
    import jinja2
    from jinja2.meta import find_undeclared_variables
    from jinja2.sandbox import SandboxedEnvironment

    environment = SandboxedEnvironment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True)
    missing: set[str] = set()
    try:
        missing = find_undeclared_variables(environment.parse(text)) - {*values, *environment.globals}
        return environment.from_string(text).render(values)
    except (jinja2.TemplateError, ArithmeticError, LookupError, TypeError, ValueError) as raised:
        if "no loader" in str(raised):
            raise errors.UnsupportedError(
                f"a template that reads other staged files: {label}", "Put their text in the template"
            ) from raised
        line = getattr(raised, "lineno", None)
        where = f" on line {line}" if line else ""
        unset = f"; USING has no value for {', '.join(sorted(missing))}" if missing else ""
        raise errors.error(
            5, "XX000", f"Jinja2 template error in file {label}{where}: {raised}{unset}"
        ) from raised
