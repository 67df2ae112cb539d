# SPDX-License-Identifier: GPL-3.0-or-later
"""An instance and its configuration as Lima's Go structs, for the templates in ``message`` and ``--format``.

Types are written as in Go; ``!`` after a pointer type means that an absent value is the type's zero value,
not nil.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callao.gotemplate import Address, AnyMap, GoList, Int64, Pointer, StringMap, Struct, Value

_STRUCTS: dict[str, str] = {
    "Instance": """
        Name name string; Hostname hostname string; Status status string; Dir dir string; VMType
        vmType string; Arch arch string; CPUs cpus int; Memory memory int64; Disk disk int64;
        Message message string; AdditionalDisks additionalDisks []Disk; Networks networks []Network;
        SSHLocalPort sshLocalPort int; SSHConfigFile sshConfigFile string; HostAgentPID hostAgentPID
        int; DriverPID driverPID int; Errors errors []string; Config config *LimaYAML; SSHAddress
        sshAddress string; Protected protected bool; LimaVersion limaVersion string; Param param
        map; AutoStartedIdentifier autoStartedIdentifier string""",
    "LimaYAML": """
        Base base []Locator; MinimumLimaVersion minimumLimaVersion *string; VMType vmType *string;
        VMOpts vmOpts any; OS os *string; Arch arch *string; Images images []Image; CPUType cpuType
        map; CPUs cpus *int; Memory memory *string; Disk disk *string; AdditionalDisks
        additionalDisks []Disk; Mounts mounts []Mount; MountTypesUnsupported mountTypesUnsupported
        []string; MountType mountType *string; MountInotify mountInotify *bool!; SSH ssh SSH;
        Firmware firmware Firmware; Audio audio Audio; Video video Video; Provision provision
        []Provision; UpgradePackages upgradePackages *bool!; Containerd containerd Containerd;
        GuestInstallPrefix guestInstallPrefix *string!; Probes probes []Probe; PortForwards
        portForwards []PortForward; CopyToHost copyToHost []CopyToHost; Message message string;
        Networks networks []Network; Env env map; Param param map; DNS dns []ip; HostResolver
        hostResolver HostResolver; PropagateProxyEnv propagateProxyEnv *bool!; CACertificates
        caCerts CACertificates; Rosetta rosetta Rosetta; Plain plain *bool!; TimeZone timezone
        *string!; NestedVirtualization nestedVirtualization *bool!; User user User; TPM tpm *bool!;
        OsOpts osOpts any""",
    "Locator": "URL url string; Digest digest *string",
    "File": "Location location string; Arch arch string; Digest digest string",
    "Kernel": "Location location string; Arch arch string; Digest digest string; Cmdline cmdline string",
    "Image": """
        Location location string; Arch arch string; Digest digest string; Kernel kernel *Kernel;
        Initrd initrd *File; Variant variant string; ArchVariant archVariant string""",
    "FirmwareImage": """
        Location location string; Arch arch string; Digest digest string; VMType vmType string""",
    "Disk": "Name name string; Format format *bool; FSType fsType *string; FSArgs fsArgs []string",
    "Mount": """
        Location location string; MountPoint mountPoint *string!; Writable writable *bool!; SSHFS
        sshfs SSHFS; NineP 9p NineP; Virtiofs virtiofs Virtiofs""",
    "SSHFS": "Cache cache *bool!; FollowSymlinks followSymlinks *bool!; SFTPDriver sftpDriver *string!",
    "NineP": """
        SecurityModel securityModel *string!; ProtocolVersion protocolVersion *string!; Msize msize
        *string!; Cache cache *string!""",
    "Virtiofs": "QueueSize queueSize *int",
    "SSH": """
        LocalPort localPort *int!; LoadDotSSHPubKeys loadDotSSHPubKeys *bool!; ForwardAgent
        forwardAgent *bool!; ForwardX11 forwardX11 *bool!; ForwardX11Trusted forwardX11Trusted
        *bool!; OverVsock overVsock *bool!""",
    "Firmware": "LegacyBIOS legacyBIOS *bool!; Images images []FirmwareImage",
    "Audio": "Device device *string!; Interface interface *string!",
    "VNCOptions": "Display display *string",
    "Video": "Display display *string!; VNC vnc VNCOptions",
    "Provision": """
        Mode mode string; SkipDefaultDependencyResolution skipDefaultDependencyResolution *bool;
        Script script *string!; File file *Locator; Playbook playbook string; Content content
        *string; Overwrite overwrite *bool; Owner owner *string; Path path *string; Permissions
        permissions *string; Expression expression *string; Format format *string""",
    "Containerd": "System system *bool!; User user *bool!; Archives archives []File",
    "Probe": """
        Mode mode string; Description description string; Script script *string!; File file
        *Locator; Hint hint string""",
    "PortForward": """
        GuestIPMustBeZero guestIPMustBeZero *bool!; GuestIP guestIP ip; GuestPort guestPort int;
        GuestPortRange guestPortRange [2]int; GuestSocket guestSocket string; HostIP hostIP ip;
        HostPort hostPort int; HostPortRange hostPortRange [2]int; HostSocket hostSocket string;
        Proto proto string; Reverse reverse bool; Ignore ignore bool; Static static bool""",
    "CopyToHost": """
        GuestFile guest string; HostFile host string; SkipIfMissing skipIfMissing bool; DeleteOnStop
        deleteOnStop bool""",
    "Network": """
        Lima lima string; Socket socket string; VZNAT vzNAT *bool; MACAddress macAddress string;
        Interface interface string; Metric metric *int""",
    "HostResolver": "Enabled enabled *bool!; IPv6 ipv6 *bool!; Hosts hosts map",
    "CACertificates": "RemoveDefaults removeDefaults *bool!; Files files []string; Certs certs []string",
    "Rosetta": "Enabled enabled *bool; BinFmt binfmt *bool",
    "User": """
        Name name *string; Comment comment *string!; Home home *string; Shell shell *string!; UID
        uid *int; PasswordlessSudo passwordlessSudo *bool!""",
}  # fmt: skip
_NEVER_OMITTED = {
    "Locator": ("url",), "File": ("location",), "Kernel": ("location",), "Image": ("location",),
    "FirmwareImage": ("location",), "Disk": ("name",), "Mount": ("location",),
    "Instance": ("name", "hostname", "status", "dir", "vmType", "arch", "protected", "limaVersion"),
}  # fmt: skip
_ZEROS: dict[str, Value] = {"string": "", "bool": False, "int": 0, "int64": Int64(0)}


def with_single_ports(document: Mapping[str, Any]) -> dict[str, Any]:
    """Adds ``guestPort`` and ``hostPort``, which Lima's structs have beside the ranges."""
    forwards = [
        {
            **rule,
            "guestPort": _single(rule["guestPortRange"]),
            "hostPort": 0
            if rule["hostPortRange"] == rule["guestPortRange"]
            else _single(rule["hostPortRange"]),
        }
        for rule in document.get("portForwards", ())
    ]
    return {**document, "portForwards": forwards}


def _single(ports: list[int]) -> int:
    return ports[0] if ports[0] == ports[1] else 0


def json_value(value: Value) -> Any:
    """``value`` as Go's encoding/json has it: lima.yaml's keys, without what is empty or nil."""
    if isinstance(value, Pointer):
        return json_value(value.target)
    if isinstance(value, GoList):
        return [json_value(each) for each in value.items]
    if isinstance(value, Address):
        return value.text
    if isinstance(value, Mapping):
        return {key: json_value(value[key]) for key in sorted(value)}
    if not isinstance(value, Struct):
        return value
    name = value.type_name.rpartition(".")[2]
    found: dict[str, Any] = {}
    for line in _STRUCTS[name].split(";"):
        field, key, _ = line.split()
        if key in _NEVER_OMITTED.get(name, ()) or not _is_omitted(value.fields[field]):
            found[key] = json_value(value.fields[field])
    return found


def _is_omitted(value: Value) -> bool:
    """As ``omitempty`` has it: neither a structure nor a pointer to a zero value is empty."""
    if isinstance(value, Struct):
        return False
    if isinstance(value, Pointer):
        return value.target is None
    if isinstance(value, Address):
        return not value.text
    return not (value.items if isinstance(value, GoList) else value)


def go_struct(type_name: str, document: Mapping[str, Any]) -> Struct:
    """``document``, which has lima.yaml's keys, as the Go structure ``type_name``."""
    fields = {}
    for line in _STRUCTS[type_name].split(";"):
        name, key, kind = line.split()
        fields[name] = _value(kind, document.get(key))
    return Struct(fields, f"limatype.{type_name}")


def _value(kind: str, value: Any) -> Value:
    if kind.startswith("*"):
        pointed = kind[1:].removesuffix("!")
        absent = value is None and not kind.endswith("!")
        return Pointer(None if absent else _value(pointed, value), pointed)
    if kind.startswith("[]"):
        return GoList([_value(kind[2:], each) for each in value or ()], f"[]{kind[2:]}")
    match kind:
        case "[2]int":
            return GoList(list(value or (0, 0)), kind)
        case "map":
            return StringMap(value or {})
        case "any":
            return _any(value or {})
        case "ip":
            return Address(value or "")
        case "int64":
            return Int64(value or 0)
    if kind in _ZEROS:
        return _ZEROS[kind] if value is None else value
    return go_struct(kind, value or {})


def _any(value: Any) -> Value:
    """A value whose type only the driver knows."""
    if isinstance(value, Mapping):
        return AnyMap({key: _any(item) for key, item in value.items()})
    return GoList([_any(item) for item in value], "[]interface {}") if isinstance(value, list) else value
