#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# timeout: 300
"""pip: one wheel with the object, the Python package and the command, and nothing left of it after uninstall.

In a virtual environment with a space in its path, which gets setuptools from
the index first; the rest needs no network.  The object is not compiled anew,
since make finds it in BUILD.
"""
import contextlib
import os
import platform
import re
import subprocess
import sys
import tarfile
import tempfile
import unittest
import zipfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.abspath(os.environ.get('BUILD') or os.path.join(ROOT, 'build'))
PYTHON = os.environ.get('PYTHON') or sys.executable
SKIPPED = 77
# The make above us passes its variables on in MAKEFLAGS.
ENV = {name: value for name, value in os.environ.items()
       if not name.startswith(('SYNCLESS', 'LD_', 'MAKE', 'MFLAGS', 'PYTHON'))}
ENV['BUILD'] = BUILD
STARTS_THREADS = r'''
import os, syncless, threading
held = threading.Event()
threads = [threading.Thread(target=held.wait) for _ in range(50)]
for thread in threads: thread.start()
print(len(os.listdir('/proc/self/task')) <= 2, os.getpid(), os.path.dirname(syncless.__file__))
held.set()
'''  # the second one is the watchdog


def run(*words, **options):
    """(exit code, all output)"""
    env = {**ENV, **options.pop('env', {})}
    done = subprocess.run(words, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=200, **options)
    return done.returncode, done.stdout


def files_below(folder):
    return {os.path.relpath(os.path.join(at, name), folder) for at, _, names in os.walk(folder)
            for name in names if not name.endswith('.pyc')}


class Wheel(unittest.TestCase):
    def setUp(self):
        with contextlib.ExitStack() as stack:
            self.folder = stack.enter_context(tempfile.TemporaryDirectory(dir=os.path.dirname(VENV)))
            self.addCleanup(stack.pop_all().close)

    def run_well(self, *words, **options):
        status, out = run(*words, **options)
        self.assertEqual(status, 0, out)
        return out

    def pip(self, *words):
        return self.run_well(VENV_PYTHON, '-m', 'pip', *words)

    def build(self):
        out = self.pip('wheel', '-v', '--no-build-isolation', '--no-deps', '-w', self.folder, ROOT)
        self.assertNotIn('  CC ', out)
        name, = os.listdir(self.folder)
        return os.path.join(self.folder, name)

    def test_wheel(self):
        before = files_below(VENV)
        wheel = self.build()
        version = os.path.basename(wheel).split('-')[1]
        self.assertEqual(os.path.basename(wheel),
                         f'syncless-{version}-py3-none-linux_{platform.machine()}.whl')
        self.assertLessEqual({'syncless/' + name for name in (
            'libsyncless.so', '_syncless.abi3.so', '_syncless_http.abi3.so', '_syncless_ws.abi3.so', 'launcher', '__init__.py', '__main__.py', 'py.typed')} | {
                f'syncless-{version}.dist-info/licenses/NOTICE',
                f'syncless-{version}.data/scripts/syncless'}, set(zipfile.ZipFile(wheel).namelist()))
        self.pip('install', '--no-index', wheel)
        self.use(version)
        self.pip('uninstall', '-y', 'syncless')
        self.assertEqual(files_below(VENV), before)

    def use(self, version):
        link = os.path.join(self.folder, 'a link')
        os.symlink(COMMAND, link)
        for command in [COMMAND, 'run'], [VENV_PYTHON, '-m', 'syncless', 'run'], [link, 'run', VENV_PYTHON]:
            with subprocess.Popen([*command, '-c', STARTS_THREADS], cwd='/', env=ENV, text=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
                are_green, pid, package = process.communicate(timeout=60)[0].split(maxsplit=2)
            self.assertEqual((are_green, int(pid)), ('True', process.pid))
            self.assertTrue(package.startswith(VENV + '/lib'), package)
        # The interpreter ignores SIGPIPE for itself; what it starts in its place must not.
        ignored = 'run', 'grep', 'SigIgn', '/proc/self/status'
        self.assertEqual(self.run_well(VENV_PYTHON, '-m', 'syncless', *ignored),
                         self.run_well(COMMAND, *ignored))
        advice = run(COMMAND, 'doctor')[1]  # its status is this machine's
        self.assertRegex(advice, 'calls are taken')
        self.assertNotIn('package syncless', advice)
        self.assertEqual(self.run_well(COMMAND, '--version'), f'syncless {version}\n')
        self.assertEqual(self.run_well(VENV_PYTHON, '-c', 'import syncless; print(syncless.__version__)'),
                         version + '\n')

    def test_editable(self):
        before = files_below(VENV)
        self.pip('install', '--no-build-isolation', '--no-deps', '-e', ROOT)
        told = self.run_well(COMMAND, 'run', '-c', STARTS_THREADS, cwd='/')
        self.assertRegex(told, rf'^True \d+ {re.escape(ROOT)}/pyglue/syncless\n$')
        self.pip('uninstall', '-y', 'syncless')
        self.assertEqual(files_below(VENV), before)
        self.assertEqual([name for name in os.listdir(ROOT + '/pyglue') if name.endswith('info')], [])

    def test_source_distribution(self):
        """Whatever the build reads is in it."""
        build = f'import setuptools.build_meta as backend; backend.build_sdist({self.folder!r})'
        self.run_well(VENV_PYTHON, '-c', build, cwd=ROOT)
        name, = os.listdir(self.folder)
        with tarfile.open(os.path.join(self.folder, name)) as archive:
            held = {member.name.partition('/')[2]: member for member in archive.getmembers()}
        wanted = {'Makefile', 'NOTICE', 'LICENSE', 'setup.py', 'pyproject.toml'}
        for top in 'pyglue', 'scripts', 'shim':
            wanted |= {os.path.join(top, path) for path in files_below(os.path.join(ROOT, top))}
        self.assertEqual(wanted - set(held), set())
        self.assertTrue(held['scripts/needs'].mode & 0o100)

    def test_without_headers(self):
        env = {'CPPFLAGS': '-nostdinc', 'BUILD': os.path.join(self.folder, 'build')}
        status, out = run(VENV_PYTHON, '-m', 'pip', 'install', '--no-build-isolation', ROOT, env=env)
        self.assertEqual(status, 1, out)
        self.assertRegex(out, r'syncless: the build lacks .*ev\.h, ares\.h; install .*libev-dev libc-ares-dev ')
        self.assertNotIn('Traceback', out)


def make_environment():
    """Ends the test as skipped where the machine has no venv or cannot reach the index."""
    status, out = run(PYTHON, '-m', 'venv', VENV)
    if status:
        print(out, f'skip: {PYTHON} cannot make a virtual environment', sep='\n')
        sys.exit(SKIPPED)
    status, out = run(VENV_PYTHON, '-m', 'pip', 'install', '--retries', '1', '--timeout', '20',
                      'setuptools>=77')
    if status:
        print(out, 'skip: setuptools cannot be had from the index of Python packages', sep='\n')
        sys.exit(SKIPPED)


if __name__ == '__main__':
    with tempfile.TemporaryDirectory() as top:
        VENV = os.path.join(os.path.realpath(top), 'a venv')
        VENV_PYTHON, COMMAND = (os.path.join(VENV, 'bin', name) for name in ('python', 'syncless'))
        make_environment()
        result = unittest.main(exit=False).result
    sys.exit(not result.wasSuccessful())
