# SPDX-License-Identifier: GPL-3.0-or-later
"""The action plugin of all modules of the collection.

It selects the Python that has the engine, runs the installed module directly where possible, and shows the
stages while the module runs. For a host that has Windows it runs the module on the controller.
"""

from __future__ import annotations

import posixpath
import shlex
import uuid
from typing import Any

from ansible.constants import config
from ansible.errors import AnsibleActionFail
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase
from ansible_collections.callao.lima.plugins.module_utils._engine import EVENTS_KEY
from ansible_collections.callao.lima.plugins.module_utils._lima_yaml import to_option_names
from ansible_collections.callao.lima.plugins.plugin_utils import _windows
from ansible_collections.callao.lima.plugins.plugin_utils._duplicate_collection import warn_about_hidden_copy
from ansible_collections.callao.lima.plugins.plugin_utils._installed_module import build_module
from ansible_collections.callao.lima.plugins.plugin_utils._progress_watcher import (
    ProgressWatcher,
    file_reader,
)

WITH_PROGRESS = {f"callao.lima.{name}" for name in ("image", "instance", "lock", "prune", "snapshot")}
"""The modules that may run long and report their progress."""


class ActionModule(ActionBase):
    _supports_check_mode = True
    _supports_async = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        del tmp
        result = super().run(task_vars=task_vars)
        warn_about_hidden_copy()
        self._task.args = to_option_names(self._task.args)
        self._use_windows(task_vars or {})
        variables = with_interpreter(task_vars or {}, self._task.delegate_to, self._connection)
        in_background = bool(self._task.async_val) and not self._connection.has_native_async
        if in_background:
            result.update(self._execute_module(task_vars=variables, wrap_async=True))
            return result
        if self._shows_progress(variables):
            result.update(self._run_with_progress(variables))
        else:
            result.update(self._execute_module(task_vars=variables))
        self._remove_tmp_path(self._connection._shell.tmpdir)
        return result

    def _use_windows(self, variables: dict[str, Any]) -> None:
        """Run the module here, where the host has Windows."""
        if not _windows.is_windows(self._connection):
            return
        if self._connection.become:
            raise AnsibleActionFail(
                "become: is not for a Windows host: distributions of WSL are those of the user who logs in."
            )
        host = _windows.target_host(variables, self._task.delegate_to)
        target = target_of(variables, self._task.delegate_to)
        disks = self._templar.template(target.get("callao_wsl_home"))
        _windows.prepare(host, self._connection, disks, self._task.args.get("lima_home"))
        self._connection = _windows.local_connection(self)

    def _configure_module(
        self, module_name: str, module_args: dict[str, Any], task_vars: dict[str, Any]
    ) -> tuple[Any, str]:
        """Do as Ansible does, except where the installed module can run on this machine without packing."""
        if self._runs_here(task_vars):
            loader = self._shared_loader_obj.module_loader
            path = loader.find_plugin_with_context(self._task.resolved_action, ".py").plugin_resolved_path
            if module := build_module(path, module_args, task_vars["ansible_playbook_python"]):
                return module, path
        configured: tuple[Any, str] = super()._configure_module(module_name, module_args, task_vars)
        return configured

    def _runs_here(self, variables: dict[str, Any]) -> bool:
        # A module in the background is wrapped by a module of Ansible's.
        if self._connection.transport != "local" or self._connection.become or self._task.async_val:
            return False
        chosen = self._templar.template(chosen_python(target_of(variables, self._task.delegate_to)))
        return bool(chosen == variables["ansible_playbook_python"])

    def _shows_progress(self, variables: dict[str, Any]) -> bool:
        if (
            self._task.resolved_action not in WITH_PROGRESS
            or self._task.no_log
            or "events_file" in self._task.args
        ):
            return False
        wanted = self._templar.template(variables.get("callao_progress", True))
        return boolean(wanted, strict=False)

    def _run_with_progress(self, variables: dict[str, Any]) -> dict[str, Any]:
        folder = self.get_shell_option("system_tmpdirs", ["/tmp"])[0]  # noqa: S108 - opened with O_EXCL
        path = posixpath.join(folder, f"callao-{uuid.uuid4().hex}.events")
        watch = ProgressWatcher(display_name(self._task.args), file_reader(self, path))
        events = None
        try:
            arguments = {**self._task.args, "events_file": path}
            result = self._execute_module(module_args=arguments, task_vars=variables)
            events = result.pop(EVENTS_KEY, None)
        finally:
            watch.end(events or [])
        if events is None:  # the module was killed, and has not removed the file
            self._low_level_execute_command(f"rm -f {shlex.quote(path)}")
        return result


def display_name(arguments: dict[str, Any]) -> str:
    """The name to show before the stages: the instance's, or the template's."""
    named = (
        arguments.get("instance")
        or arguments.get("name")
        or arguments.get("template")
        or arguments.get("location")
        or arguments.get("path")
        or arguments.get("lock")
    )
    return posixpath.basename(str(named)) if named else "image"


def with_interpreter(variables: dict[str, Any], delegate_to: str | None, connection: Any) -> dict[str, Any]:
    """*variables*, with the controller's own Python for this machine unless the user chose another.

    Interpreter discovery would find a Python without the engine.
    """
    if connection.transport != "local":
        return variables
    target = target_of(variables, delegate_to)
    if not str(chosen_python(target)).startswith("auto"):
        return variables
    target = {**target, "ansible_python_interpreter": variables["ansible_playbook_python"]}
    if not delegate_to:
        return target
    return {
        **variables,
        "ansible_delegated_vars": {**variables["ansible_delegated_vars"], delegate_to: target},
    }


def target_of(variables: dict[str, Any], delegate_to: str | None) -> dict[str, Any]:
    """The variables of the machine that the task is for."""
    target: dict[str, Any] = variables["ansible_delegated_vars"][delegate_to] if delegate_to else variables
    return target


def chosen_python(target: dict[str, Any]) -> object:
    """The interpreter as configured, possibly a template; ``auto…`` for interpreter discovery."""
    return config.get_config_value("INTERPRETER_PYTHON", variables=target)
