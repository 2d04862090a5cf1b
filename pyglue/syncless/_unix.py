# SPDX-License-Identifier: Apache-2.0
"""Listening at a path of the file system."""
import contextlib
import errno
import os
import socket
import stat


def free_path(path):
    """Removes the socket that a dead process has left at `path`.  OSError: another process listens there, or what
    stands there is no socket, which is somebody's file and stays."""
    with socket.socket(socket.AF_UNIX) as other:
        if other.connect_ex(path) == 0:
            raise OSError(errno.EADDRINUSE, 'another process listens there', path)
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            raise OSError(errno.EADDRINUSE, 'a file that is no socket stands there; name another path', path)
        os.unlink(path)
