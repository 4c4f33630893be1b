"""A case for each statement that the embedded warehouse has, by its verb: what comes before it, its result and its effect."""

from tests.local.statement_cases.alter import ALTER
from tests.local.statement_cases.case import Case
from tests.local.statement_cases.create import CREATE
from tests.local.statement_cases.describe import DESCRIBE
from tests.local.statement_cases.drop import DROP
from tests.local.statement_cases.other import OTHER
from tests.local.statement_cases.show import SHOW

CASES: dict[str, Case] = {**ALTER, **CREATE, **DESCRIBE, **DROP, **SHOW, **OTHER}
