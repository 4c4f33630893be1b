"""Starts the dashboard on this machine."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from snowpipe_ml.engine.pipeline import Pipeline
from snowpipe_ml.errors import MissingExtraError

_SCRIPT = Path(__file__).with_name("streamlit_app.py")
LOOPBACK = "127.0.0.1"
# Captions have 60 % of this color: with Streamlit's own, their contrast is below 4.5, the least of WCAG 2 for text.
_TEXT = "#0e0e12"
# Chosen tabs and values are written in it: 6.4 to 1 on white, and 7.2 to 1 on the dark background.
_PRIMARY, _PRIMARY_DARK = "#1f5fa8", "#6ea8e8"


def launch(
    spec: Path,
    target: str | None,
    variables: Mapping[str, object],
    *,
    port: int | None,
    address: str = LOOPBACK,
    headless: bool = False,
) -> None:
    """Serve the dashboard of a spec until the process is interrupted.

    Args:
        spec: the spec.
        target: the target's name; the default target if None.
        variables: values of ``vars`` that override those of the file.
        port: the port; 8501 or the next free one if None.
        address: the address to listen on.
        headless: do not open a browser.

    Raises:
        MissingExtraError: Streamlit is not installed.
        SpecError: the spec is invalid.
        UsageError: the target or a variable does not exist.
    """
    if find_spec("streamlit") is None:
        raise MissingExtraError("dashboard", "the dashboard")
    Pipeline.from_yaml(spec, variables).load(target)  # mistakes are printed here, and not in the browser
    from streamlit.web import cli

    arguments = json.dumps(
        {"spec": str(spec.resolve()), "target": target, "variables": dict(variables)}, default=str
    )
    cli.main(
        ["run", str(_SCRIPT), *options(port, address, headless=headless), "--", arguments],
        prog_name="streamlit",
        standalone_mode=False,
    )


def options(port: int | None, address: str, *, headless: bool) -> list[str]:
    """Return Streamlit's options: https://docs.streamlit.io/develop/api-reference/configuration/config.toml."""
    settings: dict[str, str | int] = {
        "server.address": address,
        **({} if port is None else {"server.port": port}),
        "server.headless": str(headless or not _has_screen()).lower(),
        "server.fileWatcherType": "none",
        "browser.gatherUsageStats": "false",
        "client.toolbarMode": "minimal",
        "client.showSidebarNavigation": "true",
        "client.showErrorDetails": "type",
        "theme.light.primaryColor": _PRIMARY,
        "theme.light.textColor": _TEXT,
        "theme.dark.primaryColor": _PRIMARY_DARK,
    }
    return [f"--{name}={value}" for name, value in settings.items()]


def _has_screen() -> bool:
    return os.name == "nt" or os.uname().sysname == "Darwin" or bool(os.environ.get("DISPLAY"))
