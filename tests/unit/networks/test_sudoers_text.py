# SPDX-License-Identifier: GPL-3.0-or-later
"""The text of the sudoers file, byte for byte."""

from __future__ import annotations

from callao.config.networks_yaml import default_text, parse_networks
from callao.networks.vmnet.sudoers import is_ours, sudoers_text

BIN = "/opt/socket_vmnet/bin/socket_vmnet"
RUN = "/private/var/run/lima"
DOCUMENTED = f"""\
%admin ALL=(root:wheel) NOPASSWD:NOSETENV: /bin/mkdir -m 775 -p {RUN}

# Manage "bridged" network daemons

%admin ALL=(root:wheel) NOPASSWD:NOSETENV: \\
    {BIN} --pidfile={RUN}/bridged_socket_vmnet.pid --socket-group=admin --vmnet-mode=bridged \
--vmnet-interface=en0 {RUN}/socket_vmnet.bridged, \\
    /usr/bin/pkill -F {RUN}/bridged_socket_vmnet.pid

# Manage "host" network daemons

%admin ALL=(root:wheel) NOPASSWD:NOSETENV: \\
    {BIN} --pidfile={RUN}/host_socket_vmnet.pid --socket-group=admin --vmnet-mode=host \
--vmnet-gateway=192.168.106.1 --vmnet-dhcp-end=192.168.106.254 --vmnet-mask=255.255.255.0 \
{RUN}/socket_vmnet.host, \\
    /usr/bin/pkill -F {RUN}/host_socket_vmnet.pid

# Manage "shared" network daemons

%admin ALL=(root:wheel) NOPASSWD:NOSETENV: \\
    {BIN} --pidfile={RUN}/shared_socket_vmnet.pid --socket-group=admin --vmnet-mode=shared \
--vmnet-gateway=192.168.105.1 --vmnet-dhcp-end=192.168.105.254 --vmnet-mask=255.255.255.0 \
{RUN}/socket_vmnet.shared, \\
    /usr/bin/pkill -F {RUN}/shared_socket_vmnet.pid
"""


def test_the_default_file_has_the_documented_text() -> None:
    text = sudoers_text(parse_networks(default_text()), installed=True, root_group="wheel")
    assert text == DOCUMENTED
    assert is_ours(text)
    assert not is_ours("# mine\n")


def test_without_the_program_a_network_has_no_rule() -> None:
    networks = parse_networks("networks: {a: {mode: host, gateway: 10.0.0.1}}\ngroup: staff\n")
    assert sudoers_text(networks, installed=False, root_group="wheel") == (
        f"%staff ALL=(root:wheel) NOPASSWD:NOSETENV: /bin/mkdir -m 775 -p {RUN}\n"
        '\n# Manage "a" network daemons\n'
    )
