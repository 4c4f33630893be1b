"""Column lists of CREATE TABLE, CREATE VIEW and ALTER TABLE."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass

from sqlglot import exp

from snowpipe_ml.local.catalog.columns import Declared, column_sql
from snowpipe_ml.local.catalog.sequences import make
from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.names import quoted
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.syntax.parsing import parse
from snowpipe_ml.local.translate.casts import data_type
from snowpipe_ml.local.translate.compiler import to_sql
from snowpipe_ml.local.translate.passes import new_compiler
from snowpipe_ml.sql import DataType

T = exp.DataType.Type


@dataclass(frozen=True)
class ColumnDefinition:
    """A column of a column list.

    Attributes:
        kind: DuckDB's type; None where only a name is given.
        required: whether it is NOT NULL.
        default: its default in DuckDB's SQL.
        declared: the column in Snowflake's words; None where only a name is given.
    """

    name: str
    kind: str | None = None
    required: bool = False
    default: str | None = None
    declared: Declared | None = None

    @property
    def sql(self) -> str:
        """The column in a CREATE TABLE statement of DuckDB."""
        assert self.kind is not None
        length = self.declared.length if self.declared is not None else None
        return column_sql(self.name, self.kind, required=self.required, default=self.default, length=length)


def column_definitions(columns: str, session: Session) -> list[ColumnDefinition]:
    """Parse a column list.

    Primary, unique and foreign keys are parsed but not stored: Snowflake does not enforce them.
    """
    tree = parse(f"CREATE TABLE _T ({columns})")
    found: list[ColumnDefinition] = []
    for node in tree.this.expressions:
        if isinstance(node, exp.Identifier | exp.Column):
            found.append(ColumnDefinition(_stored(node)))
        elif isinstance(node, exp.ColumnDef):
            found.append(_definition(node, session))
    check_columns([column.name for column in found])
    return found


def _definition(node: exp.ColumnDef, session: Session) -> ColumnDefinition:
    required, default, written = False, None, None
    for constraint in node.args.get("constraints") or []:
        match constraint.kind:
            case exp.NotNullColumnConstraint():
                required = not constraint.kind.args.get("allow_null")
            case exp.DefaultColumnConstraint():
                value = constraint.kind.this
                written = _written(value)
                compiler = new_compiler(session)
                default = to_sql(compiler.compile(exp.select(value.copy())).expressions[0].unalias())
            case exp.AutoIncrementColumnConstraint() | exp.GeneratedAsIdentityColumnConstraint():
                start, step = (constraint.kind.args.get(key) for key in ("start", "increment"))
                default = _identity(session, _number(start), _number(step))
            case exp.ComputedColumnConstraint():
                raise errors.UnsupportedError("computed columns")
            case _:
                pass
    name, kind = _stored(node.this), node.args.get("kind")
    if kind is None:
        return ColumnDefinition(name, None, required, default)
    stored = data_type(kind, session).sql(dialect="duckdb")
    return ColumnDefinition(name, stored, required, default, Declared(name, declared_type(kind), written))


def _written(default: exp.Expr) -> str:
    """Return a default as Snowflake writes it."""
    if isinstance(default, exp.Literal) and default.is_string:
        return "'" + default.name.replace("\\", "\\\\").replace("'", "''") + "'"
    return default.sql(dialect="snowflake")


def declared_type(kind: exp.DataType) -> str:
    """Return a type with all its parameters, as DESCRIBE TABLE shows it."""
    if kind.this in (T.CHAR, T.NCHAR) and not kind.expressions:
        return "VARCHAR(1)"  # https://docs.snowflake.com/en/sql-reference/data-types-text
    text = re.sub(r"^TIMESTAMP(?=NTZ|LTZ|TZ)", "TIMESTAMP_", kind.sql(dialect="snowflake"))
    try:
        return DataType.parse(text).complete.sql.replace(", ", ",")
    except ValueError as error:
        raise errors.UnsupportedError(f"a column of the type {text}") from error


def check_columns(names: list[str]) -> None:
    """Refuse duplicate column names, including names that only DuckDB treats as duplicates."""
    seen: dict[str, str] = {}
    for name in names:
        folded = name.rstrip(errors.TWIN).lower()
        if seen.get(folded) == name:
            raise errors.error(2025, "42S21", f"SQL compilation error:\nduplicate column name '{name}'")
        if folded in seen or name.endswith(errors.TWIN):
            plain = name.rstrip(errors.TWIN)
            raise errors.UnsupportedError(f"a table with column names that differ only in case ({plain})")
        seen[folded] = name


def _number(node: exp.Expr | None) -> int:
    return int(node.sql()) if node is not None else 1


def _identity(session: Session, start: int, step: int) -> str:
    """Return the default of an AUTOINCREMENT column: the next value of a sequence created for it."""
    database, schema, _ = session.resolve(("_",), "CREATE TABLE")
    name = (database, schema, f"_IDENTITY_{uuid.uuid4().hex.upper()}")
    make(session, name, start, step)
    text = quoted(*name).replace("'", "''")
    return f"nextval('{text}')"


def _stored(node: exp.Expr) -> str:
    identifier = node if isinstance(node, exp.Identifier) else node.find(exp.Identifier)
    assert identifier is not None
    return identifier.name if identifier.args.get("quoted") else identifier.name.upper()
