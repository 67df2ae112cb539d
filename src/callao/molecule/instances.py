# SPDX-License-Identifier: GPL-3.0-or-later
"""Translates platforms of a molecule.yml to instances, and instances to Molecule's records.

Pure; the playbooks use it as filters.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from callao.errors import CallaoError
from callao.molecule.names import OWNER_LABEL, instance_name, owner

Values = Mapping[str, Any]

PASSED_ON = (
    "arch",
    "cpus",
    "disk",
    "disks",
    "from",
    "hostname",
    "lock",
    "memory",
    "mounts",
    "networks",
    "offline",
    "plain",
    "port_forwards",
    "provision",
    "ssh",
    "template",
    "timeout",
    "user",
    "vm_type",
    "warm",
)
"""Keys of a platform that are options of the module ``callao.lima.instance`` with the same name."""


def planned_instances(
    platforms: Iterable[Values], project: str, scenario: str, folder: str
) -> list[dict[str, Any]]:
    """The instance of each platform: ``platform``, its name, and ``options``, those of the module.

    :param folder: the scenario's folder; paths that begin with a dot are relative to it.
    :raises CallaoError: when two platforms have the same name.
    """
    platforms = list(platforms)
    names = [str(platform["name"]) for platform in platforms]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise CallaoError(
            f"platforms: {', '.join(twice)}: two platforms of one name (allowed: each name once)."
        )
    return [_box(platform, project, scenario, Path(folder)) for platform in platforms]


def owned(planned_instances: Iterable[Values], labels: Mapping[str, Mapping[str, str]]) -> list[str]:
    """The names of the instances that exist and were made for this project.

    :param labels: the labels of each existing instance, by its name.
    """
    wanted = [(box["options"]["name"], box["options"]["labels"][OWNER_LABEL]) for box in planned_instances]
    return [name for name, ours in wanted if labels.get(name, {}).get(OWNER_LABEL) == ours]


def records(pairs: Iterable[tuple[Values, Values]]) -> list[dict[str, Any]]:
    """The content of Molecule's instance_config.yml, from each planned and created instance.

    A created instance is as ``callao.lima.instance`` returns it.
    """
    return [_record(box, instance) for box, instance in pairs]


def _record(box: Values, instance: Values) -> dict[str, Any]:
    ssh = instance["ssh"]
    return {
        "instance": box["platform"],
        "owner": box["options"]["labels"][OWNER_LABEL],
        "lima_instance": instance["name"],
        "lima_home": str(Path(instance["dir"]).parent),
        "address": ssh["address"],
        "port": ssh["port"],
        "user": ssh["user"],
        "identity_file": ssh["identity_file"],
        "host_key_alias": ssh["host_key_alias"],
        "config_file": ssh["config_file"],
    }


def _box(platform: Values, project: str, scenario: str, folder: Path) -> dict[str, Any]:
    options = {key: platform[key] for key in PASSED_ON if key in platform}
    for key in ("template", "lock"):
        if key in options:
            options[key] = _located(options[key], folder)
    if "networks" in options:
        options["networks"] = [_network(entry) for entry in options["networks"]]
    config = dict(platform.get("config", {}))
    if "warm" not in config:
        options.setdefault("warm", True)
    if platform.get("image"):
        config["images"] = [{"location": _located(platform["image"], folder)}]
    options |= {
        "name": instance_name(project, scenario, platform["name"]),
        "config": config,
        "labels": {
            **platform.get("labels", {}),
            OWNER_LABEL: owner(project),
            "molecule_project": str(Path(project).resolve()),
            "molecule_scenario": scenario,
        },
    }
    return {"platform": platform["name"], "options": options}


def _network(entry: Values) -> dict[str, Any]:
    """The entry as in lima.yaml. Molecule requires a name, which is Lima's network if no other key is
    set."""
    rest = {key: value for key, value in entry.items() if key != "name"}
    if "name" in entry and not {"lima", "socket", "vzNAT"} & set(rest):
        return {"lima": entry["name"], **rest}
    return rest


def _located(place: str, folder: Path) -> str:
    return str((folder / place).resolve()) if place.startswith(("./", "../")) else place
