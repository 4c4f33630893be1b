"""Record the commands of the README in a terminal, as docs/images/run.svg.

    python docs/images/record_run.py

The picture is of a real run: the commands are executed in a temporary folder.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

COMMANDS = (
    "snowpipe-ml init mine --csv sales.csv",
    "snowpipe-ml run mine/forecast.yaml --no-report",
    'snowpipe-ml sql mine/forecast.yaml "SELECT SERIES, DATE, FORECAST, LOW, HIGH FROM FORECAST ORDER BY 1, 2 LIMIT 3"',
)
SAMPLE = Path(__file__).parents[2] / "pipelines" / "forecast" / "sales.csv"
WIDTH = 118


def main() -> None:
    """Write the picture."""
    console = Console(record=True, width=WIDTH, file=open(os.devnull, "w"))  # noqa: SIM115
    environment = {**os.environ, "COLUMNS": str(WIDTH)}
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "sales.csv").write_bytes(SAMPLE.read_bytes())
        for command in COMMANDS:
            console.print(Text("$ ", "bold green") + Text(command.replace(" --no-report", "")))
            program = [sys.executable, "-m", "snowpipe_ml", *_words(command)]
            done = subprocess.run(
                program, cwd=folder, env=environment, capture_output=True, text=True, check=True
            )
            shown = re.sub(r"\n\n  snowpipe-ml plan .*", "", done.stdout, flags=re.S)
            text = Text(shown.strip("\n") + "\n")
            text.highlight_words(["✓", "success"], "green")
            console.print(text)
    picture = console.export_svg(title="snowpipe-ml")
    picture = re.sub(r"@font-face \{.*?\}\s*", "", picture, flags=re.S)  # fonts of another host
    Path(__file__).with_name("run.svg").write_text(picture, encoding="utf-8")


def _words(command: str) -> list[str]:
    return [word.strip('"') for word in re.findall(r'"[^"]*"|\S+', command)][1:]


if __name__ == "__main__":
    main()
