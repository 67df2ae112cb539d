# SPDX-License-Identifier: GPL-3.0-or-later
"""The documentation held against the code: errors, inventories, links, workflows of others' services."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import re
import runpy
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from sphinx_antsibull_ext import assets
from support.modules import run_module
from support.release import ROOT

from callao import errors

DOCS = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "roles").glob("*/README.md")])
KINDS = [
    name
    for name, each in vars(errors).items()
    if inspect.isclass(each) and issubclass(each, errors.CallaoError)
]
SPECS = ROOT / "roles/devbox/meta/argument_specs.yml"


def blocks(page: str, language: str) -> list[str]:
    return re.findall(
        rf"^```{language}\n(.*?)^```", (ROOT / "docs" / page).read_text(), re.DOTALL | re.MULTILINE
    )


def named(page: str, name: str) -> Any:
    """The YAML block that begins with its file's name."""
    (text,) = [block for block in blocks(page, "yaml") if block.startswith(f"# {name}\n")]
    return yaml.safe_load(text)


def errors_page() -> ModuleType:
    spec = importlib.util.spec_from_file_location("errors_page", ROOT / "scripts/site/errors.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_error_is_in_the_troubleshooting_page(kind: str) -> None:
    assert f"`{kind}`" in (ROOT / "docs/troubleshooting.md").read_text()


def test_each_text_of_an_error_can_be_found() -> None:
    page = errors_page()
    text = page.page(ROOT / "src/callao")
    sources = "".join(path.read_text() for path in (ROOT / "src/callao").rglob("*.py"))
    hints = set(re.findall(r'hint="([^"{}\\]+)"', sources))
    assert len(hints) > 40
    assert [hint for hint in sorted(hints) if page.cell(hint) not in text] == []
    for words in ("is not on PATH", "which is not set", "cannot be mounted in the guest", "is broken"):
        assert words in text


def test_a_text_of_an_error_is_read_as_far_as_it_is_written_down() -> None:
    page = errors_page()
    source = (
        'raise DriverError(f"port {port} is " + ("taken" if who else "not ours"), hint="Choose another.")'
    )
    (told,) = page.raised(ast.parse(source), {"DriverError": ""})
    assert (told.kind, told.message, told.hint) == (
        "DriverError",
        "port … is taken / not ours",
        "Choose another.",
    )


@pytest.mark.parametrize("path", DOCS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_link_leads_to_a_file_that_there_is(path: Path) -> None:
    made = {"errors.md"}  # by scripts/site
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", path.read_text())
    assert [each for each in links if each not in made and not (path.parent / each).exists()] == []


def test_every_page_is_linked_from_the_readme() -> None:
    readme = (ROOT / "README.md").read_text()
    assert [each.name for each in (ROOT / "docs").glob("*.md") if f"](docs/{each.name})" not in readme] == []


def test_the_vagrantfile_became_an_inventory_that_ansible_and_the_engine_take(tmp_path: Path) -> None:
    (tmp_path / "hosts.yml").write_text(yaml.safe_dump(named("from-vagrant.md", "hosts.yml")))
    argv = [Path(sys.executable).with_name("ansible-inventory"), "-i", tmp_path / "hosts.yml", "--list"]
    listed = yaml.safe_load(subprocess.run(argv, check=True, capture_output=True, text=True).stdout)
    hosts = listed["_meta"]["hostvars"]
    assert sorted(hosts) == ["db", "web"]
    after = {name: effective(name, variables, tmp_path) for name, variables in hosts.items()}
    assert (after["web"]["cpus"], after["web"]["memory"]) == (2, "2GiB")
    assert after["web"]["portForwards"][0]["hostPortRange"] == [8080, 8080]
    assert after["web"]["mounts"][0]["mountPoint"] == "/vagrant"
    assert after["db"]["disk"] == "40GiB"


def effective(name: str, variables: dict[str, Any], home: Path) -> dict[str, Any]:
    """What the instance would be, by the module that role devbox gives its variables to."""
    known = yaml.safe_load(SPECS.read_text())["argument_specs"]["main"]["options"]
    wishes = {key: value for key, value in variables.items() if key.startswith("lima_")}
    assert sorted(set(wishes) - set(known)) == []
    options = {key.removeprefix("lima_"): value for key, value in wishes.items()}
    result = run_module(
        "instance", {"name": name, **options, "_ansible_check_mode": True, "_ansible_diff": True}, home
    )
    assert not result.get("failed"), result
    document: dict[str, Any] = yaml.safe_load(result["diff"]["after"])
    return document


@pytest.mark.parametrize(
    "page", ["from-vagrant.md", "getting-started.md", "which-inventory.md", "molecule.md"]
)
def test_each_variable_of_role_devbox_that_a_page_names_is_one(page: str) -> None:
    known = set(yaml.safe_load(SPECS.read_text())["argument_specs"]["main"]["options"])
    known |= {"lima_down", "lima_hosts", "lima_autostart"}
    found = set(re.findall(r"\b(lima_[a-z_]+)\b", (ROOT / "docs" / page).read_text()))
    groups = {each for each in found if each.startswith(("lima_status_", "lima_template_", "lima_label_"))}
    assert sorted(found - known - groups) == []


def test_the_workflows_are_yaml_with_the_udev_rule() -> None:
    jobs = named("ci.md", ".github/workflows/boxes.yml")["jobs"]["boxes"]
    steps = " ".join(step.get("run", "") for step in jobs["steps"])
    assert 'KERNEL=="kvm"' in steps
    assert "udevadm trigger" in steps
    assert "script" in named("ci.md", ".gitlab-ci.yml")["boxes"]


@pytest.mark.parametrize("path", DOCS, ids=lambda path: str(path.relative_to(ROOT)))
def test_nobody_is_sent_to_an_index_that_does_not_have_us(path: Path) -> None:
    assert re.findall(r"(?:pip|uv|pipx) install (?:-\S+ )*['\"]?callao(?!\S* @)\b.*", path.read_text()) == []
    assert "galaxy collection install callao" not in path.read_text()


def test_the_sites_page_of_a_plugin_lists_no_sections_and_sends_nobody_to_galaxy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(ROOT / "scripts/site")
    page = (
        "This module is part of the `callao.lima collection <https://galaxy.ansible.com/ui/x/>`_ (v. 1).\n"
        "To install it, use: :code:`ansible\\-galaxy collection install callao.lima`.\n\n"
        ".. contents::\n   :local:\n   :depth: 1\n\nSynopsis\n"
    )
    assert runpy.run_path(str(ROOT / "scripts/site/build.py"))["here"](page) == (
        "This module is part of the :doc:`callao.lima collection <index>` (v. 1).\n"
        "It comes with the Python package ``callao``, see :doc:`/getting-started`.\n\n\nSynopsis\n"
    )


def test_the_sites_style_gives_every_colour_of_the_option_tables_by_the_themes_own() -> None:
    style = (ROOT / "scripts/site/static/callao.css").read_text()
    colours = Path(assets.__file__).with_name("colors-default.css").read_text()
    used = {
        name
        for name in re.findall(r"(--antsibull-(?:table|narrowtable|option|attribute|links)[\w-]*):", colours)
        if "focus" not in name
    }
    assert len(used) > 15
    assert sorted(used - set(re.findall(r"(--antsibull[\w-]+): var\(--color-", style))) == []
