# SPDX-License-Identifier: Apache-2.0
"""What this kernel grants, asked of it without the library under test."""
import ctypes
import errno
import os
import struct

IO_URING_SETUP = 425  # on every machine
PARAMS = struct.Struct('=30I')  # struct io_uring_params; the third is flags
TASKRUN_FLAG, SINGLE_ISSUER, DEFER_TASKRUN = 1 << 9, 1 << 12, 1 << 13


def io_uring_refusal():
    """None, or why io_uring cannot be had here."""
    params = ctypes.create_string_buffer(
        PARAMS.pack(0, 0, TASKRUN_FLAG | SINGLE_ISSUER | DEFER_TASKRUN, *27 * [0]))
    fd = ctypes.CDLL(None, use_errno=True).syscall(IO_URING_SETUP, 1, params)
    if fd >= 0:
        os.close(fd)
        return None
    number = ctypes.get_errno()
    return 'the kernel is older than 6.1' if number == errno.EINVAL else os.strerror(number)
