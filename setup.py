# SPDX-License-Identifier: Apache-2.0
"""The wheel: the Python package and, in it, the objects and the launcher as the Makefile builds them.

There is one build: this only calls make, with the compiler and flags of the
environment, and carries the results.  The tag names the machine but no Python,
for neither object is linked to one.  The command `syncless` is the
launcher once more; in an editable install it calls the one that `make` leaves in
build/, as the package does, which is then the source tree's.
"""
import os
import shlex
import subprocess
import sys

from setuptools import Distribution, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_py import build_py
from distutils.command.build_scripts import build_scripts  # setuptools' own, once that is imported

BUILD = os.environ.get('BUILD') or 'build'
SCRATCH = os.path.join(BUILD, 'wheel')
FROM_ENVIRONMENT = ('CC', 'CFLAGS', 'CPPFLAGS', 'LDFLAGS')
EDITABLE_SCRIPT = '''#!/bin/sh
[ -f "${{0%/*}}/../pyvenv.cfg" ] && export PYTHON="${{PYTHON:-${{0%/*}}/python3}}"
exec {} "$@"
'''


def make():
    """Raises SystemExit with a line of its own; make has said on stderr what was wrong."""
    words = ['make', f'-j{os.cpu_count() or 1}', 'BUILD=' + BUILD, 'PYTHON=' + sys.executable, 'all']
    words += [f'{name}={os.environ[name]}' for name in FROM_ENVIRONMENT if os.environ.get(name)]
    try:
        subprocess.run(words, check=True)
    except FileNotFoundError:
        raise SystemExit('syncless: the build lacks make; install make') from None
    except subprocess.CalledProcessError as error:
        raise SystemExit(f'syncless: make ended with {error.returncode}; what was wrong stands above') from None


class BinaryDistribution(Distribution):
    def has_ext_modules(self):
        return True


class BuildPy(build_py):
    def run(self):
        make()
        super().run()
        if not self.editable_mode:
            package = os.path.join(self.build_lib, 'syncless')
            for name in 'libsyncless.so', '_syncless.abi3.so', '_syncless_http.abi3.so', '_syncless_ws.abi3.so':
                self.copy_file(os.path.join(BUILD, name), package)
            self.copy_file(os.path.join(BUILD, 'syncless'), os.path.join(package, 'launcher'))


class BuildScripts(build_scripts):
    def get_source_files(self):
        return []  # for an sdist: it is generated

    def run(self):
        self.mkpath(self.build_dir)
        built, script = os.path.join(BUILD, 'syncless'), os.path.join(self.build_dir, 'syncless')
        if self.get_finalized_command('build_py').editable_mode:
            with open(script, 'w') as file:
                file.write(EDITABLE_SCRIPT.format(shlex.quote(os.path.abspath(built))))
            os.chmod(script, 0o755)
        else:
            self.copy_file(built, script)


class BdistWheel(bdist_wheel):
    def get_tag(self):
        return 'py3', 'none', super().get_tag()[2]


os.makedirs(SCRATCH, exist_ok=True)
setup(
    distclass=BinaryDistribution,
    cmdclass={'build_py': BuildPy, 'build_scripts': BuildScripts, 'bdist_wheel': BdistWheel},
    scripts=['syncless'],
    options={'build': {'build_base': SCRATCH}, 'egg_info': {'egg_base': SCRATCH}},
)
