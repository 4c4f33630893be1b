"""Hooks of the site: the page of the command line, links to files outside this folder, and drawn diagrams.

MkDocs calls the functions by their names (https://www.mkdocs.org/user-guide/configuration/#hooks).
"""

from __future__ import annotations

import re
import sys
from pathlib import Path, PurePosixPath

import click
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.nav import Navigation
from mkdocs.structure.pages import Page

from snowpipe_ml.cli.main import main

sys.path.insert(0, str(Path(__file__).parent))  # MkDocs loads a hook by its path

from diagrams import BLOCK, svg_of

_LIMITS = "No pipeline has run on a Snowflake account yet. This is not Snowpipe, Snowflake's service that loads files."
_PAGES: list[tuple[str, str]] = []
_MARK = re.compile(r"^(```\w+) \w+$", re.MULTILINE)
"""The word by which tests find a block of code; Markdown of the site would not take the line as the beginning of a block."""
_LINK = re.compile(r"\[([^\]]+)\]\((\.\.[^)\s]*)\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the page of the command line."""
    files.append(File.generated(config, "commands.md", content=commands_page()))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Show a link to a file outside docs/ as the path of that file: the site does not have it."""
    folder = PurePosixPath(page.file.src_uri).parent
    docs = Path(config.docs_dir)

    def shown(match: re.Match[str]) -> str:
        title, target = match.groups()
        path = (docs / folder / target.partition("#")[0]).resolve()
        if path.is_relative_to(docs):
            return match[0]
        name = path.relative_to(docs.parent).as_posix()
        return f"{title} (`{name}`)" if name not in title else title

    markdown = BLOCK.sub(lambda block: _drawn(block, page), _LINK.sub(shown, markdown))
    return _MARK.sub(r"\1", markdown)


def _drawn(block: re.Match[str], page: Page) -> str:
    """The picture of a diagram, in place of a script that draws it in the browser."""
    path = svg_of(block[1])
    if not path.is_file():
        raise PluginError(f"{page.file.src_uri}: a diagram is not drawn yet: run 'python docs/diagrams.py'")
    above = "../" * page.file.src_uri.count("/")
    words = re.sub(r"\s+", " ", "; ".join(re.findall(r'\["(.*?)"\]', block[1])))
    return f"![Diagram: {words}]({above}assets/diagrams/{path.name})"


def on_nav(nav: Navigation, config: MkDocsConfig, files: Files) -> Navigation:
    """Remember the pages in the order of the menu."""
    _PAGES[:] = [(page.file.dest_uri, page.title or "") for page in nav.pages]
    return nav


def on_post_build(config: MkDocsConfig) -> None:
    """Write llms.txt, the list of the pages for language models (https://llmstxt.org)."""
    lines = [f"# {config.site_name}", "", f"> {config.site_description}", "", _LIMITS, "", "## Pages", ""]
    lines += [f"- [{title}]({uri})" for uri, title in _PAGES]
    Path(config.site_dir, "llms.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


def commands_page() -> str:
    """Write the help texts of all commands as Markdown."""
    parts = ["# Command line\n", _help(main, ["snowpipe-ml"])]
    context = click.Context(main)
    for name in main.list_commands(context):
        command = main.get_command(context, name)
        assert command is not None
        parts += [f"\n## {name}\n", _help(command, ["snowpipe-ml", name])]
        if isinstance(command, click.Group):
            for inner, sub in command.commands.items():
                parts += [f"\n### {name} {inner}\n", _help(sub, ["snowpipe-ml", name, inner])]
    return "\n".join(parts) + "\n"


def _help(command: click.Command, path: list[str]) -> str:
    context = click.Context(command, info_name=" ".join(path), terminal_width=100, max_content_width=100)
    return f"```text\n{command.get_help(context)}\n```"
