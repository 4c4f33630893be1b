"""`snowpipe-ml test --against`: the same tests through the real connector, in a schema that is dropped."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.accounts import TARGET, account

SPEC = f"""\
name: shop
{TARGET}
tables: {{orders: {{columns: {{ID: number, AMOUNT: "number(10, 2)"}}}}}}
sources: {{days: {{columns: {{DAY: date}}, from: {{prod: {{file: days.csv}}}}}}}}
steps:
  large:
    type: transform
    query: "SELECT ID, AMOUNT, (SELECT COUNT(*) FROM INFORMATION_SCHEMA.SCHEMATA WHERE SCHEMA_NAME = 'PLANTED') AS P FROM {{{{ ref('orders') }}}} WHERE AMOUNT > 1"
    writes: large_orders
  days_with_rows:
    type: transform
    query: "SELECT COUNT(*) AS N FROM {{{{ ref('days') }}}}"
    writes: counted
tests:
  equal:
    given: {{days: [{{DAY: 2024-01-01}}, {{DAY: 2024-01-02}}]}}
    expect: {{counted: [{{N: 2}}]}}
  differs:
    given: {{orders: [{{ID: 1, AMOUNT: 5}}, {{ID: 2, AMOUNT: 0.5}}]}}
    expect: {{large_orders: [{{ID: 1}}]}}
"""


@pytest.mark.slow
def test_a_planted_difference_is_shown(tmp_path: Path) -> None:
    with account(tmp_path) as served:
        served.ask("CREATE SCHEMA PLANTED")  # only the account has it
        spec = served.folder / "shop.yaml"
        spec.write_text(SPEC)
        before = served.ask("SHOW SCHEMAS IN DATABASE DEMO")
        done = served.command("test", spec, "--against", "prod")
        assert done.returncode == 1
        first, *lines = [line for line in done.stdout.splitlines() if "equal" not in line]
        assert "✓ equal" in done.stdout, done.stdout + done.stderr
        assert first.startswith(" ✗ differs")
        assert lines[:4] == [
            "   LARGE_ORDERS: 1 rows differ; - is the embedded warehouse, + is prod",
            "     ID | AMOUNT | P",
            "   - 1  | 5.00   | 0",
            "   + .  | .      | 1",
        ]
        assert all(len(line) <= 80 for line in lines)
        assert served.ask("SHOW SCHEMAS IN DATABASE DEMO") == before
        spec.write_text(SPEC.replace("  equal:\n", "  equal:\n    now: 2024-01-01\n"))
        refused = served.command("test", spec, "--against", "prod")
        assert refused.returncode == 2
        assert "which no account can be given: equal" in refused.stderr
