# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands that run as root, as sudo is asked for them and as sudoers(5) allows them. Pure."""

from __future__ import annotations

from pathlib import Path

from callao.config.network import NetworkDefinition, NetworkMode, Networks


def socket_path(networks: Networks, name: str) -> Path:
    """The socket on which socket_vmnet serves the network."""
    return Path(networks.paths.var_run, f"socket_vmnet.{name}")


def pid_file(networks: Networks, name: str) -> Path:
    """Where the network's socket_vmnet writes its pid."""
    return Path(networks.paths.var_run, f"{name}_socket_vmnet.pid")


def mkdir_argv(networks: Networks) -> list[str]:
    """Creates the folder of sockets and pid files."""
    return ["/bin/mkdir", "-m", "775", "-p", networks.paths.var_run]


def start_argv(networks: Networks, network: NetworkDefinition) -> list[str]:
    """Runs the network's socket_vmnet in the foreground."""
    argv = [
        networks.paths.socket_vmnet,
        f"--pidfile={pid_file(networks, network.name)}",
        f"--socket-group={networks.group}",
        f"--vmnet-mode={network.mode}",
    ]
    if network.mode is NetworkMode.BRIDGED:
        argv.append(f"--vmnet-interface={network.interface}")
    else:
        argv += [
            f"--vmnet-gateway={network.gateway}",
            f"--vmnet-dhcp-end={network.dhcp_end}",
            f"--vmnet-mask={network.netmask}",
        ]
    return [*argv, str(socket_path(networks, network.name))]


def helper_argv(networks: Networks, network: NetworkDefinition) -> list[str]:
    """Runs vmnet-helper for one interface, with its frames on standard input: sudo closes all others but the
    standard descriptors.
    """
    argv = [networks.paths.socket_vmnet, "--fd=0", f"--operation-mode={network.mode}"]
    if network.mode is NetworkMode.BRIDGED:
        return [*argv, f"--shared-interface={network.interface}"]
    return [
        *argv,
        f"--start-address={network.gateway}",
        f"--end-address={network.dhcp_end}",
        f"--subnet-mask={network.netmask}",
    ]


def allowed_argvs(networks: Networks, network: NetworkDefinition) -> list[list[str]]:
    """The commands that the group needs for the network."""
    if networks.paths.is_vmnet_helper:
        return [helper_argv(networks, network)]
    return [start_argv(networks, network), stop_argv(networks, network.name)]


def stop_argv(networks: Networks, name: str) -> list[str]:
    """Ends the network's socket_vmnet."""
    return ["/usr/bin/pkill", "-F", str(pid_file(networks, name))]


def of_vmnet(networks: Networks) -> list[NetworkDefinition]:
    """The networks that socket_vmnet carries, sorted by name."""
    return [each for each in networks.by_name.values() if each.mode is not NetworkMode.USER_V2]
