"""The privileges of a spec's grants, and the kinds of objects that they are granted on."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

from snowpipe_ml.sql import QualifiedName
from snowpipe_ml.text.problems import did_you_mean

_SECURABLES = ("TABLE", "VIEW", "SCHEMA", "DATABASE", "WAREHOUSE", "STAGE")


def securable_of(text: str) -> tuple[str, QualifiedName]:
    """Return the kind and the name of the object of a grant, such as ``table flat_forecast``.

    Raises:
        ValueError: privileges cannot be granted on that kind, or the name is missing or invalid.
    """
    kind, _, name = text.strip().partition(" ")
    if kind.upper() not in _SECURABLES or not name:
        raise ValueError(f"a grant needs an object, such as 'table NAME' or 'schema NAME', not {text!r}")
    return kind.upper(), QualifiedName.parse(name.strip())


def _securable(text: str) -> str:
    securable_of(text)
    return text


# https://docs.snowflake.com/en/user-guide/security-access-control-privileges
_PRIVILEGES = frozenset(
    {
        "ADD SEARCH OPTIMIZATION",
        "ALL",
        "ALL PRIVILEGES",
        "APPLYBUDGET",
        "DELETE",
        "EVOLVE SCHEMA",
        "INSERT",
        "MODIFY",
        "MONITOR",
        "OPERATE",
        "READ",
        "REBUILD",
        "REFERENCES",
        "SELECT",
        "TRUNCATE",
        "UPDATE",
        "USAGE",
        "WRITE",
        *(
            f"CREATE {kind}"
            for kind in (
                "DATABASE ROLE",
                "DYNAMIC TABLE",
                "EXTERNAL TABLE",
                "FILE FORMAT",
                "FUNCTION",
                "ICEBERG TABLE",
                "MATERIALIZED VIEW",
                "MODEL",
                "NOTEBOOK",
                "PIPE",
                "PROCEDURE",
                "SCHEMA",
                "SEQUENCE",
                "STAGE",
                "STREAM",
                "STREAMLIT",
                "TABLE",
                "TAG",
                "TASK",
                "TEMPORARY TABLE",
                "VIEW",
            )
        ),
    }
)


def _privilege(text: str) -> str:
    name = " ".join(text.upper().split())
    if name not in _PRIVILEGES:
        hint = did_you_mean(name, sorted(_PRIVILEGES))
        raise ValueError(f"not a privilege: {text!r}" + (f"; {hint}" if hint else ""))
    return name


Securable = Annotated[str, AfterValidator(_securable)]
Privilege = Annotated[str, AfterValidator(_privilege)]
