"""Frozen models of the section ``setup``: what an administrator makes on an account once, apart from any run."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from snowpipe_ml.plugins import ObjectName
from snowpipe_ml.spec.base import Model, ObjectKey
from snowpipe_ml.sql import Identifier, QualifiedName, Sql, sql

_KINDS = (
    "TABLE",
    "VIEW",
    "SCHEMA",
    "DATABASE",
    "WAREHOUSE",
    "STAGE",
    "FILE FORMAT",
    "TAG",
    "SEQUENCE",
    "INTEGRATION",
    "RESOURCE MONITOR",
)
_SEVERAL = ("TABLES", "VIEWS", "STAGES", "FILE FORMATS", "FUNCTIONS", "PROCEDURES", "SEQUENCES", "SCHEMAS")


def target_of(text: str) -> Sql:
    """Return what ``GRANT ... ON`` names: ``account``, ``table x``, ``future tables in schema d.s``.

    Raises:
        ValueError: the text names no object that privileges can be granted on.
    """
    words = text.split()
    upper = " ".join(words).upper()
    if upper == "ACCOUNT":
        return Sql("ACCOUNT")
    if words and words[0].upper() in ("FUTURE", "ALL"):
        for kinds in _SEVERAL:
            for place in ("SCHEMA", "DATABASE"):
                head = f"{words[0].upper()} {kinds} IN {place} "
                if upper.startswith(head):
                    name = QualifiedName.parse(" ".join(words)[len(head) :])
                    return sql("{head}{name}", head=Sql(head), name=name)
    for kind in _KINDS:
        if upper.startswith(f"{kind} "):
            name = QualifiedName.parse(" ".join(words)[len(kind) + 1 :])
            return sql("{kind} {name}", kind=Sql(kind), name=name)
    raise ValueError(
        f"privileges are granted on account, 'table NAME', 'future tables in schema NAME' and the like, not on {text!r}"
    )


def _target(text: str) -> str:
    target_of(text)
    return text


def _privilege(text: str) -> str:
    name = " ".join(text.upper().split())
    if not all(word.isalpha() for word in name.split()) or not name:
        raise ValueError(f"not a privilege: {text!r}")
    return name


GrantTarget = Annotated[str, AfterValidator(_target)]
Privilege = Annotated[str, AfterValidator(_privilege)]


class GrantedTo(Model):
    """The grantees of a role: other roles, which inherit it, and users."""

    roles: tuple[ObjectName, ...] = ()
    users: tuple[ObjectName, ...] = ()


class SetupRole(Model):
    """A role that an administrator creates."""

    granted_to: GrantedTo = GrantedTo()
    comment: str | None = None


class User(Model):
    """A service user, who logs in with a key pair. It has no password.

    https://docs.snowflake.com/en/user-guide/admin-user-management#label-user-management-types
    """

    rsa_public_key: str | None = Field(
        None, description="The public key, as in the file, without its first and last line"
    )
    rsa_public_key_file: str | None = Field(
        None, description="File with the public key, relative to the spec"
    )
    default_role: ObjectName | None = None
    default_warehouse: ObjectName | None = None
    network_policy: ObjectName | None = Field(None, description="An existing network policy")
    comment: str | None = None

    @model_validator(mode="after")
    def _one_key(self) -> Self:
        if self.rsa_public_key is not None and self.rsa_public_key_file is not None:
            raise ValueError("give one of rsa_public_key and rsa_public_key_file")
        return self


class SetupDatabase(Model):
    """A database with its schemas."""

    schemas: tuple[ObjectName, ...] = ()
    comment: str | None = None


class Share(Model):
    """A database that is made from a share or from a listing of the Marketplace, once that has been accepted."""

    share: str | None = Field(None, description="The share: PROVIDER_ACCOUNT.SHARE")
    listing: str | None = Field(None, description="The global name of a listing, such as GZ1M6Z2EUIN")
    roles: tuple[ObjectName, ...] = Field((), description="Roles that may read it (IMPORTED PRIVILEGES)")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.share is None) == (self.listing is None):
            raise ValueError("give either share or listing")
        if self.share is not None:
            QualifiedName.parse(self.share)
        return self


class Setup(Model):
    """The objects that `snowpipe-ml setup` creates on an account, through a separate connection. A run never does.

    It also makes the role of the target with the privileges that the spec needs, the database and the schemas of
    the target, and the warehouses and roles of the spec that are managed elsewhere.
    """

    connection: str | None = Field(None, description="An administrator's connection in connections.toml")
    role: ObjectName = Field(Identifier("ACCOUNTADMIN"), description="The role that makes all of it")
    roles: dict[ObjectKey, SetupRole] = Field({})
    users: dict[ObjectKey, User] = Field({})
    databases: dict[ObjectKey, SetupDatabase] = Field({})
    shares: dict[ObjectKey, Share] = Field({}, description="Databases by name")
    grants: dict[ObjectKey, dict[GrantTarget, tuple[Privilege, ...]]] = Field(
        {}, description="Privileges by role and object: {ROLE: {'future tables in schema D.S': [PRIVILEGE]}}"
    )
