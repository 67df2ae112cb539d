# SPDX-License-Identifier: GPL-3.0-or-later
"""A page of every error that the engine raises with words of its own, and of what each asks to do."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

HEAD = """# Every error

The errors of the engine as its source has them, by their kind, which a failed task has as `error`.
`…` is what differs from one case to the next: names, paths, values. To find yours, search this page
for words of its text that are no name of yours. What is behind the common ones, and how to look
further, is in [troubleshooting](troubleshooting.md).

"""


@dataclass(frozen=True, order=True)
class Told:
    kind: str
    message: str
    hint: str


def page(engine: Path) -> str:
    tree = kinds(engine)
    every = sorted(
        {told for path in engine.rglob("*.py") for told in raised(ast.parse(path.read_text()), tree)}
    )
    lines = [HEAD]
    for kind in sorted({told.kind for told in every}):
        lines.append(f"## {kind}\n\n{tree[kind]}\n\n| error | what to do |\n|---|---|\n")
        lines += [f"| {cell(told.message)} | {cell(told.hint)} |\n" for told in every if told.kind == kind]
        lines.append("\n")
    return "".join(lines)


def kinds(engine: Path) -> dict[str, str]:
    """Each class of the error tree, and the first paragraph of its documentation."""
    tree = ast.parse((engine / "errors.py").read_text())
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    return {
        node.name: (ast.get_docstring(node) or "").partition("\n\n")[0].replace("\n", " ")
        for node in classes
    }


def raised(tree: ast.Module, kinds: dict[str, str]) -> Iterator[Told]:
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args):
            continue
        keywords = {each.arg: text(each.value) for each in node.keywords}
        words = [text(each) for each in node.args]
        if (node.func.id in kinds or "hint" in keywords) and words[0].strip("… "):
            yield Told(
                node.func.id if node.func.id in kinds else "CallaoError", words[0], keywords.get("hint", "")
            )
        elif node.func.id == "Problem":
            path, _, message, *rest = [*words, keywords.get("message", ""), ""]
            allowed = keywords.get("allowed", rest[0])
            yield Told("ConfigError", f"{path}: …: {message}", f"allowed: {allowed}" if allowed else "")


def text(node: ast.expr) -> str:
    """A string as far as it is written down."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(text(part) for part in node.values)
    if isinstance(node, ast.BinOp):
        return text(node.left) + text(node.right)
    if isinstance(node, ast.IfExp):
        return " / ".join(filter(None, (text(node.body), text(node.orelse))))
    return "…"


def cell(words: str) -> str:
    """As it is shown, whatever it means in Markdown."""
    return re.sub(r"([\\|*_`${<>\[\]])", r"\\\1", " ".join(words.split()))
