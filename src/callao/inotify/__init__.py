# SPDX-License-Identifier: GPL-3.0-or-later
"""``mountInotify``: passes changes of shared directories on the host to inotify in the guest.

9p, virtiofs and sshfs do not pass on what happens on the host. So the host watches its directories
(:class:`Watcher`) and tells a small program in the guest (:mod:`callao.inotify.guest`, started by
:func:`relay`), which touches the same paths there without altering them. A watcher in the guest sees:

====================  ==================================================================================
on the host           in the guest, as measured on a local file system and on sshfs
====================  ==================================================================================
file written to       IN_ATTRIB, IN_MODIFY, IN_OPEN and IN_CLOSE_WRITE on the file; its watch on the
                      folder has them with the file's name
file created          the same on the new file, and IN_ATTRIB (IN_ISDIR) on its folder; no IN_CREATE
mode or owner         as for a file written to
folder created        IN_ATTRIB on the new folder, on its folder, and the above for each file in it
deletion              IN_ATTRIB on the folder that held it; no IN_DELETE
renaming              what a deletion and a creation show; no IN_MOVED_*
symlink created       IN_ATTRIB on the link itself, never on what it leads to, and on its folder
====================  ==================================================================================

With less than that:

- On 9p a watch on a folder hears of what is in it; a watch on a file alone hears nothing, nor does one on a
  folder that the guest has just made, or that lies beyond the first 16,384 of a share: its client knows
  a file by a new inode each time. For the same reason a watch that is set before the guest's program runs,
  or runs again after a lost connection, hears nothing until it is set anew.
- A file that has an executable bit shows no IN_OPEN and IN_CLOSE_WRITE: opening it for writing could
  make its execution fail (ETXTBSY).
- On sshfs there is no IN_MODIFY, for SFTP would cut the host's mtime to whole seconds; files show
  IN_ATTRIB, IN_OPEN and IN_CLOSE_WRITE, folders IN_ATTRIB, symlinks nothing.
- Times can be set only by a file's owner: what belongs on the host to another user than the one who
  shares it shows nothing, or IN_CLOSE_WRITE alone if that one may write to it.
- A folder moved in from outside the share shows itself, not each file that came with it.
- Where the user's inotify watches do not suffice (sysctl fs.inotify.max_user_watches), changes in
  unwatched folders are found by a walk every few seconds.
- A change that leaves a file's size, mtime, mode, owner and inode as they were told last is taken for
  the guest's own touch.
- What a process in the guest writes to a shared directory is a change on the host, too, and is told
  again.
"""

from callao.inotify.change import Change, Kind, Shared
from callao.inotify.relay import guest_command, relay
from callao.inotify.watcher import Watcher

__all__ = ["Change", "Kind", "Shared", "Watcher", "guest_command", "relay"]
