"""Named file formats."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from snowpipe_ml.local.catalog.kind import CREATED, PLACE, Kept


class FileFormats(Kept):
    """File formats."""

    word = "FILE FORMAT"
    table = "FILE_FORMATS"
    temporary = True
    shown = (
        CREATED,
        *PLACE,
        ("type", "VARCHAR", "upper(coalesce(json_extract_string(options, '$.TYPE'), 'CSV'))"),
        ("owner", "VARCHAR", "'SYSADMIN'"),
        ("comment", "VARCHAR", "coalesce(comment, '')"),
        ("format_options", "VARCHAR", "options::VARCHAR"),
        ("owner_role_type", "VARCHAR", "'ROLE'"),
    )
    cloned: ClassVar[Mapping[str, str]] = {"name": "name", "options": "options", "comment": "comment"}
