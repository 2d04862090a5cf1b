# SPDX-License-Identifier: Apache-2.0
"""Programs made of /bin/true by changing single bytes, so that no other compiler or libc is needed."""
import os
import struct

PT_NULL, PT_INTERP = 0, 3


def interp_header(image):
    """Where the program header of the loader's name is."""
    table, = struct.unpack_from('<Q', image, 32)
    size, count = struct.unpack_from('<HH', image, 54)
    return next(at for at in range(table, table + size * count, size)
                if struct.unpack_from('<I', image, at) == (PT_INTERP,))


def drop_loader(image):
    struct.pack_into('<I', image, interp_header(image), PT_NULL)


def set_loader(image, loader):
    """The bytes of its name; no longer than those that are there."""
    at, = struct.unpack_from('<Q', image, interp_header(image) + 8)
    image[at:at + len(loader) + 1] = loader + b'\0'


def halve(image):
    """Its word size is 32 bits."""
    image[4] = 1


class ChangesPrograms:
    """For a test that has a folder."""

    def change(self, name, change):
        """A copy of /bin/true, changed."""
        with open(os.path.realpath('/bin/true'), 'rb') as file:
            image = bytearray(file.read())
        change(image)
        path = os.path.join(self.folder, name)
        with open(path, 'wb') as file:
            file.write(image)
        os.chmod(path, 0o755)
        return path
