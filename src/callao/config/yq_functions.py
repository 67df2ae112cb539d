# SPDX-License-Identifier: GPL-3.0-or-later
"""yq's operators in jq's language, and the syntax of yq that jq reads otherwise."""

from __future__ import annotations

import re

PRELUDE = """\
def _type: type;
def _same(a; b): a == b;
def _text: if _same(type; "string") then . else tojson end;
def _pattern: "^" + ([explode[] | [.] | implode
  | if _same(.; "*") then ".*" elif _same(.; "?") then "."
    elif test("[A-Za-z0-9_ /-]") then . else "\\\\" + . end] | join("")) + "$";
def _equal(a; b): a as $left | b as $right
  | if [$left, $right] | any(.[]; type | test("object|array")) then _same($left; $right)
    elif $right | _text | test("[*?]")
      then ($right | _text | _pattern) as $re | $left | _text | test($re; "s")
    else _same($left | _text; $right | _text) end;
def _notequal(a; b): _equal(a; b) | not;
def tag: {"string": "!!str", "boolean": "!!bool", "null": "!!null", "array": "!!seq", "object": "!!map",
  "number": (if isnormal and (. - floor != 0) then "!!float" else "!!int" end)}[_type];
def type: tag;
def kind: {"array": "seq", "object": "map"}[_type] // "scalar";
def keys: if _same(_type; "object") then keys_unsorted else [range(length)] end;
def _grouped(f): reduce .[] as $each ({"at": {}, "groups": []}; ([$each | f] | tojson) as $key
  | if .at | has($key) then .groups[.at[$key]] += [$each]
    else .at[$key] = (.groups | length) | .groups += [[$each]] end) | .groups;
def group_by(f): _grouped(f);
def unique_by(f): [_grouped(f)[][0]];
def unique: unique_by(.);
def sub(f): [f] as $both | gsub($both[0]; $both[1]);
def with(path; f): path |= f;
def filter(f): map(select(f));
def any_c(f): any(f);
def all_c(f): all(f);
def pick(f): f as $keys | . as $whole
  | if _same(_type; "object")
    then reduce $keys[] as $key ({}; if $whole | has($key) then .[$key] = $whole[$key] else . end)
    else [$whole[$keys[]]] end;
def omit(f): f as $keys | if _same(_type; "object") then reduce $keys[] as $key (.; del(.[$key]))
  else del(.[$keys[]]) end;
def sort_keys(f): f |= if _same(_type; "object") then to_entries | sort_by(.key) | from_entries else . end;
def upcase: ascii_upcase;
def downcase: ascii_downcase;
def trim: gsub("^\\\\s+|\\\\s+$"; "");
def to_number: tonumber;
def to_string: _text;
def to_json(indent): tojson;
def from_json: fromjson;
def env: error("env operations have been disabled");
def input: error("file operations have been disabled");
def inputs: input;
"""
"""jq calls these definitions for its own operators ``==`` and ``!=``, in place of its functions of the same
name, which order their results otherwise, and in place of what reads more than the document.

``sub("a", "b")`` is one argument to jq, with two results.
"""

_SYNTAX = re.compile(
    r'"(?:[^"\\]|\\.)*"'
    r"|\.(?P<key>[A-Za-z_]\w*(?:-\w*)+)"
    r'|(?<=[\w"\])?.])(?P<iteration>\[\s*\])(?!\?)'
)


def in_jq_syntax(expression: str) -> str:
    """``expression`` with yq's paths as jq writes them.

    ``.a-b`` is one key, and what is null has no elements: no error, as in jq.
    """
    return _SYNTAX.sub(_rewritten, expression)


def _rewritten(match: re.Match[str]) -> str:
    if key := match["key"]:
        return f'."{key}"'
    return "[]?" if match["iteration"] else match[0]
