"""Run a block: control flow, variables and exception handlers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType

from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.result import Result
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.core.typed_values import TypedValue
from snowpipe_ml.local.scripting import nodes
from snowpipe_ml.local.scripting.cursors import close, cursor_of, fetch, open_cursor, result_of, rows_of
from snowpipe_ml.local.scripting.expressions import evaluate
from snowpipe_ml.local.scripting.failures import OTHER, RAISED, Failure, ScriptError, script_error
from snowpipe_ml.local.scripting.running import assign, assign_row, run_query, status_variables
from snowpipe_ml.local.scripting.scope import Cursor, DeclaredException, Record, ResultSet, Scope, Variable
from snowpipe_ml.sql import DataType

_TRUTH = DataType.parse("BOOLEAN")
_WHOLE = DataType.parse("INT")


class _Jump(Exception):
    """BREAK or CONTINUE on its way to its loop."""

    def __init__(self, statement: nodes.Jump) -> None:
        super().__init__()
        self.statement = statement


@dataclass(frozen=True, slots=True)
class Returned:
    """The value or the table that a block returned; neither after a block without RETURN."""

    value: TypedValue | None = None
    table: Result | None = None


class _Return(Exception):
    def __init__(self, returned: Returned) -> None:
        super().__init__()
        self.returned = returned


def run_block(
    session: Session, block: nodes.Block, arguments: Mapping[str, Variable] = MappingProxyType({})
) -> Returned:
    """Run a block.

    Args:
        session: the session that runs its statements.
        block: the block.
        arguments: the variables that it starts with, such as the arguments of a procedure. The block may
            assign other values to them.

    Raises:
        ProgrammingError: it raised an exception that it does not handle.
    """
    scope = Scope()
    scope.items.update(status_variables())
    outer = Scope(scope)
    outer.items.update(arguments)
    try:
        _Interpreter(session).block(block, outer)
    except _Return as done:
        return done.returned
    except ScriptError as raised:
        raise raised.uncaught from raised
    except _Jump as jump:
        word = "CONTINUE" if jump.statement.again else "BREAK"
        raise errors.syntax(f"{word} is outside of a loop") from None
    return Returned()


class _Interpreter:
    """Runs the statements of a block and of those nested in it.

    Attributes:
        handling: the exceptions whose handlers are running, the innermost last.
        handlers: the handlers of the blocks that are running, with their scopes, the innermost last.
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        self.handling: list[Failure] = []
        self.handlers: list[tuple[nodes.Block, Scope]] = []

    def block(self, block: nodes.Block, outer: Scope) -> None:
        """Run a block; an exception that its handlers do not know leaves it."""
        scope = Scope(outer)
        self.handlers.append((block, scope))
        depth = len(self.handlers)
        try:
            for declaration in block.declarations:
                self.statement(declaration, scope)
            self.statements(block.body, scope)
        except ScriptError as raised:
            del self.handlers[depth - 1 :]
            handler = _handler(block, scope, raised.failure)
            if handler is None:
                raise
            self._handle(handler, raised.failure, scope)
        finally:
            del self.handlers[depth - 1 :]

    def _handle(self, handler: nodes.Handler, failure: Failure, scope: Scope) -> None:
        inner = Scope(scope)
        for name, value in (
            ("SQLCODE", TypedValue.whole(failure.code)),
            ("SQLERRM", TypedValue.text(failure.message)),
            ("SQLSTATE", TypedValue.text(failure.state)),
        ):
            inner.items[name] = Variable(value, value.type)
        self.handling.append(failure)
        try:
            self.statements(handler.body, inner)
        finally:
            self.handling.pop()

    def statements(self, statements: Sequence[nodes.Statement], scope: Scope) -> None:
        """Run statements one after another; a CONTINUE handler goes on with the next one."""
        for statement in statements:
            try:
                self.statement(statement, scope)
            except ScriptError as raised:
                block, of_block = self.handlers[-1] if self.handlers else (None, scope)
                handler = _handler(block, of_block, raised.failure) if block is not None else None
                if handler is None or not handler.resumes:
                    raise
                current = self.handlers.pop()
                self._handle(handler, raised.failure, of_block)
                self.handlers.append(current)

    def statement(self, statement: nodes.Statement, scope: Scope) -> None:
        """Run one statement."""
        self.session.cancellation.check()
        match statement:
            case nodes.Sql() | nodes.ExecuteImmediate():
                self._query(statement, scope)
            case nodes.Assign():
                self._assign(statement, scope)
            case (
                nodes.Declare() | nodes.DeclareCursor() | nodes.DeclareResultSet() | nodes.DeclareException()
            ):
                self._declare(statement, scope)
            case nodes.If() | nodes.Case():
                self._branch(statement, scope)
            case nodes.Block():
                self.block(statement, scope)
            case nodes.ForCounter() | nodes.ForRows() | nodes.Loop():
                self._loop(statement, scope)
            case nodes.Jump():
                raise _Jump(statement)
            case nodes.Return() | nodes.ReturnTable():
                raise _Return(self._returned(statement, scope))
            case nodes.Raise():
                self._raise(statement, scope)
            case nodes.Open():
                open_cursor(self.session, scope, statement)
            case nodes.Fetch():
                fetch(self.session, scope, statement)
            case nodes.Close():
                close(scope, statement.name, statement.place)
            case nodes.Null():
                pass

    def _query(self, statement: nodes.Query, scope: Scope) -> None:
        found = run_query(self.session, scope, statement)
        if not statement.into:
            return
        assert found.result is not None
        count = found.result.table.num_rows
        if count != 1:
            raise script_error(
                0,
                "P0000",
                f"A SELECT INTO statement expects exactly 1 returned row, but got {count}.",
                statement.place,
            )
        assign_row(self.session, scope, statement.into, found, 0, statement.place)

    def _assign(self, statement: nodes.Assign, scope: Scope) -> None:
        item = scope.find(statement.name)
        if isinstance(item, ResultSet) and statement.query is not None:
            found = run_query(self.session, scope, statement.query)
            item.result, item.query_id = found.result, found.query_id
        elif isinstance(item, Variable):
            item.value = evaluate(self.session, scope, statement.value, item.type)
        else:
            assign(self.session, scope, statement.name, TypedValue.null(_WHOLE), statement.place)

    def _declare(self, statement: nodes.Declaration, scope: Scope) -> None:
        match statement:
            case nodes.Declare(name=name, type=None, value=nodes.Expression() as expression):
                value = evaluate(self.session, scope, expression)
                scope.declare(name, Variable(value, value.type))
            case nodes.Declare(name=name, type=DataType() as kind, value=given):
                value = TypedValue.null(kind)
                if given is not None:
                    value = evaluate(self.session, scope, given, kind)
                scope.declare(name, Variable(value, kind))
            case nodes.DeclareCursor(name=name, query=query, of=of):
                scope.declare(name, Cursor(query, of))
            case nodes.DeclareResultSet(name=name, query=query):
                found = ResultSet() if query is None else run_query(self.session, scope, query)
                scope.declare(name, found)
            case nodes.DeclareException(name=name, number=number, message=message):
                scope.declare(name, DeclaredException(number, message))

    def _holds(self, condition: nodes.Expression, scope: Scope) -> bool:
        return evaluate(self.session, scope, condition, _TRUTH).python is True

    def _branch(self, statement: nodes.If | nodes.Case, scope: Scope) -> None:
        inner = Scope(scope)
        compared = "_CASE"
        if isinstance(statement, nodes.Case):
            value = evaluate(self.session, scope, statement.value)
            inner.items[compared] = Variable(value, value.type)
        for branch in statement.branches:
            condition = branch.condition
            if isinstance(statement, nodes.Case):
                condition = nodes.Expression(f"{compared} = ({condition.text})", condition.place)
            if self._holds(condition, inner):
                self.statements(branch.body, Scope(scope))
                return
        self.statements(statement.otherwise, Scope(scope))

    def _iterate(self, body: Sequence[nodes.Statement], label: str, scope: Scope) -> bool:
        """Run an iteration; return False if it ended the loop."""
        try:
            self.statements(body, scope)
        except _Jump as jump:
            if jump.statement.label and jump.statement.label != label:
                raise
            return jump.statement.again
        return True

    def _loop(self, statement: nodes.ForCounter | nodes.ForRows | nodes.Loop, scope: Scope) -> None:
        if isinstance(statement, nodes.ForCounter):
            self._count(statement, scope)
        elif isinstance(statement, nodes.ForRows):
            self._each_row(statement, scope)
        else:
            while statement.condition is None or self._holds(statement.condition, scope):
                self.session.cancellation.check()
                if not self._iterate(statement.body, statement.label, Scope(scope)):
                    return
                if statement.until is not None and self._holds(statement.until, scope):
                    return

    def _count(self, statement: nodes.ForCounter, scope: Scope) -> None:
        bounds = [
            evaluate(self.session, scope, bound, _WHOLE).python for bound in (statement.start, statement.end)
        ]
        start, end = (int(bound) for bound in bounds if isinstance(bound, int | Decimal))
        numbers = range(end, start - 1, -1) if statement.reverse else range(start, end + 1)
        for number in numbers:
            inner = Scope(scope, {statement.name: Variable(TypedValue.whole(number), _WHOLE)})
            if not self._iterate(statement.body, statement.label, inner):
                return

    def _each_row(self, statement: nodes.ForRows, scope: Scope) -> None:
        found = rows_of(self.session, scope, statement.source, statement.place)
        assert found.result is not None
        for row in range(found.result.table.num_rows):
            inner = Scope(scope, {statement.name: Record(found.result, row)})
            if not self._iterate(statement.body, statement.label, inner):
                return

    def _returned(self, statement: nodes.Return | nodes.ReturnTable, scope: Scope) -> Returned:
        if isinstance(statement, nodes.Return):
            value = statement.value
            return Returned(None if value is None else evaluate(self.session, scope, value))
        if statement.cursor:
            cursor = cursor_of(scope, statement.name, statement.place)
            found = cursor.opened or rows_of(self.session, scope, statement.name, statement.place)
        else:
            found = result_of(scope, statement.name, statement.place)
        return Returned(table=found.result)

    def _raise(self, statement: nodes.Raise, scope: Scope) -> None:
        if not statement.name:
            if not self.handling:
                raise errors.syntax("RAISE without a name is valid in an exception handler only")
            raise ScriptError(self.handling[-1])
        item = scope.find(statement.name)
        if not isinstance(item, DeclaredException):
            raise script_error(
                904,
                "42000",
                f"SQL compilation error:\ninvalid identifier '{statement.name}'",
                statement.place,
            )
        raise ScriptError(Failure(statement.name, item.number, item.message, RAISED, statement.place))


def _handler(block: nodes.Block, scope: Scope, failure: Failure) -> nodes.Handler | None:
    """Return the first handler of a block that knows an exception."""
    for handler in block.handlers:
        if failure.name in handler.names or OTHER in handler.names:
            return handler
    return None
