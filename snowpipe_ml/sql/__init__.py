"""The types that may be put into a SQL statement: identifiers, literals, trusted text; and secrets."""

from snowpipe_ml.sql.datatypes import DataType
from snowpipe_ml.sql.identifiers import Identifier, QualifiedName
from snowpipe_ml.sql.literals import Literal
from snowpipe_ml.sql.secrets import Secret
from snowpipe_ml.sql.stages import StagePath
from snowpipe_ml.sql.text import Fragment, Sql, join, like_pattern, sql

__all__ = [
    "DataType",
    "Fragment",
    "Identifier",
    "Literal",
    "QualifiedName",
    "Secret",
    "Sql",
    "StagePath",
    "join",
    "like_pattern",
    "sql",
]
