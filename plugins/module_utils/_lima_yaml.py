# SPDX-License-Identifier: GPL-3.0-or-later
"""The options for parts of lima.yaml, with their fields in Ansible's and in Lima's spelling.

Private to the collection. Where the spellings differ, Lima's is an alias of the option.
"""

from __future__ import annotations

P9 = {
    "security_model": {"type": "str", "aliases": ["securityModel"]},
    "protocol_version": {"type": "str", "aliases": ["protocolVersion"]},
    "msize": {"type": "str"},
    "cache": {"type": "str"},
}
SSHFS = {
    "cache": {"type": "bool"},
    "follow_symlinks": {"type": "bool", "aliases": ["followSymlinks"]},
    "sftp_driver": {"type": "str", "aliases": ["sftpDriver"]},
}
NOT_IDENTIFIERS = {"ninep": "9p"}
"""Options whose name in lima.yaml is no identifier; the action plugin accepts that name, too."""

MOUNT = {
    "location": {"type": "str", "required": True},
    "mount_point": {"type": "str", "aliases": ["mountPoint"]},
    "writable": {"type": "bool"},
    "sshfs": {"type": "dict", "options": SSHFS},
    "ninep": {"type": "dict", "options": P9},
    "virtiofs": {
        "type": "dict",
        "options": {"queue_size": {"type": "int", "aliases": ["queueSize"]}},
    },
}
DISK = {
    "name": {"type": "str", "required": True},
    "size": {"type": "str"},
    "format": {"type": "bool"},
    "fs_type": {"type": "str", "aliases": ["fsType"]},
    "fs_args": {"type": "list", "elements": "str", "aliases": ["fsArgs"]},
}
PORT_FORWARD = {
    "guest_port": {"type": "int", "aliases": ["guestPort"]},
    "guest_port_range": {"type": "list", "elements": "int", "aliases": ["guestPortRange"]},
    "guest_ip": {"type": "str", "aliases": ["guestIP"]},
    "guest_ip_must_be_zero": {"type": "bool", "aliases": ["guestIPMustBeZero"]},
    "guest_socket": {"type": "str", "aliases": ["guestSocket"]},
    "host_port": {"type": "int", "aliases": ["hostPort"]},
    "host_port_range": {"type": "list", "elements": "int", "aliases": ["hostPortRange"]},
    "host_ip": {"type": "str", "aliases": ["hostIP"]},
    "host_socket": {"type": "str", "aliases": ["hostSocket"]},
    "proto": {"type": "str", "choices": ["tcp", "udp", "any"]},
    "reverse": {"type": "bool"},
    "ignore": {"type": "bool"},
    "static": {"type": "bool"},
}
NETWORK = {
    "lima": {"type": "str"},
    "socket": {"type": "str"},
    "vz_nat": {"type": "bool", "aliases": ["vzNAT"]},
    "mac_address": {"type": "str", "aliases": ["macAddress"]},
    "interface": {"type": "str"},
    "metric": {"type": "int"},
}
SECRET = {
    "name": {"type": "str", "required": True},
    "file": {"type": "str"},
    "env": {"type": "str"},
    "value": {"type": "str", "no_log": True},
    "inject": {"type": "bool"},
    "hosts": {"type": "list", "elements": "str"},
    "ca_file": {"type": "str", "aliases": ["caFile"]},
}
PROVISION = {
    "mode": {
        "type": "str",
        "choices": ["system", "user", "boot", "data", "dependency", "ansible", "yq"],
    },
    "script": {"type": "str"},
    "file": {"type": "raw"},
    "playbook": {"type": "str"},
    "skip_default_dependency_resolution": {
        "type": "bool",
        "aliases": ["skipDefaultDependencyResolution"],
    },
    "path": {"type": "str"},
    "content": {"type": "str"},
    "owner": {"type": "str"},
    "permissions": {"type": "str"},
    "overwrite": {"type": "bool"},
    "expression": {"type": "str"},
    "format": {"type": "str"},
}
USER = {
    "name": {"type": "str"},
    "comment": {"type": "str"},
    "home": {"type": "str"},
    "shell": {"type": "str"},
    "uid": {"type": "int"},
}
SSH = {
    "local_port": {"type": "int", "aliases": ["localPort"]},
    "load_dot_ssh_pub_keys": {
        "type": "bool",
        "aliases": ["loadDotSSHPubKeys"],
        "no_log": False,
    },
    "forward_agent": {"type": "bool", "aliases": ["forwardAgent"]},
    "forward_x11": {"type": "bool", "aliases": ["forwardX11"]},
    "forward_x11_trusted": {"type": "bool", "aliases": ["forwardX11Trusted"]},
    "over_vsock": {"type": "bool", "aliases": ["overVsock"]},
}
SHORTCUTS = {
    "cpus": "cpus",
    "memory": "memory",
    "disk": "disk",
    "arch": "arch",
    "vm_type": "vmType",
    "hostname": "hostname",
    "plain": "plain",
    "egress": "egress",
    "secrets": "secrets",
    "disks": "additionalDisks",
    "mounts": "mounts",
    "port_forwards": "portForwards",
    "networks": "networks",
    "provision": "provision",
    "user": "user",
    "ssh": "ssh",
}
"""Options for one key of lima.yaml, and that key."""

OPTIONS = {
    "config": {"type": "dict", "default": {}},
    "cpus": {"type": "int"},
    "memory": {"type": "str"},
    "disk": {"type": "str"},
    "arch": {"type": "str", "choices": ["x86_64", "aarch64", "armv7l", "ppc64le", "riscv64", "s390x"]},
    "vm_type": {"type": "str", "choices": ["qemu", "vz", "wsl2", "krunkit"]},
    "hostname": {"type": "str"},
    "plain": {"type": "bool"},
    "egress": {"type": "raw"},
    "secrets": {"type": "list", "elements": "dict", "options": SECRET, "no_log": False},
    "disks": {"type": "list", "elements": "dict", "options": DISK},
    "mounts": {"type": "list", "elements": "dict", "options": MOUNT},
    "port_forwards": {"type": "list", "elements": "dict", "options": PORT_FORWARD},
    "networks": {"type": "list", "elements": "dict", "options": NETWORK},
    "provision": {"type": "list", "elements": "dict", "options": PROVISION},
    "user": {"type": "dict", "options": USER},
    "ssh": {"type": "dict", "options": SSH},
}


def to_option_names(arguments):
    """A task's arguments, with names that are no identifiers replaced by the names of the options."""
    mounts = arguments.get("mounts")
    if not isinstance(mounts, list):
        return arguments
    limas = {theirs: ours for ours, theirs in NOT_IDENTIFIERS.items()}
    entries = [
        {limas.get(key, key): value for key, value in entry.items()} if isinstance(entry, dict) else entry
        for entry in mounts
    ]
    return {**arguments, "mounts": entries}


def to_lima_names(options):
    """Options that were not read by an argument spec, with their fields in Lima's spelling. Unknown fields
    are kept, so that the engine refuses them."""
    return {option: _to_lima_names(OPTIONS.get(option, {}), value) for option, value in options.items()}


def partial_lima_yaml(params):
    """The options as one partial lima.yaml; an option overrides its key in ``config``."""
    shortcuts = {
        key: _to_lima_value(OPTIONS[option], params[option])
        for option, key in SHORTCUTS.items()
        if params[option] is not None
    }
    for entry in shortcuts.get("secrets", []):
        entry.pop("value", None)  # lima.yaml has the sources alone
    if not shortcuts or not params["config"]:
        return shortcuts or params["config"]
    from callao.config import merge

    return merge([shortcuts, params["config"]])


def secret_values(params):
    """The values of secrets that the task itself has, by name."""
    from callao.secrets import checked

    return {
        each["name"]: checked(each["name"], each["value"].encode(), "value")
        for each in params["secrets"] or []
        if each["value"] is not None
    }


def diff_of(name, outcome):
    """The diff of the lima.yaml texts, so that scripts are compared by line; empty without an instance."""
    from callao.config import dump
    from callao.config.secrets import masked

    before, after = (dump(masked(side)) if side else "" for side in (outcome.before, outcome.after))
    return {"before": before, "after": after, "before_header": name, "after_header": name}


def _to_lima_value(spec, value):
    fields = spec.get("options")
    if fields is None:
        return value
    if spec["type"] == "list":
        return [_to_lima_entry(fields, each) for each in value]
    return _to_lima_entry(fields, value)


def _to_lima_names(spec, value):
    fields = spec.get("options")
    if isinstance(value, list):
        return [_to_lima_names(spec, each) for each in value]
    if fields is None or not isinstance(value, dict):
        return value
    known = {
        each: (field, _spellings(name, field)[-1])
        for name, field in fields.items()
        for each in _spellings(name, field)
    }
    found = {}
    # Ansible's spelling comes last, because it wins where both are given, as in modules.
    for key in sorted(value, key=lambda each: each in fields):
        field, lima = known.get(key, ({}, key))
        found[lima] = _to_lima_names(field, value[key])
    return found


def _spellings(name, field):
    """All spellings; Lima's is the last."""
    return [name, *field.get("aliases", []), *filter(None, [NOT_IDENTIFIERS.get(name)])]


def _to_lima_entry(fields, entry):
    found = {}
    for name, field in fields.items():
        spellings = _spellings(name, field)
        value = next((entry[each] for each in spellings if entry.get(each) is not None), None)
        if value is not None:
            found[spellings[-1]] = _to_lima_value(field, value)
    return found
