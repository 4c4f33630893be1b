"""A headless Chromium for the tests of pages, and axe-core, which checks contrast and labels."""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest

AXE = "4.14.1"
"""The version of axe-core: https://www.npmjs.com/package/axe-core."""
WIDTHS = (1280, 390)
"""The widths of a desktop and of a phone."""

# Elements that reach beyond the window, other than those inside a part that scrolls.
_WIDE = """() => [...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > innerWidth + 1
  && !e.closest('.wide, .tall, pre, svg, .tip')).map(e => e.outerHTML.slice(0, 90))"""
# Charts are drawn when they come into view.
_SCROLL = """async () => { for (let y = 0; y < document.body.scrollHeight; y += 500) {
  scrollTo(0, y); await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done))); } scrollTo(0, 0); }"""


@cache
def chromium() -> str | None:
    """The path of Chromium, which is installed if the machine allows it."""
    names = ("chromium", "chromium-browser", "google-chrome")
    found = next((path for name in names if (path := shutil.which(name))), None)
    if found is None and os.geteuid() == 0 and shutil.which("apt-get"):
        subprocess.run(
            "apt-get update -qq && apt-get install -y -qq chromium",
            shell=True,
            check=False,
            capture_output=True,
        )
        found = shutil.which("chromium")
    return found


@cache
def axe() -> str | None:
    """The script of axe-core, fetched once by npm into the user's cache; None without npm or its registry."""
    folder = (
        Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "snowpipe-ml" / f"axe-core-{AXE}"
    )
    script = folder / "axe.min.js"
    if not script.is_file() and shutil.which("npm"):
        with tempfile.TemporaryDirectory() as made:
            done = subprocess.run(
                ["npm", "pack", "--silent", f"axe-core@{AXE}"],
                cwd=made,
                check=False,
                capture_output=True,
                text=True,
            )
            if done.returncode != 0:
                return None
            with tarfile.open(Path(made) / f"axe-core-{AXE}.tgz") as archive:
                member = archive.extractfile("package/axe.min.js")
                assert member is not None
                folder.mkdir(parents=True, exist_ok=True)
                script.write_bytes(member.read())
    return script.read_text() if script.is_file() else None


@contextmanager
def browser() -> Iterator[Any]:
    """Start Chromium; skip the test where there is none."""
    path = chromium()
    if path is None:
        pytest.skip("there is no Chromium here, and none can be installed")
    sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield started
        started.close()


@contextmanager
def opened(started: Any, path: Path, width: int = 1280, scheme: str = "light") -> Iterator[Any]:
    """Open a page, and check at the end that it loaded nothing and logged nothing."""
    context = started.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True)
    page = context.new_page()
    said: list[str] = []
    loaded: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: loaded.append(request.url[:80]))
    page.goto(path.as_uri())
    page.evaluate(_SCROLL)
    yield page
    assert said == []
    assert [url for url in loaded if not url.startswith(("data:", "file:"))] == []
    context.close()


def check_layout(page: Any) -> None:
    """Check that nothing reaches beyond the window."""
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    assert page.evaluate(_WIDE) == []


def check_accessible(page: Any) -> None:
    """Check contrast, labels and keyboard access with axe-core; skip the test without it."""
    assert violations(page, "minor", "moderate", "serious", "critical") == []


def violations(page: Any, *impacts: str) -> list[str]:
    """Return what axe-core finds of these impacts: the rule and the first element. Skip the test without axe-core."""
    script = axe()
    if script is None:
        pytest.skip("axe-core is not in the cache, and npm cannot fetch it")
    page.evaluate(script)
    found: list[str] = page.evaluate(
        """async impacts => (await axe.run()).violations.filter(found => impacts.includes(found.impact))
        .map(found => `${found.id}: ${found.nodes[0].html.slice(0, 200)}`)""",
        list(impacts),
    )
    return found
