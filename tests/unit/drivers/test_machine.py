# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line, from a configuration; firmware; what the driver refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from callao.config import Config, VMType, effective
from callao.drivers import Boot, Forward, driver_for
from callao.drivers.qemu import display, firmware, vsock
from callao.drivers.qemu.accelerator import Acceleration
from callao.drivers.qemu.command_line import BootSource, command_line
from callao.drivers.qemu.devices import DirectKernel, Flash
from callao.guest_network import USER_MODE
from callao.host import Host, HostUser
from callao.instances import InstancePaths
from callao.reach import Reach

HOST = Host("linux", "x86_64", 8, 16 * 2**30, HostUser("ann", 1001, "Ann", "/home/ann"), "")
TCG = Acceleration("tcg", "Nehalem")


def config(**document: Any) -> Config:
    base = {"images": [{"location": "/img.qcow2"}], "cpus": 2, "memory": "1GiB"}
    return effective({**base, **document}, HOST, name="web", instance_dir=Path("/h/web"))


def argv(booting: BootSource | None = None, folder: str = "/h/web", **document: Any) -> list[str]:
    forwards = (Forward("tcp", "127.0.0.1", 8080, 80), Forward("udp", "0.0.0.0", 5353, 53))
    boot = Boot(InstancePaths(Path(folder)), config(**document), Reach(40022), forwards, "52:55:55:00:00:01")
    return command_line("qemu-system-x86_64", boot, TCG, booting or BootSource(), USER_MODE)


def values(words: list[str], option: str) -> list[str]:
    return [words[index + 1] for index, word in enumerate(words) if word == option]


def test_the_machine_is_as_configured() -> None:
    words = argv()
    for option, value in (
        ("-machine", "q35"),
        ("-smp", "2"),
        ("-m", "1024M"),
        ("-accel", "tcg"),
        ("-cpu", "Nehalem"),
    ):
        assert values(words, option) == [value]
    assert "-nodefaults" in words
    assert values(words, "-display") == ["none"]


def test_the_serial_number_spares_cloud_init_its_search() -> None:
    assert values(argv(), "-smbios") == ["type=1,serial=ds=nocloud"]


@pytest.mark.parametrize(
    ("option", "wanted", "expected"),
    [
        ("tcg,thread=multi", "root=/dev/vda1 quiet", "root=/dev/vda1 quiet mitigations=off"),
        ("tcg,thread=multi", "mitigations=auto quiet", "mitigations=auto quiet"),
        ("tcg,thread=multi", "", ""),
        ("kvm", "root=/dev/vda1 quiet", "root=/dev/vda1 quiet"),
    ],
)
def test_only_an_emulated_cpu_goes_without_mitigations(option: str, wanted: str, expected: str) -> None:
    assert Acceleration(option, "max").kernel_cmdline(wanted) == expected


def test_the_network_is_limas_and_forwards_from_the_host() -> None:
    (user,) = values(argv(), "-netdev")
    assert user.startswith("user,id=net0,net=192.168.5.0/24,dhcpstart=192.168.5.15,")
    assert "hostfwd=tcp:127.0.0.1:40022-:22" in user
    assert "hostfwd=tcp:127.0.0.1:8080-:80" in user
    assert "hostfwd=udp:0.0.0.0:5353-:53" in user


def test_every_device_is_virtio() -> None:
    devices = [device.partition(",")[0] for device in values(argv(), "-device")]
    for device in ("blk", "net", "rng", "balloon", "serial"):
        assert f"virtio-{device}-pci" in devices, device
    assert "vmgenid" in devices


def test_networks_come_while_the_machine_runs() -> None:
    assert argv(networks=[{"socket": "/run/net.sock"}]) == argv()


def test_commas_in_paths_are_kept_from_qemus_eyes() -> None:
    words = argv(folder="/h/a,b")
    disk = json.loads(values(words, "-blockdev")[0])
    assert disk["file"]["filename"] == "/h/a,b/disk"
    assert "file,id=serial,path=/h/a,,b/serial.log,append=on" in values(words, "-chardev")


def test_the_seed_cannot_be_written() -> None:
    seed = json.loads(values(argv(), "-blockdev")[1])
    assert seed["read-only"] is True


def test_uefi_is_two_flashes() -> None:
    words = argv(BootSource(flash=Flash(Path("/fw/CODE.fd"), Path("/h/web/vars.fd"))))
    assert values(words, "-drive") == [
        "if=pflash,format=raw,readonly=on,file=/fw/CODE.fd",
        "if=pflash,format=raw,file=/h/web/vars.fd",
    ]


def test_a_kernel_is_loaded_directly() -> None:
    words = argv(BootSource(kernel=DirectKernel(Path("/h/web/kernel"), Path("/h/web/initrd"), "ro quiet")))
    assert values(words, "-kernel") == ["/h/web/kernel"]
    assert values(words, "-initrd") == ["/h/web/initrd"]
    assert values(words, "-append") == ["ro quiet"]


def test_aarch64_is_virt() -> None:
    words = argv(arch="aarch64")
    assert values(words, "-machine") == ["virt"]
    assert not any("vmgenid" in device for device in values(words, "-device"))


def test_riscv64_is_virt_without_a_serial_number() -> None:
    words = argv(arch="riscv64")
    assert values(words, "-machine") == ["virt"]
    assert values(words, "-smbios") == []
    assert values(argv(), "-smbios") != []
    assert driver_for(config().vm_type).validate(config(arch="riscv64"), HOST) == []


def test_a_machine_without_pci_express_has_no_root_ports() -> None:
    assert any(device.startswith("pcie-root-port") for device in values(argv(), "-device"))
    words = argv(arch="s390x")
    assert not any(device.startswith("pcie-root-port") for device in values(words, "-device"))
    assert values(words, "-smbios") == []
    assert driver_for(config().vm_type).validate(config(arch="s390x"), HOST) == []


@pytest.mark.parametrize(
    ("document", "path"),
    [
        ({"arch": "s390x", "additionalDisks": [{"name": "data"}]}, "additionalDisks[0]"),
        ({"arch": "s390x", "networks": [{"lima": "user-v2"}]}, "networks[0]"),
        ({"arch": "s390x", "mountType": "9p", "mounts": [{"location": "/srv"}]}, "mountType"),
        ({"networks": [{"vzNAT": True}]}, "networks[0]"),
        (
            {"plain": True, "portForwards": [{"guestPort": 80, "hostIP": "::1", "static": True}]},
            "portForwards[0].hostIP",
        ),
    ],
)
def test_what_qemu_cannot_do_is_told(document: dict[str, Any], path: str) -> None:
    found = driver_for(config().vm_type).validate(config(**document), HOST)
    assert [problem.path for problem in found] == [path]
    assert found[0].allowed


def test_each_vm_type_has_a_driver() -> None:
    assert [driver_for(each).features.vm_type for each in VMType] == list(VMType)


def test_missing_programs_are_named_with_their_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.delenv("QEMU_SYSTEM_X86_64", raising=False)
    said = " ".join(driver_for(config().vm_type).missing(config()))
    assert "qemu-system-x86_64 is not on PATH: install it (Debian: qemu-system-x86)" in said
    assert "qemu-img is not on PATH" in said


def test_an_image_of_riscv64_needs_a_kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("qemu-system-riscv64", "qemu-img"):
        program = tmp_path / name
        program.write_text("#!/bin/sh\necho QEMU emulator version 7.2.0\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    driver = driver_for(config().vm_type)
    assert "images[].kernel" in " ".join(driver.missing(config(arch="riscv64")))
    image = {"location": "/img.qcow2", "arch": "riscv64", "kernel": {"location": "/vmlinuz"}}
    assert driver.missing(config(arch="riscv64", images=[image])) == []


def test_an_emulator_is_called_what_qemu_calls_the_architecture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from callao.drivers.qemu import binary

    arch, program = "armv7l", "qemu-system-arm"
    (tmp_path / program).write_text("")
    (tmp_path / program).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert binary.find(arch) == str(tmp_path / program)
    monkeypatch.setenv(program.upper().replace("-", "_"), "/no/such")
    assert binary.not_found_message(arch).startswith(f"{program.upper().replace('-', '_')}=/no/such")


def test_the_emulator_can_be_named_by_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from callao.drivers.qemu import binary

    program = tmp_path / "my-qemu"
    program.write_text("#!/bin/sh\necho QEMU emulator version 5.0.0\n")
    program.chmod(0o755)
    monkeypatch.setenv("QEMU_SYSTEM_X86_64", str(program))
    assert binary.find("x86_64") == str(program)
    said = driver_for(config().vm_type).missing(config())
    assert said == [f"{program} is version 5.0.0, and 6.2 is needed: upgrade it."]


def descriptor(folder: Path, name: str, **changed: Any) -> None:
    code, variables = folder / f"{name}.code", folder / f"{name}.vars"
    code.touch()
    variables.touch()
    said: dict[str, Any] = {
        "interface-types": ["uefi"],
        "mapping": {
            "device": "flash",
            "executable": {"filename": str(code), "format": "raw"},
            "nvram-template": {"filename": str(variables), "format": "raw"},
        },
        "targets": [{"architecture": "x86_64", "machines": ["pc-q35-*"]}],
        "features": ["acpi-s3"],
    }
    (folder / f"{name}.json").write_text(json.dumps({**said, **changed}))


def test_firmware_is_found_by_its_descriptor(tmp_path: Path) -> None:
    descriptor(tmp_path, "40-secure", features=["secure-boot", "requires-smm"])
    descriptor(tmp_path, "50-arm", targets=[{"architecture": "aarch64", "machines": ["virt-*"]}])
    descriptor(tmp_path, "55-bios", **{"interface-types": ["bios"]})
    descriptor(tmp_path, "60-plain")
    descriptor(tmp_path, "70-later")
    (tmp_path / "10-torn.json").write_text("{")
    (tmp_path / "11-odd.json").write_text("[]")
    found = firmware.find("x86_64", "pc-q35-7.2", [tmp_path])
    assert found is not None
    assert (found.code.name, found.variables.name) == ("60-plain.code", "60-plain.vars")
    arm = firmware.find("aarch64", "virt-7.2", [tmp_path])
    assert arm is not None
    assert arm.code.name == "50-arm.code"


def test_the_guest_has_a_vsock_device_where_the_kernel_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    over_vsock, paths = {"overVsock": True}, InstancePaths(Path("/h/web"))
    monkeypatch.setattr(vsock, "vhost_vsock", lambda: True)
    device = f"vhost-vsock-pci,guest-cid={vsock.guest_cid(paths)}"
    reach = vsock.vsock_reach(paths, config(ssh=over_vsock), 40022)
    assert device in values(argv(ssh=over_vsock), "-device")
    assert reach.proxy_command[-2:] == (f"vsock:{vsock.guest_cid(paths)}:22", "tcp:127.0.0.1:40022")
    assert vsock.vsock_reach(paths, config(), 40022) == Reach(40022)
    monkeypatch.setattr(vsock, "vhost_vsock", lambda: False)
    assert device not in values(argv(ssh=over_vsock), "-device")
    assert vsock.vsock_reach(paths, config(ssh=over_vsock), 40022) == Reach(40022)


@pytest.mark.parametrize(
    ("video", "environment", "shown", "card"),
    [
        ({}, {}, "none", ""),
        ({"display": "none"}, {"DISPLAY": ":0"}, "none", ""),
        ({"display": "default"}, {"DISPLAY": ":0"}, "default", "virtio-vga"),
        ({"display": "default"}, {"WAYLAND_DISPLAY": "wayland-0"}, "default", "virtio-vga"),
        ({"display": "default"}, {}, "none", "virtio-vga"),
        ({"display": "gtk,gl=on"}, {}, "gtk,gl=on", "virtio-vga-gl"),
        ({"display": "egl-headless"}, {}, "egl-headless", "virtio-vga-gl"),
        ({"display": "sdl,gl=off"}, {}, "sdl,gl=off", "virtio-vga"),
        ({"display": "vnc"}, {}, "vnc=127.0.0.1:0,to=9,password-secret=vnc", "virtio-vga"),
        ({"display": "vnc", "vnc": {"display": "none"}}, {}, "vnc=none,password-secret=vnc", "virtio-vga"),
    ],
)
def test_a_display_has_a_card_and_a_window_where_a_desktop_is(
    video: dict[str, Any], environment: dict[str, str], shown: str, card: str
) -> None:
    written = config(video=video)
    assert list(display.problems(written)) == []
    assert display.display_option(written, environment) == shown
    words = argv(BootSource(display=shown), video=video)
    assert values(words, "-display") == [shown]
    cards = [each for each in values(words, "-device") if each.startswith("virtio-vga")]
    assert cards == ([card] if card else [])
    assert ("secret,id=vnc,file=/h/web/vncpassword" in values(words, "-object")) is shown.startswith("vnc")


@pytest.mark.parametrize(
    ("video", "path"),
    [
        ({"display": "vnc=0.0.0.0:0"}, "video.display"),
        ({"display": "gtk,full-screen=on -daemonize"}, "video.display"),
        ({"display": "dbus,addr=unix:path=/tmp/x"}, "video.display"),
        ({"display": "vnc", "vnc": {"display": "unix:/home/me/.profile"}}, "video.vnc.display"),
        ({"display": "vnc", "vnc": {"display": ":0,password=off"}}, "video.vnc.display"),
    ],
)
def test_a_display_that_opens_more_than_a_window_is_refused(video: dict[str, Any], path: str) -> None:
    (problem,) = display.problems(config(video=video))
    assert problem.path == path


def test_the_password_of_a_vnc_server_is_private_and_stays(tmp_path: Path) -> None:
    paths = InstancePaths(tmp_path)
    display.create_vnc_password(paths, config())
    assert not paths.vnc_password.exists()
    display.create_vnc_password(paths, config(video={"display": "vnc"}))
    password = paths.vnc_password.read_text()
    assert len(password) == 8
    assert paths.vnc_password.stat().st_mode & 0o777 == 0o600
    display.create_vnc_password(paths, config(video={"display": "vnc"}))
    assert paths.vnc_password.read_text() == password
