# SPDX-License-Identifier: GPL-3.0-or-later
"""lima.yaml as an option, and its parts that are options of their own."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  config:
    description:
      - Any content of lima.yaml, under Lima's own names, merged over O(template) as Lima merges C(base).
    type: dict
    default: {}
  cpus:
    description: Number of virtual CPUs. Short for C(cpus) in O(config).
    type: int
  memory:
    description: Memory with its unit, such as V(4GiB). Short for C(memory) in O(config).
    type: str
  disk:
    description:
      - Size of the disk, such as V(100GiB). It can grow and never shrink. Short for C(disk) in
        O(config).
    type: str
  arch:
    description:
      - Architecture of the guest; the host's by default. It never changes. Short for C(arch) in
        O(config).
    type: str
    choices: [x86_64, aarch64, armv7l, ppc64le, riscv64, s390x]
  vm_type:
    description:
      - The driver; the best for this machine by default. It never changes. Short for C(vmType) in
        O(config).
    type: str
    choices: [qemu, vz, wsl2, krunkit]
  hostname:
    description:
      - The guest's host name, C(lima-NAME) by default. Letters, digits and dashes, at most 63.
      - Callao's own key of lima.yaml, which Lima does not know. Short for C(hostname) in O(config).
    type: str
  plain:
    description:
      - Whether to leave out mounts, forwards and everything else that needs help from inside the
        guest. Short for C(plain) in O(config).
    type: bool
  egress:
    description:
      - What the guest may reach beyond its own network. V(none) for nothing, or a dictionary with C(allow),
        a list of host names (C(github.com:22,443), C(*.debian.org)), addresses and networks
        (C(10.0.0.0/8:5432), C(10.0.0.53:53/udp)), and C(log), whether what is refused is written to
        C(egress.log) in the instance's folder.
      - Without it, the guest reaches all that the host reaches. The rules of a running instance change
        without a restart; the first rules, and their end, need one.
      - Callao's own key of lima.yaml, which Lima does not know. Short for C(egress) in O(config).
    type: raw
  secrets:
    description:
      - Values that the guest gets in memory, each in the file C(/run/callao/secrets/NAME), which only the
        guest's user may read. C(lima.yaml) has their sources, never a value.
      - Given before the probes, after the provision scripts; again at each start and after a snapshot is
        restored. A running instance gets and loses them without a restart.
      - Callao's own key of lima.yaml, which Lima does not know. Short for C(secrets) in O(config).
    type: list
    elements: dict
    suboptions:
      name:
        description: The secret's name. Letters, digits, underscores, dots and dashes, at most 64.
        type: str
        required: true
      file:
        description:
          - A file of the host that has the value; an absolute path, or one below C(~). Read at each start.
        type: str
      env:
        description: An environment variable of the module's process on the host. Read at each start.
        type: str
      value:
        description:
          - The value itself, from a vault for example. It is kept in the memory of the host agent. A start
            that is not by this task leaves the guest without it.
          - Ansible hands a task's arguments to a module on another host in a file, unless pipelining is on.
        type: str
      inject:
        description:
          - Whether the value never enters the guest. The guest gets a placeholder, which the host replaces
            by the value in headers of requests to O(secrets[].hosts). Needs O(egress).
        type: bool
      hosts:
        description:
          - The servers that get the value, by HTTPS. Host names, also with C(:PORT), that O(egress) allows.
        type: list
        elements: str
      ca_file:
        description:
          - A PEM file of the host with the certificate authorities of O(secrets[].hosts). The host's own by
            default.
        type: str
        aliases: [caFile]
  disks:
    description:
      - Additional disks, which outlive the instance. A running one gets and loses them without a restart.
        Short for C(additionalDisks) in O(config).
    type: list
    elements: dict
    suboptions:
      name:
        description: The disk, as M(callao.lima.disk) makes it.
        type: str
        required: true
      size:
        description:
          - The size with its unit, such as V(10GiB), with which a disk that does not exist is created. One
            that does is left as it is.
        type: str
      format:
        description: Whether the guest formats a disk that holds nothing; it does by default.
        type: bool
      fs_type:
        description: The file system, such as V(xfs), or V(swap). V(ext4) when not given.
        type: str
        aliases: [fsType]
      fs_args:
        description: Further arguments of C(mkfs).
        type: list
        elements: str
        aliases: [fsArgs]
  mounts:
    description:
      - Directories of the host to show in the guest. Short for C(mounts) in O(config).
    type: list
    elements: dict
    suboptions:
      location:
        description: The directory on the host, absolute or below V(~).
        type: str
        required: true
      mount_point:
        description: Where the guest has it. The path of the location when not given.
        type: str
        aliases: [mountPoint]
      writable:
        description: Whether the guest may write.
        type: bool
      sshfs:
        description: For mount type V(reverse-sshfs).
        type: dict
        suboptions:
          cache:
            description: Whether the guest caches.
            type: bool
          follow_symlinks:
            description: Whether links are followed on the host.
            type: bool
            aliases: [followSymlinks]
          sftp_driver:
            description: Who serves the directory, V(builtin) or V(openssh-sftp-server).
            type: str
            aliases: [sftpDriver]
      ninep:
        description: For mount type V(9p). May be written as C(9p), too.
        type: dict
        suboptions:
          security_model:
            description: How owners and modes are kept on the host.
            type: str
            aliases: [securityModel]
          protocol_version:
            description: The version of 9p, such as V(9p2000.L).
            type: str
            aliases: [protocolVersion]
          msize:
            description: The largest message, such as V(128KiB).
            type: str
          cache:
            description: How the guest caches, such as V(mmap).
            type: str
      virtiofs:
        description: For mount type V(virtiofs).
        type: dict
        suboptions:
          queue_size:
            description: Requests that the device holds.
            type: int
            aliases: [queueSize]
  port_forwards:
    description:
      - Rules for forwarding ports. Short for C(portForwards) in O(config).
    type: list
    elements: dict
    suboptions:
      guest_port:
        description: The guest's port.
        type: int
        aliases: [guestPort]
      guest_port_range:
        description: The guest's first and last port.
        type: list
        elements: int
        aliases: [guestPortRange]
      guest_ip:
        description: The guest's address that the port is open on.
        type: str
        aliases: [guestIP]
      guest_ip_must_be_zero:
        description: Whether the rule is only for ports that are open on all addresses of the guest.
        type: bool
        aliases: [guestIPMustBeZero]
      guest_socket:
        description: The path of the guest's unix socket.
        type: str
        aliases: [guestSocket]
      host_port:
        description: The host's port. The guest's when not given.
        type: int
        aliases: [hostPort]
      host_port_range:
        description: The host's first and last port. The guest's when not given.
        type: list
        elements: int
        aliases: [hostPortRange]
      host_ip:
        description: The host's address. V(127.0.0.1) when not given.
        type: str
        aliases: [hostIP]
      host_socket:
        description: The path of the host's unix socket.
        type: str
        aliases: [hostSocket]
      proto:
        description: The protocol.
        type: str
        choices: [tcp, udp, any]
      reverse:
        description: Whether the host's socket is forwarded to the guest, in place of the other way round.
        type: bool
      ignore:
        description: Whether the rule keeps what it fits from being forwarded.
        type: bool
      static:
        description: Whether the port is forwarded from the start on, by whatever listens there.
        type: bool
  networks:
    description:
      - Further networks. Short for C(networks) in O(config).
    type: list
    elements: dict
    suboptions:
      lima:
        description: A network of C(networks.yaml), by its name.
        type: str
      socket:
        description: The path of a socket to join.
        type: str
      vz_nat:
        description: Whether it is the NAT of Virtualization.framework.
        type: bool
        aliases: [vzNAT]
      mac_address:
        description: The guest's address on it. Made from the instance's folder when not given.
        type: str
        aliases: [macAddress]
      interface:
        description: What the guest calls it, such as V(lima0).
        type: str
      metric:
        description: Of its routes in the guest.
        type: int
  provision:
    description:
      - Scripts to run in the guest, and files to write there. Short for C(provision) in O(config).
    type: list
    elements: dict
    suboptions:
      mode:
        description: When and as whom it runs, or V(data) for a file.
        type: str
        choices: [system, user, boot, data, dependency, ansible, yq]
      script:
        description: The script.
        type: str
      file:
        description: A file that has the script, as a path or as a dictionary with C(url) and C(digest).
        type: raw
      playbook:
        description: The playbook of mode V(ansible).
        type: str
      skip_default_dependency_resolution:
        description: Whether mode V(dependency) replaces what the guest would install by itself.
        type: bool
        aliases: [skipDefaultDependencyResolution]
      path:
        description: The file of mode V(data) or V(yq).
        type: str
      content:
        description: What is in the file of mode V(data).
        type: str
      owner:
        description: Whose the file is, as V(USER:GROUP).
        type: str
      permissions:
        description: The file's mode, as octal digits in quotes.
        type: str
      overwrite:
        description: Whether a file that is there is replaced.
        type: bool
      expression:
        description: What mode V(yq) makes of the file.
        type: str
      format:
        description: What mode V(yq) takes the file for.
        type: str
  user:
    description: The guest's user. Short for C(user) in O(config).
    type: dict
    suboptions:
      name:
        description: The name.
        type: str
      comment:
        description: The full name.
        type: str
      home:
        description: The home directory.
        type: str
      shell:
        description: The login shell.
        type: str
      uid:
        description: The number.
        type: int
  ssh:
    description: How the guest is reached. Short for C(ssh) in O(config).
    type: dict
    suboptions:
      local_port:
        description: The host's port that leads to the guest's sshd. A free one when not given.
        type: int
        aliases: [localPort]
      load_dot_ssh_pub_keys:
        description: Whether the public keys in C(~/.ssh) are let in.
        type: bool
        aliases: [loadDotSSHPubKeys]
      forward_agent:
        description: Whether the host's ssh agent is forwarded.
        type: bool
        aliases: [forwardAgent]
      forward_x11:
        description: Whether X11 is forwarded.
        type: bool
        aliases: [forwardX11]
      forward_x11_trusted:
        description: Whether X11 is forwarded without restrictions.
        type: bool
        aliases: [forwardX11Trusted]
      over_vsock:
        description: Whether ssh goes over vsock.
        type: bool
        aliases: [overVsock]
"""
