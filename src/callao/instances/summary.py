# SPDX-License-Identifier: GPL-3.0-or-later
"""An instance as modules and commands return it, as plain values with stable keys."""

from __future__ import annotations

from callao.host import identity_file
from callao.instances.paths import ssh_alias
from callao.instances.store import Instance
from callao.reach import LOOPBACK


def summary(instance: Instance) -> dict[str, object]:
    """``memory`` and ``disk`` in bytes, ``timings`` in seconds; ``ssh.port`` is None while it is stopped."""
    config = instance.config
    paths = instance.paths
    return {
        "name": instance.name,
        "status": instance.status.value,
        "ready": instance.ready,
        "dir": str(instance.dir),
        "vm_type": config.vm_type.value if config else None,
        "arch": config.arch.value if config else None,
        "cpus": config.cpus if config else None,
        "memory": config.memory if config else None,
        "disk": config.disk if config else None,
        "template": instance.template,
        "labels": dict(instance.labels),
        "errors": list(instance.errors),
        "protected": instance.protected,
        "autostart": instance.autostart,
        "image": instance.record.image,
        "ssh": {
            "address": instance.reach.address if instance.reach else LOOPBACK,
            "port": instance.reach.port if instance.reach else None,
            "user": config.user.name if config else None,
            "identity_file": str(identity_file(instance.dir.parent)),
            "known_hosts_file": str(paths.known_hosts),
            "host_key_alias": ssh_alias(instance.name),
            "config_file": str(paths.ssh_config),
        },
        "forwards": [
            {"proto": proto, "host_ip": ip, "host_port": host_port, "guest_port": guest_port}
            for proto, ip, host_port, guest_port in instance.forwards
        ],
        "timings": dict(instance.timings),
    }
