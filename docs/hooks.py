"""Fills the page of the commands with what `--help` prints, so that both agree."""

import argparse
import os

_MARK = "<!-- commands -->"


def on_page_markdown(markdown: str, page, config, files) -> str:
    """Called by MkDocs for each page."""
    return markdown.replace(_MARK, commands()) if _MARK in markdown else markdown


def commands() -> str:
    """A section for each command of `keras-transfer`."""
    os.environ["COLUMNS"] = "90"  # of the help
    from keras_transfer.cli.parser import build_parser

    parser = build_parser()
    (found,) = (
        action for action in parser._actions if isinstance(action, argparse._SubParsersAction)
    )
    summaries = {action.dest: action.help for action in found._choices_actions}
    return "\n".join(
        f"## {name}\n\n{summaries[name]}\n\n```text\n{command.format_help()}```\n"
        for name, command in found.choices.items()
    )
