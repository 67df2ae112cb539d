# SPDX-License-Identifier: GPL-3.0-or-later
"""The scripts of the templates of Kubernetes, run in a guest's tree against stand-ins of servers."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from guest_tree import Done, GuestTree

from callao.cidata import Seed
from callao.config import effective
from callao.host import Host, HostUser
from callao.templates import resolve

HOST = Host("linux", "x86_64", 4, 2**33, HostUser("alice", 1501, "Alice Doe", "/home/alice"), "")

CURL = r"""
while [ $# -gt 1 ]; do
  [ "$1" != -o ] || out=$2
  shift
done
path=/served/${1#http*://}
[ -e "$path" ] || { echo "curl: (22) 404: $1" >&2; exit 22; }
cat "$path" >"$out"
"""
"""A server's files are in /served/HOST/PATH; the URL comes last, or before ``-o``."""

SYSTEMCTL = r"""
for last; do :; done
case $1 in
is-enabled) [ -e "/enabled/$last" ] ;;
enable) touch "/enabled/$last" ;;
esac
"""

K3S = """#!/bin/sh
echo "k3s installer: $* url=$K3S_URL token=${K3S_TOKEN:+given} artifacts=$INSTALL_K3S_ARTIFACT_URL" >>/calls
[ ! -e /broken ] || exit 5
mkdir -p /etc/rancher/k3s
if [ "$1" = agent ]; then
  systemctl enable k3s-agent.service
else
  echo server >/etc/rancher/k3s/k3s.yaml
  systemctl enable k3s.service
fi
"""

KUBEADM = r"""
case $1 in
version) echo v1.36.2 ;;
init)
  [ ! -e /broken ] || exit 5
  mkdir -p /etc/kubernetes
  echo "server: https://10.0.0.1" >/etc/kubernetes/admin.conf
  ;;
join) mkdir -p /etc/kubernetes; touch /etc/kubernetes/kubelet.conf ;;
esac
"""


class Guest(GuestTree):
    """A guest with stand-ins of the distribution's commands, and of the servers."""

    @classmethod
    def prepared(cls, root: Path) -> Guest:
        GuestTree.make(root, "dash")
        guest = cls(root)
        for program in ("bash", "install"):
            guest.install(program)
        (root / "usr/bin").mkdir(parents=True, exist_ok=True)
        guest.stub("curl", CURL)
        guest.stub("systemctl", SYSTEMCTL)
        for name in ("apt-get", "apt-mark", "modprobe", "sysctl", "kubectl"):
            guest.stub(name)
        guest.stub("containerd", "printf 'SystemdCgroup = false\\n/usr/lib/cni\\nconfig_path = \"\"\\n'")
        guest.stub("kubeadm", KUBEADM)
        for folder in ("enabled", "etc/apt/sources.list.d"):
            (root / folder).mkdir(parents=True)
        return guest

    def serve(self, url: str, text: str) -> None:
        self.put(f"served/{url}", text)

    def calls(self) -> list[str]:
        lines = self.text("calls").splitlines()
        (self.root / "calls").write_text("")
        return lines

    def downloads(self, calls: list[str]) -> list[str]:
        return [url for line in calls if line.startswith("curl ") for url in re.findall(r"http\S+", line)]


@pytest.fixture
def guest(tmp_path: Path) -> Guest:
    return Guest.prepared(tmp_path / "guest")


@pytest.fixture
def seed_of(make_seed: Any, tmp_path: Path) -> Any:
    def made(template: str, **param: str) -> Seed:
        document = resolve(template, tmp_path).document
        document = {**document, "param": {**document.get("param", {}), **param}}
        found = effective(document, HOST, name="web", instance_dir=Path("/home/alice/.lima/web"))
        seed: Seed = make_seed(provision=found.provision, param=found.param)
        return seed

    return made


def well(done: Done) -> str:
    assert (done.code, done.failed) == (0, ()), done.output
    return done.output


def test_k3s_is_installed_once_as_a_server(guest: Guest, seed_of: Any) -> None:
    guest.serve("get.k3s.io", K3S)
    well(guest.boot(seed_of("k3s")))
    calls = guest.calls()
    assert guest.downloads(calls) == ["https://get.k3s.io"]
    assert "k3s installer: server --write-kubeconfig-mode 644 url= token= artifacts=" in calls
    before = guest.snapshot()
    well(guest.boot(seed_of("k3s")))
    assert guest.calls() == ["systemctl is-enabled --quiet k3s.service"]
    assert guest.snapshot() == before


def test_an_installation_of_k3s_that_was_cut_short_is_made_again(guest: Guest, seed_of: Any) -> None:
    assert guest.boot(seed_of("k3s")).failed == ("provision[0] (system)",)  # there is no such server
    guest.serve("get.k3s.io", K3S)
    guest.put("broken", "")
    assert guest.boot(seed_of("k3s")).failed == ("provision[0] (system)",)
    (guest.root / "broken").unlink()
    well(guest.boot(seed_of("k3s")))
    assert list((guest.root / "tmp").iterdir()) == []


def test_a_node_joins_a_server_of_k3s_and_writes_its_token_nowhere(guest: Guest, seed_of: Any) -> None:
    guest.serve("get.k3s.io", K3S)
    seed = seed_of("k3s", url="https://lima-one.internal:6443", token="s3cret")
    assert "s3cret" not in well(guest.boot(seed))
    assert "k3s installer: agent url=https://lima-one.internal:6443 token=given artifacts=" in guest.calls()
    well(guest.boot(seed))
    assert guest.downloads(guest.calls()) == []


def test_k3s_comes_by_a_proxy_and_its_images_from_a_mirror(guest: Guest, seed_of: Any) -> None:
    guest.serve("proxy.internal/HTTPS///get.k3s.io", K3S)
    well(guest.boot(seed_of("k3s", proxy="http://proxy.internal", mirror="http://mirror.internal")))
    calls = guest.calls()
    assert guest.downloads(calls) == ["http://proxy.internal/HTTPS///get.k3s.io"]
    releases = "http://proxy.internal/HTTPS///github.com/k3s-io/k3s/releases/download"
    assert [line for line in calls if line.endswith(f"artifacts={releases}")]
    assert '- "http://mirror.internal"' in guest.text("etc/rancher/k3s/registries.yaml")


KEY = "pkgs.k8s.io/core:/stable:/v1.36/deb/Release.key"


def test_kubernetes_is_made_in_its_order_and_once(guest: Guest, seed_of: Any) -> None:
    guest.serve(KEY, "key")
    well(guest.boot(seed_of("k8s")))
    calls = guest.calls()
    ours = ("modprobe", "sysctl", "curl", "apt-get install", "apt-mark", "containerd", "systemctl", "kube")
    steps = [line for line in calls if line.startswith(ours)]
    names = [re.sub(r"^(\S+(?: [a-z]+)?).*", r"\1", line) for line in steps]
    assert names == [
        "modprobe", "sysctl", "apt-get install", "curl", "apt-get install", "apt-mark hold",
        "containerd config", "systemctl restart", "kubeadm version", "kubeadm reset", "kubeadm init",
        "kubectl apply", "kubectl",
    ]  # fmt: skip
    assert guest.downloads(calls) == [f"https://{KEY}"]
    assert "/download/v0.28.9/kube-flannel.yml" in steps[-2]
    assert "server=https://127.0.0.1:6443" in steps[-1]
    assert "kubernetesVersion: v1.36.2" in guest.text("etc/kubeadm.yaml")
    assert guest.text("etc/containerd/config.toml").splitlines() == [
        "SystemdCgroup = true", "/opt/cni/bin", "config_path = '/etc/containerd/certs.d'"
    ]  # fmt: skip
    config = guest.root / "home/alice.guest/.kube/config"
    assert (config.stat().st_mode & 0o777, config.stat().st_uid) == (0o600, 1501)
    before = guest.snapshot()
    well(guest.boot(seed_of("k8s")))
    assert guest.calls() == []
    assert guest.snapshot() == before


def test_an_initialization_that_was_cut_short_is_made_again_without_a_download(
    guest: Guest, seed_of: Any
) -> None:
    guest.serve(KEY, "key")
    guest.put("broken", "")
    [failed] = guest.boot(seed_of("k8s")).failed
    assert failed.startswith("provision[")
    (guest.root / "broken").unlink()
    guest.calls()
    well(guest.boot(seed_of("k8s")))
    calls = guest.calls()
    assert guest.downloads(calls) == []
    assert [line.split()[1] for line in calls if line.startswith("kubeadm")] == ["version", "reset", "init"]


def test_a_node_joins_kubernetes_once_and_initializes_nothing(guest: Guest, seed_of: Any) -> None:
    guest.serve(KEY, "key")
    hashed = f"sha256:{'0' * 64}"
    seed = seed_of(
        "k8s", url="https://lima-one.internal:6443", token="abc.s3cret", discoveryTokenCaCertHash=hashed
    )
    assert "s3cret" not in well(guest.boot(seed))
    assert [line for line in guest.calls() if line.startswith("kubeadm")] == [
        "kubeadm reset --force",
        "kubeadm join --config=/etc/kubeadm.yaml",
    ]
    config = guest.text("etc/kubeadm.yaml")
    assert "apiServerEndpoint: lima-one.internal:6443" in config
    assert f"caCertHashes: ['{hashed}']" in config
    assert (guest.root / "etc/kubeadm.yaml").stat().st_mode & 0o077 == 0
    well(guest.boot(seed))
    assert guest.calls() == []


def test_packages_of_kubernetes_come_by_a_proxy_and_images_from_a_mirror(guest: Guest, seed_of: Any) -> None:
    proxied = f"proxy.internal/HTTPS///{KEY.replace('stable', 'prerelease').replace('1.36', '1.37')}"
    guest.serve(proxied, "key")
    seed = seed_of(
        "k8s", proxy="http://proxy.internal", mirror="http://m.internal", stability="prerelease",
        release="v1.37", version="v1.37.0", flannelVersion="v1",
    )  # fmt: skip
    well(guest.boot(seed))
    calls = guest.calls()
    assert guest.downloads(calls) == [f"http://{proxied}"]
    flannel = (
        "http://proxy.internal/HTTPS///github.com/flannel-io/flannel/releases/download/v1/kube-flannel.yml"
    )
    assert [line for line in calls if line.startswith("kubectl apply") and line.endswith(flannel)]
    assert "kubernetesVersion: v1.37.0" in guest.text("etc/kubeadm.yaml")
    assert '[host."http://m.internal"]' in guest.text("etc/containerd/certs.d/_default/hosts.toml")


def test_k0s_is_installed_once_and_started_at_each_boot(guest: Guest, seed_of: Any) -> None:
    guest.serve("get.k0s.sh", "#!/bin/sh\nchmod 755 /k0s\nmv /k0s /bin/k0s\n")
    guest.put(
        "k0s",
        '#!/bin/sh\necho "k0s $*" >>/calls\nmkdir -p /etc/systemd/system /var/lib/k0s/pki\n'
        "touch /etc/systemd/system/k0scontroller.service\necho admin >/var/lib/k0s/pki/admin.conf\n",
    )
    well(guest.boot(seed_of("k0s")))
    assert [line for line in guest.calls() if not line.startswith("curl")] == [
        "k0s install controller --single",
        "systemctl start k0scontroller.service",
    ]
    assert guest.text("home/alice.guest/.kube/config") == "admin\n"
    well(guest.boot(seed_of("k0s")))
    assert guest.calls() == ["systemctl start k0scontroller.service"]
