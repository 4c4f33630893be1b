"""The documentation site in a real browser: pages fit, load nothing from elsewhere, and have no serious fault for axe-core."""

from __future__ import annotations

import configparser
import os
import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.browser import browser, violations
from tests.conftest import ROOT
from tests.integrations.environments import python_with

pytestmark = pytest.mark.integrations


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Do not write each request to standard error."""


def build(folder: Path) -> None:
    """Build the site as `make docs` does, in a separate environment."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    texts = (config["options"]["install_requires"], config["options.extras_require"]["docs"])
    wanted = [line for text in texts for line in text.split("\n") if line]
    done = subprocess.run(
        [python_with("docs", wanted), "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", folder],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "NO_MKDOCS_2_WARNING": "1"},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site") / "built"
    build(folder)
    return folder


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(site)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with browser() as started:
        yield started


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (1280, "dark"), (390, "light")])
def test_every_page_fits_and_is_accessible(
    chromium: Any, site: Path, address: str, width: int, scheme: str
) -> None:
    context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    page.set_default_timeout(600_000)  # milliseconds; the machine may be busy
    requested: list[str] = []
    page.on("request", lambda request: requested.append(request.url))
    faults: dict[str, list[str]] = {}
    pages = sorted(path.relative_to(site).as_posix() for path in site.rglob("*.html"))
    assert {"index.html", "reference.html", "tutorials/own-csv.html"} <= set(pages)
    for name in pages:
        page.goto(address + name)
        # The theme wraps wide tables when it has loaded.
        page.wait_for_function(
            "[...document.querySelectorAll('.md-typeset table:not([class])')].length === 0 || "
            "document.querySelector('.md-typeset__scrollwrap[tabindex]') !== null"
        )
        found = violations(page, "serious", "critical")
        if page.evaluate("document.documentElement.scrollWidth - innerWidth") > 0:
            found.append("wider than the window")
        if found:
            faults[name] = found
    context.close()
    assert faults == {}
    assert [url for url in requested if not url.startswith((address, "data:", "blob:"))] == []


def test_the_list_for_language_models_names_every_page_of_the_menu(site: Path) -> None:
    text = (site / "llms.txt").read_text()
    assert "No pipeline has run on a Snowflake account yet. This is not Snowpipe" in text
    links = [line.partition("](")[2].rstrip(")") for line in text.splitlines() if line.startswith("- [")]
    assert "commands.html" in links
    assert [link for link in links if not (site / link).is_file()] == []
