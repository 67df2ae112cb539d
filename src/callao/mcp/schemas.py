# SPDX-License-Identifier: GPL-3.0-or-later
"""The tools, with the names and JSON Schemas of Lima's server."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

Schema = dict[str, Any]


class Tool(NamedTuple):
    """``changes``: whether it may change the workspace, so that a checkpoint is due before it."""

    name: str
    description: str
    input: Schema
    output: Schema
    changes: bool = False


def _object(required: tuple[str, ...], **properties: Schema) -> Schema:
    schema: Schema = {"type": "object"}
    if required:
        schema["required"] = list(required)
    if properties:
        schema["properties"] = properties
    return {**schema, "additionalProperties": False}


def _of(kind: str, description: str) -> Schema:
    return {"type": kind, "description": description}


def _optional(kind: str, description: str) -> Schema:
    return {"type": ["null", kind], "description": description}


def _list(items: Schema, description: str) -> Schema:
    return {"type": ["null", "array"], "items": items, "description": description}


_STRING: Schema = {"type": "string"}

_FILE_MODE = {
    **_optional("integer", "Permissions and type, as Go's fs.FileMode has them."),
    "minimum": 0,
    "maximum": 4294967295,
}

LIST_DIRECTORY = Tool(
    "list_directory",
    "List the files and directories of one directory of the VM.",
    _object(("path",), path=_of("string", "Absolute path of the directory.")),
    _object(
        ("entries",),
        entries=_list(
            _object(
                ("name",),
                name=_of("string", "Name without the directory."),
                size=_optional("integer", "Size in bytes."),
                mode=_FILE_MODE,
                time=_optional("string", "Time of the last change of the content, as RFC 3339 has it."),
                is_dir=_optional("boolean", "Whether it is a directory; of a link, false."),
            ),
            "The entries, sorted by name.",
        ),
    ),
)

READ_FILE = Tool(
    "read_file",
    "Read a text file of the VM. Long files are cut with a notice, binary ones refused.",
    _object(("path",), path=_of("string", "Absolute path of the file.")),
    _object(("content",), content=_of("string", "The file's text.")),
)

WRITE_FILE = Tool(
    "write_file",
    "Write a text file of the VM: the whole content is replaced, missing directories are made.",
    _object(
        ("path", "content"),
        path=_of("string", "Absolute path of the file."),
        content=_of("string", "The whole new content."),
    ),
    _object(()),
    changes=True,
)

GLOB = Tool(
    "glob",
    "Find files of the VM by a pattern of their paths, such as src/**/*.py.",
    _object(
        ("pattern",),
        pattern=_of("string", "Pattern: * ? [a-z] match within a name, ** any number of directories."),
        path=_optional("string", "Absolute path of the directory to search (default: the workspace)."),
    ),
    _object(("matches",), matches=_list(_STRING, "The absolute paths that match, sorted.")),
)

SEARCH_FILE_CONTENT = Tool(
    "search_file_content",
    "Search the content of files of the VM for a basic regular expression, line by line.",
    _object(
        ("pattern",),
        pattern=_of("string", "Basic regular expression, as for grep."),
        path=_optional("string", "Absolute path of the directory to search (default: the workspace)."),
        include=_optional("string", "Search only in the files that match this, such as *.py."),
    ),
    _object(
        ("git_grep_output",),
        git_grep_output=_of("string", "A FILE:LINE:TEXT for each match, FILE relative to path."),
    ),
)

RUN_SHELL_COMMAND = Tool(
    "run_shell_command",
    "Run a command in the VM, and wait for it. It has no input; a command that runs too long is ended.",
    _object(
        ("command", "directory"),
        command=_list(_STRING, "Program and arguments, each an item; for a pipe: bash, -c, SCRIPT."),
        description=_of("string", "What the command is for."),
        directory=_of("string", "Absolute path of the directory to run it in."),
    ),
    _object(
        ("stdout", "stderr"),
        stdout=_of("string", "What the command wrote to standard output."),
        stderr=_of("string", "What the command wrote to standard error."),
        error=_of("string", "Why the command failed, such as 'exit status 1'."),
        exit_code=_optional("integer", "The exit status; absent if the command was ended."),
    ),
    changes=True,
)

CHECKPOINT = Tool(
    "checkpoint",
    "Keep the present state of the shared files and of the VM, to return to it by undo.",
    _object((), name=_optional("string", "A name for the checkpoint (default: the next number).")),
    _object(
        ("checkpoint", "files", "machine", "seconds"),
        checkpoint=_of("string", "The checkpoint's name."),
        files=_of("integer", "Files and directories that are kept."),
        machine=_of("boolean", "Whether the VM's memory and disk are kept, too."),
        seconds=_of("number", "How long it took."),
    ),
)

DIFF = Tool(
    "diff",
    "List the shared files that have changed since a checkpoint. Paths are those of the host.",
    _object((), checkpoint=_optional("string", "The checkpoint's name (default: the last one).")),
    _object(
        ("checkpoint", "changes"),
        checkpoint=_of("string", "The checkpoint's name."),
        changes=_list(
            _object(
                ("path", "change"),
                path=_of("string", "The file or directory."),
                change=_of("string", "added, removed or changed."),
            ),
            "What has changed, sorted by path.",
        ),
    ),
)

UNDO = Tool(
    "undo",
    "Return to a checkpoint: what has happened since to the shared files and in the VM is lost.",
    _object((), checkpoint=_optional("string", "The checkpoint's name (default: the last one).")),
    _object(
        ("checkpoint", "restored", "seconds"),
        checkpoint=_of("string", "The checkpoint's name."),
        restored=_list(_STRING, "The files that were restored."),
        seconds=_of("number", "How long it took."),
    ),
)

TOOLS = (GLOB, LIST_DIRECTORY, READ_FILE, RUN_SHELL_COMMAND, SEARCH_FILE_CONTENT, WRITE_FILE)
"""Lima's six, sorted by name as its server lists them."""


def listing(tools: Sequence[Tool]) -> dict[str, Any]:
    """The tools as ``tools/list`` gives them."""
    return {
        "tools": [
            {
                "name": each.name,
                "description": each.description,
                "inputSchema": each.input,
                "outputSchema": each.output,
            }
            for each in tools
        ]
    }
