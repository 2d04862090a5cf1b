# SPDX-License-Identifier: Apache-2.0
"""What `syncless doctor` lets a Python say about itself, under the preload.

    doctor_probe.py FD [CODE]

Writes key=value lines to FD: those of syncless_report() (shim/api/report.c)
between its own.  Then CODE is executed as by `python -c`, and the objects that
are loaded in the end are told.

It is run by whatever Python is asked about: nothing here needs a recent one,
and this folder is no place for modules while CODE runs.
"""
import os
import sys

if os.path.abspath(sys.path[0]) == os.path.dirname(os.path.abspath(__file__)):
    del sys.path[0]

import ctypes
import platform
import sysconfig
import threading


def tell(fd, key, value):
    os.write(fd, ('%s=%s\n' % (key, str(value).replace('\n', ' '))).encode())


def tell_version(fd):
    tell(fd, 'python', platform.python_implementation() + ' ' + platform.python_version())
    tell(fd, 'executable', sys.executable)
    tell(fd, 'stdlib', sysconfig.get_path('platstdlib'))
    tell(fd, 'free_threaded', int(bool(sysconfig.get_config_var('Py_GIL_DISABLED'))))


def tell_packages(fd):
    try:
        import importlib.util
    except ImportError:  # an old Python
        return
    is_here = importlib.util.find_spec('syncless') is not None
    tell(fd, 'glue', int(is_here))
    if is_here:
        try:
            importlib.import_module('syncless._glue')
        except ImportError as error:
            tell(fd, 'no_coroutines', error)


def tell_preload(fd):
    """None of it where libsyncless.so is not in this process."""
    library = ctypes.CDLL(None)
    if not hasattr(library, 'syncless_report'):
        return
    seen = []
    thread = threading.Thread(target=lambda: seen.append(library.syncless_green_threads()))
    thread.start()
    thread.join()
    tell(fd, 'green', int(seen[0] > 0))
    library.syncless_report(fd)


def execute(fd, code):
    sys.path.insert(0, '')
    sys.argv = ['-c']
    try:
        exec(compile(code, '<string>', 'exec'), {'__name__': '__main__'})
    except SystemExit:
        pass
    except BaseException as error:
        tell(fd, 'error', '%s: %s' % (type(error).__name__, error))


def tell_objects(fd):
    with open('/proc/self/maps') as maps:
        fields = [line.rstrip('\n').split(None, 5) for line in maps]
    for path in sorted({field[5] for field in fields if len(field) == 6 and 'x' in field[1]}):
        if path.startswith('/'):
            tell(fd, 'object', path)


def main():
    fd = int(sys.argv[1])
    tell_version(fd)
    tell_preload(fd)
    tell_packages(fd)
    if sys.argv[2:]:
        execute(fd, sys.argv[2])
    tell_objects(fd)
    os._exit(0)  # whatever CODE has left running


if __name__ == '__main__':
    main()
