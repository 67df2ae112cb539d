# SPDX-License-Identifier: GPL-3.0-or-later
"""What is kept of an instance beside its lima.yaml."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  renamed_from:
    description:
      - The name that the instance had. Where an instance of that name exists, and none that is called
        O(name), it is renamed, with its disk, its labels and its snapshots, before the rest of the task.
      - One that runs is shut down for it, where O(state) and O(restart) let it be restarted.
      - Where there is no instance of that name, the option does nothing, so that it can stay in a playbook.
        Where both exist, it is an error.
    type: str
  protected:
    description:
      - Whether the instance is kept from being deleted, renamed and made anew, by whatever tool. The same as
        C(callao protect) and C(limactl protect).
      - With V(false), O(state=absent) and O(recreate=true) remove also one that is protected, and
        O(renamed_from) renames it.
      - When not given, it stays as it is.
    type: bool
  autostart:
    description:
      - Whether the instance is started when its user logs in, by systemd's user manager on Linux and by
        launchd on macOS. The same as C(callao autostart) and C(limactl autostart).
      - On Linux, C(loginctl enable-linger) makes the boot of the machine the login, and the logout its end.
      - When not given, it stays as it is.
    type: bool
  labels:
    description:
      - Words of your own about the instance. They are kept beside its lima.yaml.
      - A number or a boolean is kept as its text; a list or a dictionary is an error.
      - When given, they replace all labels that the instance has; when not, those stay.
    type: dict
"""
