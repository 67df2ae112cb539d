# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The instances of a Lima home as an inventory."""

from __future__ import annotations

DOCUMENTATION = r"""
name: instances
short_description: The Linux virtual machines of this machine
version_added: 0.1.0
author:
  - The Callao authors (@callao)
description:
  - Every instance in the Lima home, running or not, with what is known of it in the variable C(lima), a
    dictionary with the keys C(status), C(ready), C(dir), C(vm_type), C(arch), C(cpus), C(memory), C(disk),
    C(template), C(labels), C(errors) and C(ssh), as M(callao.lima.instance) returns them.
  - These are facts. Role P(callao.lima.devbox#role) reads wishes, such as C(lima_cpus), and none of these.
    An inventory may have both.
  - Reads files only. Nothing is started, and no instance is connected to.
  - An instance is in the group C(lima_status_running), C(lima_status_stopped) or C(lima_status_broken); in
    one for its template, such as C(lima_template_debian_12); and in one for each of its labels, such as
    C(lima_label_project_shop). Characters that a group's name cannot have become underscores.
  - The source is a YAML file whose name ends in C(.callao.yml) or C(.callao.yaml).
extends_documentation_fragment:
  - ansible.builtin.constructed
  - ansible.builtin.inventory_cache
requirements:
  - The Python package C(callao) on the controller.
options:
  plugin:
    description: Marks the file as this plugin's.
    type: str
    required: true
    choices: [callao.lima.instances]
  lima_home:
    description:
      - The folder that the instances live in.
      - By default the one that the environment variable names, or V(~/.lima).
      - No template; a folder that does not exist is a warning and has no instances.
    type: path
    env:
      - name: LIMA_HOME
  filters:
    description:
      - Which instances become hosts. Each entry is one C(include) or one C(exclude), a Jinja2 expression
        about C(lima) and C(inventory_hostname).
      - The first entry whose expression is true decides. An instance that none decides about becomes a host.
      - An expression that fails for an instance does not decide about it, unless O(strict) is true. One that
        is no expression is always an error.
    type: list
    elements: dict
    default: []
    suboptions:
      include:
        description: The instances of which this is true become hosts.
        type: str
      exclude:
        description: The instances of which this is true do not.
        type: str
"""

EXAMPLES = r"""
# here.callao.yml: every instance of this machine
plugin: callao.lima.instances

---
# shop.callao.yml: with groups of one's own
plugin: callao.lima.instances
strict: true
groups:
  shop: lima.labels.project | default('') == 'shop'
keyed_groups:
  - key: lima.arch
    prefix: arch
compose:
  ansible_python_interpreter: "'/usr/bin/python3'"

---
# running.callao.yml: the running boxes of one project
plugin: callao.lima.instances
filters:
  - include: lima.status == 'Running' and lima.labels.project | default('') == 'shop'
  - exclude: true

---
# plain.callao.yml: for ansible's own ssh plugin
plugin: callao.lima.instances
compose:
  ansible_connection: "'ssh'"
  ansible_host: lima.ssh.address
  ansible_port: lima.ssh.port
  ansible_user: lima.ssh.user
  ansible_ssh_private_key_file: lima.ssh.identity_file
  ansible_ssh_common_args: >-
    '-o HostKeyAlias=' ~ lima.ssh.host_key_alias ~ ' -o UserKnownHostsFile=' ~ lima.ssh.known_hosts_file
"""

import typing as t
from difflib import get_close_matches
from pathlib import Path

from ansible.errors import AnsibleError
from ansible.plugins.inventory import BaseInventoryPlugin, Cacheable, Constructable
from ansible_collections.callao.lima.plugins.plugin_utils._duplicate_collection import warn_about_hidden_copy
from jinja2 import Environment, TemplateSyntaxError

SUFFIXES = (".callao.yml", ".callao.yaml")
VARIABLES = (
    "status",
    "ready",
    "dir",
    "vm_type",
    "arch",
    "cpus",
    "memory",
    "disk",
    "template",
    "labels",
    "errors",
    "ssh",
)
"""The keys of the variable ``lima``: a part of what the module ``instance`` returns."""


class InventoryModule(BaseInventoryPlugin, Constructable, Cacheable):
    NAME = "callao.lima.instances"
    _windows_host: t.ClassVar[dict[str, str]] = {}

    def verify_file(self, path: str) -> bool:
        return super().verify_file(path) and path.endswith(SUFFIXES)

    def parse(self, inventory: t.Any, loader: t.Any, path: str, cache: bool = True) -> None:
        super().parse(inventory, loader, path, cache)
        self._warn_about_unknown_options(self._read_config_data(path))
        warn_about_hidden_copy()
        filters = _parse_filters(self.get_option("filters"))
        self._check_home()
        self._windows_host = _windows_host(self.get_option("lima_home"))
        for instance in self._instances(path, cache):
            if self._is_included(instance, filters):
                self._add_host(instance)

    def _warn_about_unknown_options(self, source: dict[str, t.Any]) -> None:
        """Ansible itself ignores them silently."""
        known = sorted(self.option_definitions)
        for key in sorted(map(str, set(source) - set(known))):
            near = get_close_matches(key, known, n=1)
            instead = f"did you mean {near[0]}?" if near else f"there are: {', '.join(known)}"
            self.display.warning(f"callao.lima.instances: {key}: no such option ({instead}).")

    def _check_home(self) -> None:
        home = self.get_option("lima_home")
        if home and "{{" in home:
            raise AnsibleError(
                f"callao.lima.instances: lima_home: {home!r} is a template, and an inventory source has "
                "none: write a path, or leave it out and set LIMA_HOME."
            )
        if home and not Path(home).is_dir():
            self.display.warning(
                f"callao.lima.instances: lima_home: {home} is no folder: it has no instances."
            )

    def _is_included(self, instance: dict[str, t.Any], filters: list[tuple[bool, t.Any]]) -> bool:
        """Whether the first filter with a true expression includes the instance; without one, yes."""
        self.templar.available_variables = {
            "lima": _lima_variable(instance),
            "inventory_hostname": instance["name"],
        }
        for included, expression in filters:
            try:
                decides = expression if isinstance(expression, bool) else self._is_true(expression)
            except Exception as error:
                if self.get_option("strict"):
                    raise AnsibleError(
                        f"callao.lima.instances: filters: {expression!r} fails for {instance['name']}: "
                        f"{error}"
                    ) from error
                continue
            if decides:
                return included
        return True

    def _instances(self, path: str, cache: bool) -> list[dict[str, t.Any]]:
        key = self.get_cache_key(path)
        wanted = self.get_option("cache")
        if cache and wanted:
            try:
                return self._cache[key]
            except KeyError:
                pass
        found = _summaries(self.get_option("lima_home"))
        if wanted:
            self._cache[key] = found
        return found

    def _is_true(self, expression: str) -> bool:
        return bool(self.templar.evaluate_conditional(expression))

    def _add_host(self, instance: dict[str, t.Any]) -> None:
        # Values of an instance are not marked as templates, so that Ansible does not expand them.
        name = self.inventory.add_host(instance["name"])
        # One dictionary: a variable such as lima_cpus would override the desired value for role devbox.
        variables: dict[str, t.Any] = {
            "lima": _lima_variable(instance),
            "ansible_connection": "callao.lima.instance",
            **self._windows_host,
        }
        home = self.get_option("lima_home")
        if home:
            variables["ansible_lima_home"] = home
        for key, value in variables.items():
            self.inventory.set_variable(name, key, value)

        groups = [f"lima_status_{instance['status'].lower()}"]
        if instance["template"]:
            groups.append(f"lima_template_{Path(instance['template']).name.removesuffix('.yaml')}")
        groups += [f"lima_label_{key}_{value}" for key, value in sorted(instance["labels"].items())]
        for group in groups:
            self.inventory.add_child(self.inventory.add_group(self._sanitize_group_name(group)), name)

        strict = self.get_option("strict")
        self._set_composite_vars(self.get_option("compose"), variables, name, strict=strict)
        self._add_host_to_composed_groups(self.get_option("groups"), variables, name, strict=strict)
        self._add_host_to_keyed_groups(self.get_option("keyed_groups"), variables, name, strict=strict)


def _lima_variable(instance: dict[str, t.Any]) -> dict[str, t.Any]:
    return {key: instance[key] for key in VARIABLES}


def _windows_host(home: str | None) -> dict[str, str]:
    """The variables of instances on a Windows host that only Ansible can log in to."""
    try:
        from callao.drivers.wsl2.carrier import Remote, carrier_for
        from callao.errors import CallaoError
        from callao.host import lima_home
    except ImportError:
        return {}  # what comes next tells of it
    try:
        carrier = carrier_for(Path(home) if home else lima_home())
    except CallaoError as error:
        raise AnsibleError(f"callao.lima.instances: {error}") from error
    if not isinstance(carrier, Remote) or not carrier.needs_login:
        return {}
    return {"ansible_connection": "callao.lima.wsl", "lima_host": carrier.where}


def _parse_filters(filters: list[dict[str, t.Any]]) -> list[tuple[bool, t.Any]]:
    """Parse filters to pairs: whether it includes, and its expression."""
    checked = []
    for index, entry in enumerate(filters):
        if len(entry) != 1 or not entry.keys() <= {"include", "exclude"}:
            raise AnsibleError(
                f"callao.lima.instances: filters[{index}]: {entry!r} is not one of include: EXPRESSION and "
                "exclude: EXPRESSION."
            )
        (expression,) = entry.values()
        try:
            Environment(autoescape=True).parse(f"{{{{ {expression} }}}}")
        except TemplateSyntaxError as error:
            raise AnsibleError(
                f"callao.lima.instances: filters[{index}]: {expression!r} is no Jinja2 expression: {error}"
            ) from error
        checked.append(("include" in entry, expression))
    return checked


def _summaries(home: str | None) -> list[dict[str, t.Any]]:
    """Every instance as the module ``instance`` returns it."""
    try:
        from callao.errors import CallaoError
        from callao.host import Host, lima_home
        from callao.instances import all_instances, summary
    except ImportError as error:
        raise AnsibleError(
            f"callao.lima.instances needs the Python package callao on the controller ({error}): "
            "install it with pip under that Python, beside ansible-core."
        ) from error
    try:
        folder, host = Path(home) if home else lima_home(), Host.detect()
        return [summary(instance) for instance in all_instances(folder, host)]
    except (CallaoError, OSError) as error:
        raise AnsibleError(f"callao.lima.instances: {error}") from error
