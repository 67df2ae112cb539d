# SPDX-License-Identifier: GPL-3.0-or-later
"""What ansible-doc, Galaxy and the site show of each plugin and role, held against the code."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.version import Version

ROOT = Path(__file__).parents[3]
RELEASE = Version(yaml.safe_load((ROOT / "galaxy.yml").read_text())["version"])
MODULES = sorted((ROOT / "plugins/modules").glob("*.py"))
PLUGINS = [
    *sorted((ROOT / "plugins/connection").glob("*.py")),
    *sorted((ROOT / "plugins/inventory").glob("*.py")),
]
ROLES = sorted(path.parent for path in (ROOT / "roles").glob("*/meta"))
UNSEEN = {"events_file"}
"""Options that users do not set."""


def of(path: Path, name: str) -> str:
    """The text of a module's constant, without an import."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign) and [ast.unparse(each) for each in node.targets] == [name]:
            return str(ast.literal_eval(node.value))
    return ""


def documented(path: Path) -> dict[str, Any]:
    """The documentation with its fragments of ours merged in, as Ansible merges them."""
    own: dict[str, Any] = yaml.safe_load(of(path, "DOCUMENTATION"))
    merged: dict[str, Any] = {"options": {}, "attributes": {}}
    for name in own.get("extends_documentation_fragment", []):
        if name.startswith("callao.lima.") and name != "callao.lima.ssh_options":
            file, _, part = name.removeprefix("callao.lima.").partition(".")
            module = importlib.import_module(f"ansible_collections.callao.lima.plugins.doc_fragments.{file}")
            fragment = yaml.safe_load(getattr(module.ModuleDocFragment, part.upper() or "DOCUMENTATION"))
            for key in ("options", "attributes"):
                merged[key].update(fragment.get(key, {}))
    options = {**merged["options"], **own.get("options", {})}
    attributes = {
        key: {**merged["attributes"].get(key, {}), **own.get("attributes", {}).get(key, {})}
        for key in {**merged["attributes"], **own.get("attributes", {})}
    }
    return {**own, "options": options, "attributes": attributes}


def versions(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        yield from (str(value) for key, value in node.items() if key == "version_added")
        for value in node.values():
            yield from versions(value)


def without_contents(entries: dict[str, Any], where: str = "") -> Iterator[str]:
    for name, entry in entries.items():
        if entry["type"] == "dict" or entry.get("elements") == "dict":
            if "contains" not in entry:
                yield where + name
            yield from without_contents(entry.get("contains", {}), f"{where}{name}.")


def examples(path: Path) -> list[dict[str, Any]]:
    """The arguments that the examples give to the module itself."""
    tasks = yaml.safe_load(of(path, "EXAMPLES"))
    return [task.get(f"callao.lima.{path.stem}") or {} for task in tasks]


def names(path: Path) -> str:
    return path.stem if path.suffix else path.name


@pytest.mark.parametrize("path", [*MODULES, *PLUGINS], ids=names)
def test_a_plugin_came_with_a_version_that_there_is(path: Path) -> None:
    document = documented(path)
    assert document["version_added"]
    assert [each for each in versions(document) if Version(each) > RELEASE] == []


@pytest.mark.parametrize("path", MODULES, ids=names)
def test_each_dictionary_that_is_returned_says_what_it_contains(path: Path) -> None:
    assert list(without_contents(yaml.safe_load(of(path, "RETURN")))) == []


@pytest.mark.parametrize("path", MODULES, ids=names)
def test_each_option_is_in_an_example(path: Path) -> None:
    shown = {option for arguments in examples(path) for option in arguments}
    if not path.stem.endswith(("instance", "image")):
        shown.add("lima_home")  # the same everywhere
    assert sorted(set(documented(path)["options"]) - UNSEEN - shown) == []


@pytest.mark.parametrize("path", MODULES, ids=names)
def test_an_example_gives_options_that_there_are(path: Path) -> None:
    document = documented(path)
    shown = {option for arguments in examples(path) for option in arguments}
    assert sorted(shown - set(document["options"])) == []
    for arguments in examples(path):
        for option, value in arguments.items():
            choices = document["options"][option].get("choices")
            assert choices is None or value in choices, option


@pytest.mark.parametrize("path", PLUGINS, ids=names)
def test_a_plugin_has_examples(path: Path) -> None:
    assert list(yaml.safe_load_all(of(path, "EXAMPLES")))


@pytest.mark.parametrize("path", MODULES, ids=names)
def test_a_module_says_the_truth_about_itself(path: Path) -> None:
    document, source = documented(path), path.read_text()
    attributes = document["attributes"]
    changes = not path.stem.endswith("_info")
    returns_a_diff = '"diff"' in source
    assert attributes["check_mode"]["support"] == "full"
    assert "supports_check_mode=True" in source
    assert attributes["diff_mode"]["support"] == ("full" if returns_a_diff else "none" if changes else "N/A")
    states = set(document["options"].get("state", {}).get("choices", []))
    again = [f"state={each}" for each in sorted(states & {"restarted", "applied"})]
    again += sorted({"recreate", "update"} & set(document["options"]))
    assert attributes["idempotent"]["support"] == ("partial" if again else "full")
    told = " ".join(attributes["idempotent"].get("details", []))
    assert [each for each in again if each not in told] == []


def test_what_is_returned_of_an_instance_is_the_same_everywhere() -> None:
    def contents(module: str, key: str) -> dict[str, Any]:
        returned = yaml.safe_load(of(ROOT / f"plugins/modules/{module}.py", "RETURN"))
        return {name: entry for name, entry in returned[key]["contains"].items() if name != "config"}

    assert contents("instance", "instance") == contents("instance_info", "instances")
    assert contents("instance", "instance") == contents("snapshot", "instance")


def test_every_module_is_in_the_action_group() -> None:
    runtime = yaml.safe_load((ROOT / "meta/runtime.yml").read_text())
    assert runtime["action_groups"]["lima"] == [path.stem for path in MODULES]


@pytest.mark.parametrize("role", ROLES, ids=names)
def test_a_role_has_a_readme_and_documented_options(role: Path) -> None:
    specs = yaml.safe_load((role / "meta/argument_specs.yml").read_text())["argument_specs"]["main"]
    assert [each for each in versions(specs) if Version(each) > RELEASE] == []
    text = (role / "README.md").read_text()
    assert text.startswith(f"# callao.lima.{role.name}\n")
    assert f"ansible-doc -t role callao.lima.{role.name}" in text
