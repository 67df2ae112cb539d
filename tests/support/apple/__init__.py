# SPDX-License-Identifier: GPL-3.0-or-later
"""Stand-ins for vfkit and krunkit: their command lines, REST services and signals, with QEMU underneath.

Written from crc-org/vfkit b2bc27e5, containers/krunkit 02d4161f (1.2.1), libkrun/krunkit c56c2b47 (1.3.1).
The grammars in tests/conformance read the command lines. :func:`support.apple.install.install` puts both
programs into a folder for ``PATH``.

What they do otherwise than the programs for which they stand:

- The machine is QEMU's ``q35``, and its processor this host's architecture.
- ``nat``: QEMU's user-mode network. A Mac reaches such a guest by its address; here port 22 of an address in
  127.64.0.0/10 that is the NIC's own leads there, and is written into the file of leases.
- ``virtio-vsock``: a vhost-user device (``vhost_user.py``, ``vsock_device.py``), so that the guest has the
  true device of vsock(7) on hosts without vhost-vsock, too.
- ``virtio-fs``: virtiofsd.
- ``rosetta`` is as on a Mac that lacks it, ``--nested`` as on one that does not support it, and there is no
  window.
"""
