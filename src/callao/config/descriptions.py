# SPDX-License-Identifier: GPL-3.0-or-later
"""A sentence on each field of lima.yaml, for the JSON Schema that editors use."""

from __future__ import annotations

from callao.config import schema as s

_FILE = {
    "location": "URL or path of the file.",
    "arch": "Architecture that the file is for; any when absent.",
    "digest": "sha256: or sha512: and the hex digits that the file must have.",
}

DESCRIPTIONS: dict[type, dict[str, str]] = {
    s.Config: {
        "base": "Templates that this one builds on, by name, path or URL; what stands here wins over them.",
        "minimumLimaVersion": "Oldest version of Lima whose lima.yaml has all that is used here.",
        "vmType": "Hypervisor; by default qemu on Linux, vz on macOS where it can, wsl2 on Windows. "
        "Never changes after the instance is made.",
        "vmOpts": "Options of one hypervisor each.",
        "os": "Operating system of the guest.",
        "arch": "Architecture of the guest; the host's by default. Never changes after the instance "
        "is made.",
        "images": "Disk images to boot; the first that fits the architecture and can be fetched is taken.",
        "cpuType": "CPU model by architecture; vmOpts.qemu.cpuType is its new place.",
        "cpus": "Number of virtual CPUs; by default 4, or the host's if it has fewer.",
        "memory": "Memory, in bytes or with a unit such as GiB; by default 4GiB, or half of the host's if "
        "that is less.",
        "disk": "Size of the root disk, in bytes or with a unit such as GiB; takes up only what is written. "
        "Can grow, never shrink.",
        "additionalDisks": "Further disks by name, made beforehand.",
        "mounts": "Directories of the host that the guest sees.",
        "mountTypesUnsupported": "Mount types that the guest's distribution cannot do.",
        "mountType": "How directories are shared; by default the best that hypervisor and guest can do.",
        "mountInotify": "Whether changes made on the host are told to watchers in the guest.",
        "ssh": "How the host reaches the guest.",
        "firmware": "What the machine boots by.",
        "audio": "Sound.",
        "video": "Graphics.",
        "provision": "Scripts to run, files to write and edits to make in the guest, at each boot.",
        "upgradePackages": "Whether the distribution's packages are upgraded at boot.",
        "containerd": "Whether containerd is set up in the guest.",
        "guestInstallPrefix": "Directory of the guest below which programs are installed.",
        "probes": "Scripts that must succeed in the guest before it counts as ready.",
        "portForwards": "Which ports and sockets of the guest are reached from the host; the first rule "
        "that matches wins, and loopback listeners are forwarded when none does.",
        "copyToHost": "Files that are copied from the guest once it is ready.",
        "message": "Text that is shown when the instance has started.",
        "networks": "Further network interfaces.",
        "env": "Environment variables of the guest.",
        "param": "Parameters for scripts, as PARAM_NAME, and for paths, as {{.Param.NAME}}; each must be "
        "used.",
        "dns": "Addresses of name servers, for when hostResolver is off.",
        "hostResolver": "Whether names are resolved as the host does it.",
        "propagateProxyEnv": "Whether the host's proxy variables are set in the guest.",
        "caCerts": "Certificate authorities that the guest trusts.",
        "rosetta": "Rosetta on macOS; vmOpts.vz.rosetta is its new place.",
        "plain": "Whether to leave the guest alone: no mounts, no containerd, static forwards only.",
        "timezone": "Time zone of the guest, such as Europe/Lisbon; the host's by default.",
        "nestedVirtualization": "Whether the guest may run virtual machines itself.",
        "user": "The user that is made in the guest.",
        "tpm": "Whether the machine has a TPM 2.0.",
        "osOpts": "Options of one operating system each.",
        "warm": "Whether a new instance goes on from the memory of one like it, in place of booting. "
        "Callao's own: Lima does not know it.",
        "hostname": "The guest's host name; lima-NAME by default. Callao's own: Lima does not know it.",
        "egress": "What the guest may reach beyond its own network: none, or rules. Without it, all that "
        "the host reaches. Callao's own: Lima does not know it.",
        "binfmt": "Other architectures whose programs run in the guest and its containers, by QEMU's user "
        "mode emulation. Callao's own: Lima does not know it.",
        "secrets": "Values that the guest gets in memory, and where the host has them from. Callao's own: "
        "Lima does not know it.",
    },
    s.Secret: {
        "name": "Name of the secret, and of its file in the guest, /run/callao/secrets/NAME.",
        "file": "File of the host that has the value; an absolute path, or one below ~.",
        "env": "Environment variable of the host that has the value.",
        "inject": "Whether the guest gets a placeholder, which the host replaces by the value in requests "
        "to hosts. Needs egress.",
        "hosts": "Servers that get the value, by HTTPS: NAME or NAME:PORT; egress has to allow them.",
        "caFile": "PEM file of the host with the authorities for hosts, in place of the host's own.",
    },
    s.Egress: {
        "allow": "Host names (also *.NAME), IPv4 addresses and networks, each with ports: "
        "github.com:22,443, 10.0.0.0/8:5432, 10.0.0.53:53/udp.",
        "log": "Whether what is refused is written to egress.log in the instance's folder.",
    },
    s.File: _FILE,
    s.Kernel: {**_FILE, "cmdline": "Command line of the kernel."},
    s.Image: {
        **_FILE,
        "kernel": "Kernel to boot directly, of the image's architecture.",
        "initrd": "Initial RAM disk for the kernel.",
        "variant": "Flavour of the image, such as server or minimal.",
        "archVariant": "Level of the architecture that the image needs, such as v3.",
    },
    s.Rosetta: {
        "enabled": "Whether Rosetta is made available to the guest.",
        "binfmt": "Whether x86_64 programs run by it without further ado.",
    },
    s.QEMUOpts: {
        "minimumVersion": "Oldest QEMU that will do.",
        "cpuType": "CPU model by architecture, as QEMU's -cpu has it; by default the host's own, or max.",
    },
    s.VZOpts: {
        "rosetta": "Rosetta, for x86_64 programs on Apple silicon.",
        "diskImageFormat": "Format of the disk.",
    },
    s.VMOpts: {"qemu": "Options of QEMU.", "vz": "Options of macOS's Virtualization framework."},
    s.AdditionalDisk: {
        "name": "Name of the disk.",
        "format": "Whether an empty disk gets a file system.",
        "fsType": "File system to make, such as ext4.",
        "fsArgs": "Arguments for the program that makes it.",
    },
    s.SSHFS: {
        "cache": "Whether the guest caches; faster, but late to see the host's changes.",
        "followSymlinks": "Whether symlinks are followed on the host.",
        "sftpDriver": "SFTP server of the host: by default Callao's own, which keeps to the directory.",
    },
    s.P9: {
        "securityModel": "How owners and modes are kept on the host.",
        "protocolVersion": "Version of the 9P protocol.",
        "msize": "Bytes of payload in a packet, at least 4KiB.",
        "cache": "How the guest caches; by default fscache, or mmap where the mount is writable.",
    },
    s.Virtiofs: {"queueSize": "Number of requests in the device's queue."},
    s.Mount: {
        "location": "Directory of the host: an absolute path, or one below ~.",
        "mountPoint": "Where the guest has it; the host's own path by default.",
        "writable": "Whether the guest may write.",
        "sshfs": "Options of mountType reverse-sshfs.",
        "9p": "Options of mountType 9p.",
        "virtiofs": "Options of mountType virtiofs.",
    },
    s.SSH: {
        "localPort": "Port of the host's loopback that leads to the guest's sshd; 0 takes a free one.",
        "loadDotSSHPubKeys": "Whether the public keys of the host's ~/.ssh may log in, too.",
        "forwardAgent": "Whether the host's ssh agent is forwarded.",
        "forwardX11": "Whether X11 is forwarded.",
        "forwardX11Trusted": "Whether forwarded X11 clients are trusted.",
        "overVsock": "Whether ssh goes by vsock instead of a port.",
    },
    s.FirmwareImage: {**_FILE, "vmType": "Hypervisor that the image is for; any when absent."},
    s.Firmware: {
        "legacyBIOS": "Whether to boot by BIOS instead of UEFI; for x86_64 only.",
        "images": "Firmware to boot by instead of the host's own.",
    },
    s.Audio: {
        "device": "Sound backend of the host; none when absent.",
        "interface": "Sound card of the guest.",
    },
    s.VNC: {"display": "Address and display of the VNC server."},
    s.Video: {
        "display": "Where the screen is shown; vnc for a VNC server.",
        "vnc": "Options of display vnc.",
    },
    s.Locator: {"url": "URL or path of the file.", "digest": _FILE["digest"]},
    s.Provision: {
        "mode": "What the entry does: run a script as root (system, boot, dependency) or as the user "
        "(user), write a file (data) or edit one (yq). ansible is deprecated: run a playbook instead.",
        "script": "The script; begins with #! and its interpreter, or is for sh.",
        "file": "File that holds the script or the content, read when the template is.",
        "skipDefaultDependencyResolution": "Whether the default packages stay out; mode dependency only.",
        "path": "Absolute path in the guest; modes data and yq.",
        "content": "What the file holds; mode data.",
        "owner": "Owner of the file, USER or USER:GROUP; modes data and yq.",
        "permissions": "Octal mode of the file; modes data and yq. 644 by default.",
        "overwrite": "Whether an existing file is written anew; mode data.",
        "expression": "The edit, in yq's language; mode yq.",
        "format": "Format of the file to edit; by default told by its name. Mode yq.",
        "playbook": "Playbook of the host; mode ansible.",
    },
    s.Containerd: {
        "system": "Whether containerd runs for the whole guest.",
        "user": "Whether containerd runs for the user, without root.",
        "archives": "Archives of nerdctl-full to install.",
    },
    s.Probe: {
        "mode": "Kind of the probe.",
        "description": "What is waited for.",
        "script": "The script; begins with #! and its interpreter.",
        "file": "File that holds the script, read when the template is.",
        "hint": "What to look at when the probe fails.",
    },
    s.PortForward: {
        "guestIPMustBeZero": "Whether only listeners on 0.0.0.0 match.",
        "guestIP": "Address that the guest listens on.",
        "guestPort": "Port of the guest.",
        "guestPortRange": "First and last port of the guest.",
        "guestSocket": "Absolute path of a socket in the guest.",
        "hostIP": "Address of the host to listen on.",
        "hostPort": "Port of the host; the guest's by default.",
        "hostPortRange": "First and last port of the host, as many as the guest's; the guest's by default.",
        "hostSocket": "Path of a socket of the host; relative ones are in the instance's folder sock.",
        "proto": "Protocol that the rule is for.",
        "reverse": "Whether the host's socket is forwarded into the guest; sockets only.",
        "ignore": "Whether what matches is not forwarded.",
        "static": "Whether to forward from the start, before anything listens in the guest.",
    },
    s.CopyToHost: {
        "guest": "Absolute path of the guest.",
        "host": "Absolute path of the host.",
        "skipIfMissing": "Whether it is no error when the guest has no such file.",
        "deleteOnStop": "Whether the copy is removed when the instance stops.",
    },
    s.Network: {
        "lima": "Name of a network in _config/networks.yaml.",
        "socket": "Path of a network daemon's socket.",
        "vzNAT": "Whether it is the NAT network of macOS's Virtualization framework.",
        "macAddress": "MAC address, six hex pairs; by default made from host and instance.",
        "interface": "Name of the interface in the guest, at most 15 bytes; lima0, lima1 … by default.",
        "metric": "Metric of the interface's routes; the lowest wins.",
    },
    s.HostResolver: {
        "enabled": "Whether the guest asks the host's resolver.",
        "ipv6": "Whether IPv6 addresses are answered.",
        "hosts": "Names with their address, or another name.",
    },
    s.CACerts: {
        "removeDefaults": "Whether the distribution's own authorities are removed.",
        "files": "PEM files of the host.",
        "certs": "PEM texts.",
    },
    s.User: {
        "name": "Name; the host user's by default, lima where Linux would not take it.",
        "comment": "Full name; the host user's by default.",
        "home": "Home directory; /home/NAME.guest by default.",
        "shell": "Login shell.",
        "uid": "User number; the host user's by default.",
        "passwordlessSudo": "Whether sudo asks for no password; false needs plain.",
    },
    s.Windows: {"virtioWin": "ISO images with the virtio drivers."},
    s.OSOpts: {"Windows": "Options of Windows guests."},
}
