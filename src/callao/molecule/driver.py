# SPDX-License-Identifier: GPL-3.0-or-later
"""The driver class. An error at the import of this module would break every Molecule command."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Any

from molecule import util
from molecule.api import Driver
from molecule.exceptions import MoleculeError, ScenarioFailureError
from molecule.logger import get_logger

from callao.molecule.names import TIMELINE, TIMELINE_PAGE, owner

LOG = get_logger(__name__)

_OF_SNAPSHOT = {"prepare": "take_snapshot", "cleanup": "return_to_snapshot"}
"""Molecule's steps and our playbooks for them."""


class Callao(Driver):
    """Platforms as instances of Callao.

    Molecule creates it without a configuration to list drivers, and calls it before instances exist.
    """

    title = "Linux virtual machines described by lima.yaml."

    def __init__(self, config: Any = None) -> None:
        super().__init__(config)
        self._name = "molecule-callao"

    @property
    def name(self) -> str:
        return self._name

    @name.setter
    def name(self, value: str) -> None:
        self._name = value

    @property
    def login_cmd_template(self) -> str:
        return "ssh -t -F {config_file} {host_key_alias}"

    def login_options(self, instance_name: str) -> dict[str, str]:
        entry = self._entry(instance_name)
        return {"instance": instance_name} | {key: shlex.quote(str(value)) for key, value in entry.items()}

    def ansible_connection_options(self, instance_name: str) -> dict[str, Any]:
        """Contains no address: the connection plugin reads the current one, also after a restart."""
        entry = self._entry(instance_name)
        if not entry:
            return {}
        return {
            "ansible_connection": "callao.lima.instance",
            "lima_instance": entry["lima_instance"],
            "lima_home": entry["lima_home"],
        }

    @property
    def default_ssh_connection_options(self) -> list[str]:
        """No options: an instance's ssh.config has them, and its host key."""
        return []

    @property
    def default_safe_files(self) -> list[str]:
        """The record of the run and its page, which Molecule would remove after the last step."""
        folder = Path(self._config.scenario.ephemeral_directory)
        return [str(folder / name) for name in (TIMELINE, TIMELINE_PAGE)]

    def get_playbook(self, step: str) -> str | None:
        """The driver's playbooks; with ``options: snapshot`` also those that take and restore the
        snapshot."""
        own = (
            _OF_SNAPSHOT.get(step) if self._config.config_data["driver"]["options"].get("snapshot") else None
        )
        found: str | None = super().get_playbook(own or step)
        return found

    def schema_file(self) -> str:
        return str(Path(__file__).parent / "schema" / "driver.json")

    def sanity_checks(self) -> None:
        """Validate the platforms, and check that Molecule's state belongs to this project.

        :raises ScenarioFailureError: with the mistakes of each platform, or when the state is of another
            checkout whose folder has the same name.
        """
        from callao.molecule.platforms import problems

        wrong = problems([dict(platform) for platform in self._config.config_data["platforms"]])
        if wrong:
            raise ScenarioFailureError("\n".join([f"{self._config.molecule_file}:", *wrong]))
        strange = [entry for entry in self._entries() if not self._is_ours(entry)]
        if strange:
            raise ScenarioFailureError(
                f"{self.instance_config} is of another project, whose folder has the same name, and by that "
                "alone Molecule tells projects apart: run molecule destroy there first, or set "
                "MOLECULE_EPHEMERAL_DIRECTORY to a folder of this project's own."
            )

    def reset(self) -> None:
        """Remove every instance that was made for this project.

        Errors are logged, not raised, because Molecule calls all drivers one after the other.
        """
        project = os.environ.get("MOLECULE_PROJECT_DIRECTORY", os.getcwd())  # noqa: PTH109 - as Molecule has it
        try:
            from callao.molecule.reset import remove_all

            remove_all(owner(project), LOG.info)
        except Exception as error:
            LOG.warning("molecule-callao could not remove this project's instances: %s", error)

    def _entries(self) -> list[dict[str, Any]]:
        """The entries that create.yml wrote; none before that, or where the file cannot be read."""
        try:
            found = util.safe_load_file(self.instance_config)
        except (OSError, MoleculeError):
            return []
        return found if isinstance(found, list) else []

    def _entry(self, instance_name: str) -> dict[str, Any]:
        for entry in self._entries():
            if entry.get("instance") == instance_name and self._is_ours(entry):
                return entry
        return {}

    def _is_ours(self, entry: dict[str, Any]) -> bool:
        return bool(entry.get("owner") == owner(self._config.project_directory))
