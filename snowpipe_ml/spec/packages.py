"""Models of the Python packages that a spec declares: lists of packages, and imports staged as wheels."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, WithJsonSchema, model_validator

from snowpipe_ml.plugins import ObjectName, TableName
from snowpipe_ml.spec.base import Model, PlainKey


def _requirement(text: str) -> str:
    """Validate a pip requirement. URLs are refused, because the lock file has file names and hashes."""
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        requirement = Requirement(text)
    except InvalidRequirement as error:
        raise ValueError(
            f"{text!r} is not a requirement such as 'autogluon.tabular==1.6.3': {str(error).splitlines()[0]}"
        ) from None
    if requirement.marker is not None:
        raise ValueError(
            f"{text!r} has an environment marker: remove it, an import is for one Python and one platform"
        )
    if requirement.url:
        raise ValueError(f"{text!r} has a URL: put the wheel in a folder, and give that folder as find_links")
    return text


def _package(text: str) -> str:
    """Validate a package of PACKAGES: a name, or NAME==VERSION, where the version may end in ``.*``.

    Other specifiers are not documented: https://docs.snowflake.com/en/developer-guide/udf/python/udf-python-packages
    """
    from packaging.requirements import Requirement

    exact = re.sub(r"^([A-Za-z0-9._-]+)=([^=].*)$", r"\1==\2", text.strip())  # conda's single '='
    given = Requirement(_requirement(exact))
    if any(specifier.operator != "==" for specifier in given.specifier) or len(given.specifier) > 1:
        raise ValueError(
            f"{text!r} is not a form that PACKAGES documents: give {given.name}, or a version as in "
            f"{given.name}==2.1.4 or {given.name}==2.*"
        )
    return exact


# https://docs.snowflake.com/en/developer-guide/python-runtime-support-policy
Python = Literal["3.10", "3.11", "3.12", "3.13"]
DEPRECATED_PYTHON = {"3.10": "2026-10-04"}
"""The versions that Snowflake has deprecated, with the dates."""


class Packages(Model):
    """A list of packages and the repository that provides them."""

    packages: tuple[Annotated[str, AfterValidator(_package)], ...] = Field(
        min_length=1, description="Packages, such as pandas or scikit-learn==1.5.2"
    )
    artifact_repository: TableName | None = Field(
        None,
        description="Artifact repository, such as snowflake.snowpark.pypi_shared_repository; "
        "Snowflake's Anaconda channel if not given",
    )


PACKAGES_SCHEMA = WithJsonSchema(
    {
        "anyOf": [
            {"type": "array", "items": {"type": "string"}},
            {
                "type": "object",
                "required": ["packages"],
                "additionalProperties": False,
                "properties": {
                    "packages": {"type": "array", "items": {"type": "string"}, "minItems": 1},
                    "artifact_repository": {
                        "type": "string",
                        "description": "Such as snowflake.snowpark.pypi_shared_repository",
                    },
                },
            },
        ],
    }
)


def as_packages(value: object) -> object:
    """Accept a plain list of packages for a :class:`Packages`."""
    return {"packages": value} if isinstance(value, list | tuple) else value


class WheelImport(Model):
    """Python packages missing from Snowflake's Anaconda channel, staged as wheels for functions to import."""

    stage: ObjectName
    requirements: tuple[Annotated[str, AfterValidator(_requirement)], ...] = Field(
        (), description="Requirements; their dependencies are resolved and locked"
    )
    packages: PlainKey | None = Field(
        None, description="List of packages that functions declare in addition to the import"
    )
    native: tuple[str, ...] = Field(
        (), description="Distributions whose wheels may be staged although they contain native code"
    )
    find_links: str | None = Field(None, description="Folder of wheels to use instead of the package index")
    python: Python | None = Field(
        None, description="Python that the wheels are for; that of the pipeline if not given"
    )
    wheels: tuple[str, ...] = Field(
        (), description="Instead of `requirements`: exactly these, as NAME==VERSION or files, no dependencies"
    )

    @model_validator(mode="after")
    def _one_way(self) -> WheelImport:
        if bool(self.requirements) == bool(self.wheels):
            raise ValueError("give either requirements (with their dependencies) or wheels (exactly these)")
        if self.wheels and (self.packages or self.native or self.find_links):
            raise ValueError("packages, native and find_links can be used only with requirements")
        return self
