# SPDX-License-Identifier: GPL-3.0-or-later
"""Merges the texts of a template and its base templates into one text that keeps their comments."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import yaml

from callao.config.nodes import documents
from callao.config.patch import patched
from callao.config.source_lines import SourceLines
from callao.config.yamltext import dump


def merge_keeping_comments(texts: Sequence[str], document: Mapping[str, object]) -> str | None:
    """The first of ``texts``, edited so that it loads as ``document``. Fields from the other texts are
    copied with their comments. None where the comments cannot be kept.

    :param texts: the YAML texts that the document was merged from, the most specific first.
    """
    whole = texts[0].rstrip("\n") + "\n"
    known = {name for name, _ in _fields(texts[0])}
    for text in texts[1:]:
        for name, block in _fields(text):
            if name in document and name not in known:
                known.add(name)
                longer = patched(whole + block, document)
                whole = whole + block if longer is not None else whole
    source_lines = SourceLines()
    for text in texts[1:]:
        source_lines.collect(text)
    return patched(whole, document, source_lines) or patched(whole, document)


def merge_texts(texts: Sequence[str], document: Mapping[str, object]) -> str:
    """The merged text; without comments where they cannot be kept."""
    found = merge_keeping_comments(texts, document) or patched(texts[0], document)
    return dump(document) if found is None else found


def _fields(text: str) -> Iterator[tuple[str, str]]:
    """The fields of a block mapping: name, and lines with the comments right above them."""
    root = next(iter(documents(text)), None)
    if not isinstance(root, yaml.MappingNode) or root.flow_style:
        return
    lines = text.splitlines(keepends=True)
    begins = [_comment_start(lines, key.start_mark.line) for key, _ in root.value]
    ends = [*begins[1:], _document_end(lines)]
    for (key, _), begin, end in zip(root.value, begins, ends, strict=True):
        yield key.value, "".join(lines[begin:end]).rstrip() + "\n"


def _comment_start(lines: Sequence[str], line: int) -> int:
    """The first line of the comments directly above ``line``."""
    while line > 0 and lines[line - 1].startswith("#"):
        line -= 1
    return line


def _document_end(lines: Sequence[str]) -> int:
    """The line at which the first document ends."""
    ends = [number for number, line in enumerate(lines) if line.startswith(("---", "...")) and number]
    return ends[0] if ends else len(lines)
