# SPDX-License-Identifier: GPL-3.0-or-later
"""The boot scripts, run for real: under dash as on Debian and Ubuntu, under busybox as on Alpine."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from importlib import resources
from pathlib import Path

import pytest
from guest_tree import GuestTree

from callao.cidata import seed_files
from callao.config.schema import (
    Arch,
    HostResolver,
    Mount,
    Provision,
    ProvisionMode,
    Rosetta,
    VMOpts,
    VMType,
    VZOpts,
)
from callao.config.yq_edit import NotEdited, edited

_SCRIPTS = sorted(
    entry.name
    for entry in (resources.files("callao.cidata") / "scripts").iterdir()
    if entry.name.endswith(".sh")
)


@pytest.fixture(params=["dash", "busybox"])
def tree(request, tmp_path) -> GuestTree:
    return GuestTree.make(tmp_path / "guest", request.param)


@pytest.fixture
def alpine(tmp_path) -> GuestTree:
    tree = GuestTree.make(tmp_path / "guest", "busybox")
    tree.put("etc/alpine-release", "3.22.0\n")
    tree.put("etc/ssh/sshd_config", "PermitRootLogin no\nAllowTcpForwarding no\n")
    tree.put("etc/init.d/acpid", "", 0o755)
    tree.stub("usermod", r"sed -i 's/^alice:!/alice:*/' /etc/shadow")
    tree.stub("rc-service")
    tree.stub(
        "rc-update", "mkdir -p /etc/runlevels/default; ln -s /etc/init.d/acpid /etc/runlevels/default/acpid"
    )
    tree.stub("apk", "printf '#!/bin/sh\n' >/bin/sudo; chmod 755 /bin/sudo")
    return tree


def _script(mode: str, text: str) -> Provision:
    return Provision(mode=ProvisionMode(mode), script=text)


def _data(path: str, text: str, **fields) -> Provision:
    return Provision(mode=ProvisionMode.DATA, path=path, content=text, **fields)


@pytest.mark.parametrize("name", _SCRIPTS)
def test_shellcheck_has_nothing_to_say(name):
    with resources.as_file(resources.files("callao.cidata") / "scripts" / name) as path:
        done = subprocess.run(
            ["shellcheck", "--shell=sh", str(path)], capture_output=True, text=True, check=False
        )
    assert done.stdout == ""


def test_a_boot_that_goes_well_says_so(tree, make_seed):
    done = tree.boot(make_seed())
    assert (done.code, done.failed) == (0, ())


def test_a_second_boot_changes_nothing(tree, make_seed):
    tree.put("usr/share/zoneinfo/America/Lima", "TZif")
    tree.put("etc/timezone", "Etc/UTC\n")
    tree.put("etc/environment", "PATH=/bin\n")
    entries = (
        _data("/etc/app/x", "x"),
        _data("/home/alice.guest/.config/app/y", "y", owner="alice:alice"),
        _script("user", "true"),
        _script("system", "true"),
    )
    seed = make_seed(provision=entries, env={"A": "1"}, timezone="America/Lima")
    assert tree.boot(seed).code == 0
    first = tree.snapshot()
    assert tree.boot(seed).code == 0
    assert tree.snapshot() == first


@pytest.mark.parametrize(("system", "lets_all"), [("debian", True), ("fedora", False)])
def test_everybody_may_use_the_gpu_of_krunkit_where_the_distribution_does_not_see_to_it(
    tree, make_seed, system, lets_all
):
    tree.put("etc/os-release", f"NAME=x\nID={system}\n")
    tree.put("etc/udev/udev.conf", "")
    tree.stub("udevadm")
    seed = make_seed(vm_type=VMType.KRUNKIT)
    assert tree.boot(seed).code == 0
    found = tree.snapshot()
    assert any("70-callao-gpu.rules" in str(each) for each in found) == lets_all
    assert tree.boot(seed).code == 0
    assert tree.snapshot() == found


def test_a_host_without_rosetta_is_told_and_the_boot_goes_on(tree, make_seed):
    options = VMOpts(vz=VZOpts(rosetta=Rosetta(enabled=True, binfmt=True)))
    tree.stub("mount", "exit 1")
    done = tree.boot(make_seed(vm_type=VMType.VZ, arch=Arch.AARCH64, vm_opts=options))
    assert done.code == 0
    assert "Rosetta is not installed on the host" in done.output


def test_what_cloud_init_did_is_on_the_disk_before_the_guest_is_called_ready(tmp_path, make_seed):
    tree = GuestTree.make(tmp_path / "guest", "dash")
    tree.put("var/lib/cloud/instance/obj.pkl", "")
    tree.stub("sync", "[ ! -e /run/lima-boot-done ] || echo late >>/calls")
    for _ in range(2):
        assert tree.boot(make_seed()).code == 0
    assert tree.text("calls") == "sync -f /\n"


def test_scripts_run_in_limas_order(tree, make_seed):
    modes = ("user", "system", "dependency", "boot", "system")
    note = "echo {} >>/home/alice.guest/order"
    entries = [_script(mode, note.format(f"{mode}{index}")) for index, mode in enumerate(modes)]
    entries.append(_script("system", "cat /etc/x >>/home/alice.guest/order"))
    entries.append(_data("/etc/x", "data\n"))
    tree.put("home/alice.guest/order", "", 0o666)
    tree.boot(make_seed(provision=tuple(entries)))
    assert tree.text("home/alice.guest/order").split() == [
        "boot3", "dependency2", "system1", "system4", "data", "user0",
    ]  # fmt: skip


def test_failures_are_named_and_the_rest_still_runs(tree, make_seed):
    entries = (
        _script("boot", "exit 7"),
        _script("system", "#!/bin/sh\nexit 3\n"),
        _script("system", "echo ran >/ran"),
        _script("user", "exit 4"),
        _script("system", "#!/no/such/interpreter\n"),
        _data("/proc/no/such", "x"),
        *[_script("system", "true")] * 5,
        _script("dependency", "false"),
    )
    done = tree.boot(make_seed(provision=entries))
    assert done.code == 7
    assert done.failed == (
        "provision[0] (boot)",
        "provision[11] (dependency)",
        "provision[5] (data)",
        "provision[1] (system)",
        "provision[4] (system)",
        "provision[3] (user)",
    )
    assert tree.text("ran") == "ran\n"


def test_a_data_file_that_cannot_be_placed_is_named(tree, make_seed):
    tree.put("etc/file", "")
    done = tree.boot(make_seed(provision=(_data("/etc/file/x", "x"),)))
    assert done.code != 0
    assert done.failed == ("provision[0] (data)",)


def test_a_failure_is_gone_after_a_boot_without_it(tree, make_seed):
    assert tree.boot(make_seed(provision=(_script("system", "exit 1"),))).code == 1
    assert tree.boot(make_seed()).code == 0


def test_the_output_of_scripts_is_in_the_log_beside_their_names(tree, make_seed):
    entry = _script("system", "echo to-stdout; echo to-stderr >&2; exit 9")
    lines = tree.boot(make_seed(provision=(entry,))).output.splitlines()
    assert lines[-4:] == [
        "LIMA| provision[0] (system)",
        "to-stdout",
        "to-stderr",
        "LIMA| provision[0] (system) failed with status 9",
    ]


def test_a_seed_that_cannot_be_mounted_is_reported(tree, make_seed):
    document = seed_files(make_seed())
    del document["boot.sh"]
    entry = (resources.files("callao.cidata") / "scripts" / "entry.sh").read_text()
    tree.put("entry", entry, 0o755)
    tree.chroot("/entry")
    assert tree.text("run/lima-boot-done") == "code=1\nfailed=mounting the seed\n"


def test_system_scripts_know_limas_variables_parameters_and_the_environment(tree, make_seed):
    lima = ("LIMA_CIDATA_NAME", "LIMA_CIDATA_MNT", "LIMA_CIDATA_SLIRP_GATEWAY")
    names = (*lima, "PARAM_Color", "http_proxy", "HOME")
    show = "#!/bin/sh\nset -eu\n" + "".join(f'echo "${name}" >>/seen\n' for name in names)
    seed = make_seed(
        provision=(_script("system", show),),
        param={"Color": "it's 'red'"},
        environment={"http_proxy": "http://localhost:3128"},
    )
    assert tree.boot(seed).code == 0
    assert tree.text("seen").splitlines() == [
        "web",
        "/mnt/lima-cidata",
        "192.168.5.2",
        "it's 'red'",
        "http://192.168.5.2:3128",
        "/root",
    ]


def test_user_scripts_run_as_the_user_who_logs_in(tree, make_seed):
    tree.put("etc/profile", "export FROM_PROFILE=yes\n")
    show = (
        '#!/bin/sh\nset -eu\nid -u >~/seen\npwd >>~/seen\nls -ld "$XDG_RUNTIME_DIR" | cut -c1-10 >>~/seen\n'
        'echo "$HOME $USER $XDG_RUNTIME_DIR $FROM_PROFILE $PARAM_Color $A" >>~/seen\n'
    )
    seed = make_seed(provision=(_script("user", show),), param={"Color": "it's"}, env={"A": "1 2"})
    done = tree.boot(seed)
    assert (done.code, done.output.count("failed")) == (0, 0)
    assert tree.text("home/alice.guest/seen").splitlines() == [
        "1501",
        "/home/alice.guest",
        "drwx------",
        "/home/alice.guest alice /run/user/1501 yes it's 1 2",
    ]
    left = {path.name for path in (tree.root / "home/alice.guest").iterdir()}
    assert left == {"seen"}


def test_the_users_systemd_is_started_and_waited_for_where_there_is_one(tree, make_seed):
    tree.put("usr/lib/systemd/system/user@.service", "")
    tree.stub(
        "loginctl",
        "mkdir -p /var/lib/systemd/linger; : >/var/lib/systemd/linger/$2; (sleep 0.5; mkdir -p "
        "/run/user/1501/systemd; : >/run/user/1501/systemd/private) &",
    )
    entry = _script("user", "test -e $XDG_RUNTIME_DIR/systemd/private")
    boot = _script("boot", "mkdir -p /run/systemd/system")
    assert tree.boot(make_seed(provision=(entry, boot))).code == 0
    assert tree.text("calls") == "loginctl enable-linger alice\n"


def test_a_data_file_has_its_owner_mode_and_content(tree, make_seed):
    seed = make_seed(
        provision=(
            _data("/home/alice.guest/.config/app/x y", "1\n", owner="alice:alice", permissions="600"),
            _data("/opt/deep/er/z", "2", permissions="0750"),
        )
    )
    assert tree.boot(seed).code == 0
    shown = tree.chroot("/bin/stat", "-c", "%a %U %n", "/home/alice.guest/.config",
                        "/home/alice.guest/.config/app/x y", "/opt/deep/er", "/opt/deep/er/z")  # fmt: skip
    assert shown.splitlines() == [
        "755 alice /home/alice.guest/.config",
        "600 alice /home/alice.guest/.config/app/x y",
        "755 root /opt/deep/er",
        "750 root /opt/deep/er/z",
    ]


@pytest.mark.parametrize(("overwrite", "expected"), [(True, "ours"), (False, "theirs")])
def test_a_data_file_that_exists_is_replaced_unless_told_otherwise(tree, make_seed, overwrite, expected):
    tree.put("etc/x", "theirs")
    assert tree.boot(make_seed(provision=(_data("/etc/x", "ours", overwrite=overwrite),))).code == 0
    assert tree.text("etc/x") == expected


def test_the_environment_keeps_its_place_and_goes_when_it_is_not_wanted(tree, make_seed):
    tree.put("etc/environment", "PATH=/bin")
    tree.boot(make_seed(env={"A": "1"}))
    assert tree.text("etc/environment") == 'PATH=/bin\n#LIMA-START\nA="1"\n#LIMA-END\n'
    tree.put("etc/environment", tree.text("etc/environment") + "LAST=1\n")
    tree.boot(make_seed(env={"A": "2", "B": "a $b `c` \\ 'd'"}))
    expected = 'PATH=/bin\n#LIMA-START\nA="2"\nB="a $b `c` \\ \'d\'"\n#LIMA-END\nLAST=1\n'
    assert tree.text("etc/environment") == expected
    tree.boot(make_seed())
    assert tree.text("etc/environment") == "PATH=/bin\nLAST=1\n"


def test_the_environment_is_there_before_anybody_logs_in(tree, make_seed):
    entry = _script("boot", "cat /etc/environment >/seen")
    tree.boot(make_seed(provision=(entry,), env={"A": "1"}))
    assert 'A="1"\n' in tree.text("seen")


def test_a_block_whose_end_was_lost_costs_nobody_a_line(tree, make_seed):
    tree.put("etc/hosts", "1.1.1.1 a\n#LIMA-START\n2.2.2.2 b\n")
    tree.boot(make_seed())
    lines = tree.text("etc/hosts").splitlines()
    assert lines[0] == "1.1.1.1 a"
    assert lines[-1] == "2.2.2.2 b"


def test_the_host_and_the_guest_have_names(tree, make_seed):
    tree.boot(make_seed(host_resolver=HostResolver(hosts={"db": "10.0.0.5"})))
    assert tree.text("etc/hosts") == (
        "127.0.0.1 localhost\n#LIMA-START\n192.168.5.2\thost.lima.internal\n"
        "192.168.5.15\tlima-web.internal\n10.0.0.5\tdb\n#LIMA-END\n"
    )


def test_the_old_home_leads_to_the_new_one(tree, make_seed):
    tree.boot(make_seed())
    assert (tree.root / "home/alice.linux").readlink() == Path("alice.guest")


def test_a_home_elsewhere_gets_no_link(tree, make_seed):
    user = make_seed().config.user
    moved = type(user)(name="alice", comment="", home="/home/alice", uid=1501)
    tree.boot(make_seed(user=moved))
    assert not (tree.root / "home/alice.linux").is_symlink()


@pytest.mark.parametrize("zone", ["America/Lima", ""])
def test_the_time_zone_is_set_where_it_is_known(tree, make_seed, zone):
    tree.put("usr/share/zoneinfo/America/Lima", "TZif")
    tree.put("etc/timezone", "Etc/UTC\n")
    assert tree.boot(make_seed(timezone=zone)).code == 0
    link = tree.root / "etc/localtime"
    assert (str(link.readlink()) if link.is_symlink() else "") == (
        f"/usr/share/zoneinfo/{zone}" if zone else ""
    )
    assert tree.text("etc/timezone") == f"{zone or 'Etc/UTC'}\n"


def test_an_image_without_time_zone_data_is_left_as_it_is(tree, make_seed):
    done = tree.boot(make_seed(timezone="America/Lima"))
    assert done.code == 0
    assert "no data for the time zone America/Lima" in done.output
    assert not (tree.root / "etc/localtime").is_symlink()


def test_a_guest_that_becomes_plain_loses_the_program_and_has_it_again_afterwards(tree, make_seed):
    unit, program = "etc/systemd/system/lima-guestagent.service", "usr/local/bin/lima-guestagent"
    tree.put("etc/systemd/system/other.service", "")
    tree.stub("python3")
    tree.stub("systemctl")
    with_systemd = (_script("boot", "mkdir -p /run/systemd/system"),)
    for plain in (False, True, True, False):
        assert tree.boot(make_seed(plain=plain, provision=with_systemd)).code == 0
        assert [(tree.root / path).exists() for path in (unit, program)] == [not plain] * 2
        assert (tree.root / "etc/systemd/system/multi-user.target.wants").exists()
    assert tree.text("calls").splitlines() == [
        "systemctl --no-block restart lima-guestagent.service",
        "systemctl --no-block stop lima-guestagent.service",
        "systemctl daemon-reload",
        "systemctl --no-block restart lima-guestagent.service",
    ]


def test_plain_runs_the_users_scripts_and_leaves_the_rest(tree, make_seed):
    before = tree.text("etc/hosts")
    seed = make_seed(
        plain=True, env={"A": "1"}, timezone="America/Lima", provision=(_script("system", "echo $A >/seen"),)
    )
    assert tree.boot(seed).code == 0
    assert tree.text("seen") == "1\n"
    assert tree.text("etc/hosts") == before
    assert tree.text("etc/environment") == ""
    assert not (tree.root / "home/alice.linux").is_symlink()


@pytest.mark.parametrize(
    ("program", "calls"),
    [
        ("apt-get", ["apt-get update", "apt-get install -y --no-install-recommends sshfs"]),
        ("dnf", ["dnf install -y fuse-sshfs"]),
        ("apk", ["apk add sshfs"]),
        ("zypper", ["zypper --non-interactive install sshfs"]),
        ("pacman", ["pacman -S --noconfirm sshfs"]),
        ("sshfs", []),
    ],
)
def test_sshfs_is_installed_where_mounts_need_it(tree, make_seed, program, calls):
    tree.stub(program)
    assert tree.boot(make_seed(mounts=(Mount(location="/x", mount_point="/x"),))).code == 0
    assert tree.text("calls").splitlines() == calls


def test_a_guest_that_cannot_get_sshfs_says_so(tree, make_seed):
    done = tree.boot(make_seed(mounts=(Mount(location="/x", mount_point="/x"),)))
    assert done.failed == ("boot.packages/10-sshfs.sh",)
    assert "need sshfs" in done.output


def test_alpine_gets_what_the_host_relies_on_once(alpine, make_seed):
    assert alpine.boot(make_seed()).code == 0
    assert alpine.chroot("/bin/bash", "-c", "echo $0 hello") == "/bin/ash hello\n"
    assert alpine.text("etc/ssh/sshd_config") == "PermitRootLogin no\nAllowTcpForwarding yes\n"
    assert "alice:*:" in alpine.text("etc/shadow")
    expected = [
        "usermod -p * alice",
        "rc-service --ifstarted sshd reload",
        "rc-update add acpid default",
        "rc-service acpid start",
        "apk add sudo",
    ]
    assert alpine.text("calls").splitlines() == expected
    first = alpine.snapshot()
    assert alpine.boot(make_seed()).code == 0
    assert alpine.text("calls").splitlines() == expected
    assert alpine.snapshot() == first


def test_plain_alpine_gets_it_too(alpine, make_seed):
    assert alpine.boot(make_seed(plain=True)).code == 0
    assert "apk add sudo" in alpine.text("calls")


def test_a_nic_that_has_another_name_is_renamed_and_waited_for(tmp_path, make_seed):
    tree = GuestTree.make(tmp_path / "guest", "dash")  # busybox's shell takes its own ip for the stub
    tree.stub(
        "ip",
        'case "$2 $5" in\n'
        '"set name") mv "/sys/class/net/$4" "/sys/class/net/$6" ;;\n'
        "addr*) echo '    inet 192.168.5.15/24 scope global' ;;\n"
        "esac",
    )
    for name, address in (("ens3", "52:55:55:aa:bb:cc"), ("lo", "00:00:00:00:00:00")):
        tree.put(f"sys/class/net/{name}/address", f"{address}\n")
    tree.put("sys/class/net/ens3/device/vendor", "")
    asked = [
        "ip link set dev ens3 down",
        "ip link set dev ens3 name eth0",
        "ip link set dev eth0 up",
        "ip -4 addr show dev eth0",
    ]
    for _ in range(2):  # the second boot finds nothing to do
        assert tree.boot(make_seed()).code == 0
        assert [line for line in tree.text("calls").splitlines() if line.startswith("ip ")] == asked


_EDIT = Provision(
    mode=ProvisionMode.YQ,
    path="/home/alice.guest/.config/x.json",
    expression=".a.b-c = 2",
    owner="alice:alice",
    permissions="600",
)


def _answering(tree: GuestTree, times: int) -> threading.Thread:
    """The host's side of an edit, on the tree's files."""

    def answer() -> None:
        folder = tree.root / "run/lima-edits/00000000"
        for _ in range(times):
            while not (folder / "asked").exists():
                time.sleep(0.02)
            (folder / "asked").unlink()
            before = folder / "before"
            try:
                after = edited(before.read_text() if before.exists() else None, ".a.b-c = 2", "json")
                (folder / "after").write_text(after)
                (folder / "answered").write_text("settled\n")
            except NotEdited as error:
                (folder / "answered").write_text(f"failed {error}\n")

    thread = threading.Thread(target=answer)
    thread.start()
    return thread


def test_an_edit_is_asked_of_the_host_until_it_changes_nothing(tree, make_seed):
    seed = make_seed(provision=(_EDIT,))
    host = _answering(tree, 2)
    assert tree.boot(seed).code == 0
    path = "home/alice.guest/.config/x.json"
    assert tree.text(path) == '{\n  "a": {\n    "b-c": 2\n  }\n}\n'
    stat = tree.chroot("/bin/stat", "-c", "%U %a", f"/{path}", "/home/alice.guest/.config").split("\n")
    assert stat[:2] == ["alice 600", "alice 755"]
    assert tree.boot(seed).code == 0  # nobody is asked
    (tree.root / path).write_text('{"mine": 1}')
    assert tree.boot(seed).code == 0
    host.join()
    assert json.loads(tree.text(path)) == {"mine": 1, "a": {"b-c": 2}}


def test_an_edit_that_cannot_be_made_names_its_entry(tree, make_seed):
    seed = make_seed(provision=(_EDIT,))
    tree.put("home/alice.guest/.config/x.json", "{", 0o644)
    done = tree.boot(seed)
    assert done.failed == ("provision[0] (yq)",)
    assert "/home/alice.guest/.config/x.json is not a file that alice can write" in done.output
    tree.chroot("/bin/chown", "-R", "alice", "/home/alice.guest/.config")
    host = _answering(tree, 1)
    done = tree.boot(seed)
    host.join()
    assert done.failed == ("provision[0] (yq)",)
    assert "the file is not json" in done.output
    assert tree.text("home/alice.guest/.config/x.json") == "{"
