"""Column lists of CREATE TABLE, CREATE VIEW and ALTER TABLE."""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace

import duckdb
from sqlglot import exp

from snowpipe_ml.local.catalog.columns import Declared, Keys, column_sql, declare
from snowpipe_ml.local.catalog.properties import KEYS, set_property
from snowpipe_ml.local.catalog.sequences import make
from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.names import Name, literal, quoted
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.core.types import Column, cut_fractions
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
        comment: its comment.
        tags: its tags, each as the parts of its name and its value.
    """

    name: str
    kind: str | None = None
    required: bool = False
    default: str | None = None
    declared: Declared | None = None
    comment: str | None = None
    tags: tuple[tuple[tuple[str, ...], str], ...] = ()

    @property
    def length(self) -> int | None:
        """The length of a VARCHAR that is shorter than the longest."""
        return self.declared.length if self.declared is not None else None

    @property
    def sql(self) -> str:
        """The column in a CREATE TABLE statement of DuckDB."""
        assert self.kind is not None
        return column_sql(
            self.name, self.kind, required=self.required, default=self.default, length=self.length
        )


def column_definitions(columns: str, session: Session) -> list[ColumnDefinition]:
    """Parse a column list; see :func:`table_definition`."""
    return table_definition(columns, session)[0]


def table_definition(columns: str, session: Session) -> tuple[list[ColumnDefinition], Keys]:
    """Parse a column list. The keys are stored and shown; Snowflake does not enforce them.

    Raises:
        ProgrammingError: two columns have one name, or a default does not have the type of its column.
        UnsupportedError: a constraint is not known.
    """
    tree = parse(f"CREATE TABLE _T ({columns})")
    found: list[ColumnDefinition] = []
    keys = Keys()
    for node in tree.this.expressions:
        if isinstance(node, exp.Identifier | exp.Column):
            found.append(ColumnDefinition(_stored(node)))
        elif isinstance(node, exp.ColumnDef):
            found.append(_definition(node, session))
            for constraint in node.args.get("constraints") or []:
                keys = _key(keys, constraint.kind, (found[-1].name,))
        else:
            for each in node.expressions if isinstance(node, exp.Constraint) else [node]:
                keys = _key(keys, each, ())
    found = [replace(each, required=each.required or each.name in keys.primary) for each in found]
    check_columns([column.name for column in found])
    return found, keys


def _key(keys: Keys, node: exp.Expr, columns: tuple[str, ...]) -> Keys:
    """Add the key that a constraint of a column or of the table declares."""
    listed = node.this.expressions if isinstance(node.this, exp.Schema) else node.expressions
    match node:
        case exp.PrimaryKeyColumnConstraint() | exp.PrimaryKey():
            return replace(keys, primary=columns or tuple(map(_stored, listed)))
        case exp.UniqueColumnConstraint():
            return replace(keys, unique=(*keys.unique, columns or tuple(map(_stored, listed))))
        case exp.ForeignKey():
            return _foreign(keys, columns or tuple(map(_stored, listed)), node.args["reference"])
        case exp.Reference():
            return _foreign(keys, columns, node)
    return keys


def _foreign(keys: Keys, own: tuple[str, ...], reference: exp.Expr) -> Keys:
    target = reference.this
    others = tuple(map(_stored, target.expressions)) if isinstance(target, exp.Schema) else ()
    table = target.this if isinstance(target, exp.Schema) else target
    return replace(keys, foreign=(*keys.foreign, (own, table.sql(dialect="snowflake"), others)))


def keep_definition(session: Session, table: Name, columns: Sequence[ColumnDefinition], keys: Keys) -> None:
    """Store what DuckDB does not keep of the columns of a new table, in its transaction."""
    declare(session, table, [column.declared for column in columns if column.declared is not None])
    if keys != Keys():
        set_property(session, table, KEYS, keys.dumps())
    for column in columns:
        if column.comment is not None:
            session.duck.execute(
                f"COMMENT ON COLUMN {quoted(*table, column.name)} IS {literal(column.comment)}"
            )


def _definition(node: exp.ColumnDef, session: Session) -> ColumnDefinition:
    required, default, written, comment = False, None, None, None
    tags: tuple[tuple[tuple[str, ...], str], ...] = ()
    kind = node.args.get("kind")
    stored = data_type(kind, session).sql(dialect="duckdb") if kind is not None else None
    scale = Declared("", declared_type(kind), None).scale if kind is not None else None
    for constraint in node.args.get("constraints") or []:
        match constraint.kind:
            case exp.NotNullColumnConstraint():
                required = not constraint.kind.args.get("allow_null")
            case exp.DefaultColumnConstraint():
                value = constraint.kind.this
                written = _written(value)
                default = _default(session, value, stored, scale)
                if stored is not None and isinstance(value, exp.Literal | exp.Neg | exp.Boolean):
                    _check_default(session, _stored(node.this), value, default, stored)
            case exp.AutoIncrementColumnConstraint() | exp.GeneratedAsIdentityColumnConstraint():
                start, step = (constraint.kind.args.get(key) for key in ("start", "increment"))
                default = _identity(session, _number(start), _number(step))
            case exp.ComputedColumnConstraint():
                raise errors.UnsupportedError("computed columns")
            case exp.CommentColumnConstraint():
                comment = constraint.kind.this.name
            case exp.Tags():
                tags = tuple(
                    (tuple(_parts(tag.this)), tag.args["value"].name) for tag in constraint.kind.expressions
                )
            case exp.PrimaryKeyColumnConstraint() | exp.UniqueColumnConstraint() | exp.Reference():
                pass
            case _:
                words = constraint.kind.sql(dialect="snowflake").split("(")[0].strip()
                raise errors.UnsupportedError(f"{words or 'this constraint'} of a column")
    name = _stored(node.this)
    if kind is None:
        return ColumnDefinition(name, None, required, default, None, comment, tags)
    declared = Declared(name, declared_type(kind), written)
    return ColumnDefinition(name, stored, required, default, declared, comment, tags)


def _default(session: Session, value: exp.Expr, stored: str | None, scale: int | None) -> str:
    """Return a default in DuckDB's SQL. DuckDB's defaults cannot have lambda expressions, as those of constants."""
    compiled = new_compiler(session).compile(exp.select(value.copy())).expressions[0].unalias()
    for column in compiled.find_all(exp.Column):
        if column.table and column.name.upper() == "NEXTVAL":
            raise errors.missing("Sequence", column.table)
        raise errors.UnsupportedError(f"a DEFAULT that refers to the column {column.name}")
    default = to_sql(compiled)
    if stored is None:
        return default
    default = cut_fractions(default, str(duckdb.sqltype(stored)), scale)
    plain = isinstance(value, exp.Literal | exp.Neg | exp.Boolean | exp.Null)
    if plain or not _is_constant(value):
        return default
    ((text,),) = session.duck.execute(f"SELECT CAST(CAST({default} AS {stored}) AS VARCHAR)").fetchall()
    return "NULL" if text is None else f"CAST({literal(text)} AS {stored})"


def _is_constant(value: exp.Expr) -> bool:
    """Return whether an expression has one value at all times: it reads no clock, context or sequence."""
    return not any(
        isinstance(node, exp.Column | exp.Anonymous | exp.Rand | exp.Uuid | exp.Query)
        or node.key.startswith("current")
        for node in value.walk()
    )


def _parts(node: exp.Expr) -> list[str]:
    if isinstance(node, exp.Dot):
        return [*_parts(node.this), *_parts(node.expression)]
    return [node.name if node.args.get("quoted") else node.name.upper()]


def _check_default(session: Session, name: str, value: exp.Expr, default: str, kind: str) -> None:
    try:
        session.duck.execute(f"SELECT CAST({default} AS {kind})")
    except duckdb.ConversionException as raised:
        given = f"VARCHAR({len(value.name)})" if value.is_string else "NUMBER"
        expected = Column("", str(duckdb.sqltype(kind))).snowflake
        raise errors.error(
            2023,
            "22000",
            f"SQL compilation error:\nExpression type does not match column data type, expecting {expected} "
            f"but got {given} for column {name}",
        ) from raised


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
        complete = DataType.parse(text).complete
        return complete.sql if complete.name == "VECTOR" else complete.sql.replace(", ", ",")
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
