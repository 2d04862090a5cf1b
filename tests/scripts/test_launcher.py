#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# timeout: 120
"""build/syncless: what it starts and how, what it refuses and why.

It is run by each shell that is here, for it promises to be plain POSIX.
"""
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

import images

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.abspath(os.environ.get('BUILD') or os.path.join(ROOT, 'build'))
LAUNCHER = os.path.join(BUILD, 'syncless')
LIBRARY = os.path.realpath(os.path.join(BUILD, 'libsyncless.so'))
TUNABLE = 'glibc.malloc.tcache_max=256'
HANG = 60
OURS = ('SYNCLESS', 'LD_PRELOAD', 'GLIBC_TUNABLES')
SHOW_ENV = 'import os, json; print(json.dumps(dict(os.environ)))'


def clean_env(**extra):
    env = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    return {**env, 'PYTHON': sys.executable, **extra}


class LauncherTest(unittest.TestCase):
    shell = ()

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def launch(self, *words, launcher=LAUNCHER, **env):
        done = subprocess.run([*self.shell, launcher, *words], env=clean_env(**env), text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, cwd=self.folder, timeout=HANG)
        return done.returncode, done.stdout, done.stderr

    def env_of(self, *options, **env):
        """The environment in which a command runs."""
        status, out, err = self.launch('run', *options, '/usr/bin/env', '-0', **env)
        self.assertEqual((status, err), (0, ''))
        return dict(pair.split('=', 1) for pair in out.split('\0') if pair)

    def write(self, name, text, mode=0o755):
        path = os.path.join(self.folder, name)
        with open(path, 'w') as file:
            file.write(text)
        os.chmod(path, mode)
        return path


class Commands(LauncherTest):
    def test_usage(self):
        for words in (), ('run',), ('run', '--threads'), ('run', '--bogus', 'true'), ('bogus',), \
                ('env', 'true'), ('run', '--threads', 'some', 'true'), ('run', '--no-inherit'), \
                ('run', '--preempt-ms', 'soon', 'true'), ('run', '--preempt-ms', '-1', 'true'):
            status, out, err = self.launch(*words)
            self.assertEqual((status, out), (2, ''), words)
            self.assertIn('syncless', err)
        for words in ('--help',), ('run', '--help'), ('env', '--help'):
            status, out, err = self.launch(*words)
            self.assertEqual((status, err), (0, ''))
            self.assertIn('syncless run', out)
        status, out, _ = self.launch('--version')
        self.assertEqual(status, 0)
        self.assertRegex(out, r'^syncless \d+\.\d+\.\d+\n$')

    def test_python_words(self):
        self.write('app.py', 'import sys; print(sys.argv)', 0o644)
        self.write('module.py', 'import sys; print(sys.argv[1:])', 0o644)
        self.assertEqual(self.launch('run', 'app.py', '-x', 'two words'),
                         (0, "['app.py', '-x', 'two words']\n", ''))
        self.assertEqual(self.launch('run', '-m', 'module', '--threads'), (0, "['--threads']\n", ''))
        self.assertEqual(self.launch('run', '--', '-c', 'print(6 * 7)'), (0, '42\n', ''))
        self.assertEqual(self.launch('run', '--threads=all', '-c', 'print(6 * 7)'), (0, '42\n', ''))
        self.write('python3', '#!/bin/sh\necho the python3 of PATH: "$@"')
        path = self.folder + ':' + os.environ['PATH']
        self.assertEqual(self.launch('run', 'app.py', 'a', PATH=path, PYTHON=''),
                         (0, 'the python3 of PATH: app.py a\n', ''))

    def test_words_status_and_input_are_the_programs(self):
        odd = ['', ' ', '*', '"', "'", '\\n', '$HOME', 'two\nlines', '-x']
        self.assertEqual(self.launch('run', sys.executable, '-c', 'import sys; print(sys.argv[1:])', *odd),
                         (0, f'{odd}\n', ''))
        self.assertEqual(self.launch('run', 'sh', '-c', 'exit 7')[0], 7)
        done = subprocess.run([*self.shell, LAUNCHER, 'run', 'cat'], env=clean_env(), input='to cat',
                              stdout=subprocess.PIPE, text=True, timeout=HANG)
        self.assertEqual(done.stdout, 'to cat')

    def test_same_process(self):
        with subprocess.Popen([*self.shell, LAUNCHER, 'run', '-c', 'import os; print(os.getpid())'],
                              env=clean_env(), stdout=subprocess.PIPE, text=True) as process:
            self.assertEqual(process.stdout.read(), f'{process.pid}\n')

    def test_name_of_the_program(self):
        self.assertEqual(self.launch('run', 'sh', '-c', 'tr "\\0" " " </proc/$$/cmdline')[1].split()[0],
                         'sh')

    def test_not_found_and_not_executable(self):
        self.write('flat', 'no program', 0o644)
        self.write('no.py', '', 0o644)
        path = self.folder + ':' + os.environ['PATH']
        for status, words, env in (
                (127, ['no-such-command'], {}), (127, ['./no-such-file'], {}), (127, [''], {}),
                (127, ['no-such.py'], {}), (127, ['no.py'], {'PYTHON': 'no-such-python'}),
                (126, ['./flat'], {}), (126, ['/'], {}), (126, ['flat'], {'PATH': path})):
            found, out, err = self.launch('run', *words, **env)
            self.assertEqual((found, out), (status, ''), words)
            self.assertRegex(err, r'^syncless: .+\n$')

    def test_unknown_settings(self):
        for name, value, told in (
                ('SYNCLESS', '2', '0 1'), ('SYNCLESS_THREADS', 'some', 'python all none'),
                ('SYNCLESS_PREEMPT_MS', '5ms', '0 to 10000'), ('SYNCLESS_INHERIT', 'yes', '0 1'),
                ('SYNCLESS_PREEMPT_MS', '10001', '0 to 10000'),
                ('SYNCLESS_BACKEND', 'kqueue', 'epoll poll select io_uring'),
                ('SYNCLESS_DNS', 'dig', 'cares thread libc'), ('SYNCLESS_DLSYM', 'on', '0 1'),
                ('SYNCLESS_FILES', 'aio', 'plain offload'), ('SYNCLESS_VERBOSE', 'v', '0 1'),
                ('SYNCLESS_WATCH_MS', '-1', '0 to 60000'),
                ('SYNCLESS_HANDOFF_MS', '60001', '0 to 60000'), ('SYNCLESS_HOSTS', '-1', '0 to 1024'),
                ('SYNCLESS_CHAOS', 'monkey', 'none handoff'),
                ('SYNCLESS_OFFLOAD_THREADS', '0', '1 to 1024')):
            for words in ('run', 'true'), ('env',):
                status, out, err = self.launch(*words, **{name: value})
                self.assertEqual((status, out), (2, ''))
                self.assertIn(f'{name}={value}', err)
                self.assertIn(told, err)
        self.assertEqual(self.launch('run', 'true', SYNCLESS_THREADS=''), (0, '', ''))


class Environment(LauncherTest):
    def test_nothing_else_changes(self):
        """Not even a variable that is named like one of the launcher's own."""
        own = dict.fromkeys(('status', 'name', 'value', 'file', 'library', 'program', 'depth', 'found',
                             'folder', 'folders', 'table', 'count', 'CDPATH'), 'mine')
        env = self.env_of(**own)
        self.assertEqual(env.pop('LD_PRELOAD'), LIBRARY)
        self.assertEqual(env.pop('GLIBC_TUNABLES'), TUNABLE)
        plain = clean_env(**own)
        for name in set(env) ^ set(plain):
            self.assertIn(name, ('_', 'PWD', 'OLDPWD', 'SHLVL'))  # any shell's
        for name in set(own):
            self.assertEqual(env.get(name), 'mine', name)

    def test_preload(self):
        # An object that is there anyway.
        with open('/proc/self/maps') as maps:
            other = next(line.split()[-1] for line in maps if '/libm' in line)
        self.assertEqual(self.env_of(LD_PRELOAD=other)['LD_PRELOAD'], f'{LIBRARY}:{other}')
        both = f'{other}:{LIBRARY}'
        self.assertEqual(self.env_of(LD_PRELOAD=both)['LD_PRELOAD'], both)

    def test_tunables(self):
        self.assertEqual(self.env_of('--threads', 'all')['GLIBC_TUNABLES'], TUNABLE)
        self.assertNotIn('GLIBC_TUNABLES', self.env_of('--threads', 'none'))
        self.assertNotIn('GLIBC_TUNABLES', self.env_of(SYNCLESS='0'))
        arena = 'glibc.malloc.arena_max=2'
        self.assertEqual(self.env_of(GLIBC_TUNABLES=arena)['GLIBC_TUNABLES'], f'{arena}:{TUNABLE}')
        for cache in 'glibc.malloc.tcache_count=3', 'glibc.malloc.tcache_max=64':
            self.assertEqual(self.env_of(GLIBC_TUNABLES=cache)['GLIBC_TUNABLES'], cache)

    def test_options(self):
        env = self.env_of('--threads', 'all', '--preempt-ms=20', '--no-inherit', SYNCLESS_THREADS='none')
        self.assertEqual([env['SYNCLESS_' + name] for name in ('THREADS', 'PREEMPT_MS', 'INHERIT')],
                         ['all', '20', '0'])

    def test_env(self):
        status, out, err = self.launch('env', '--threads', 'all',
                                       GLIBC_TUNABLES="it's=odd", SYNCLESS_PREEMPT_MS='7')
        self.assertEqual((status, err), (0, ''))
        self.assertTrue(all(line.startswith('export ') for line in out.splitlines()))
        shown = subprocess.run(['sh', '-c', 'eval "$1"; unset LD_PRELOAD; env', 'sh', out.replace(
            'LD_PRELOAD', 'WOULD_PRELOAD')], stdout=subprocess.PIPE, text=True, env=clean_env(),
            timeout=HANG).stdout.splitlines()
        for line in (f'WOULD_PRELOAD={LIBRARY}', f"GLIBC_TUNABLES=it's=odd:{TUNABLE}",
                     'SYNCLESS_THREADS=all', 'SYNCLESS_PREEMPT_MS=7'):
            self.assertIn(line, shown)


class Places(LauncherTest):
    def test_through_symlinks_and_path(self):
        os.symlink(LAUNCHER, os.path.join(self.folder, 'first'))
        os.symlink('first', os.path.join(self.folder, 'second'))
        for launcher in (os.path.join(self.folder, 'second'), './second', '../' + os.path.basename(
                self.folder) + '/second'):
            self.assertEqual(self.launch('run', 'printenv', 'LD_PRELOAD', launcher=launcher),
                             (0, LIBRARY + '\n', ''))
        done = subprocess.run(['sh', '-c', 'second run printenv LD_PRELOAD'], stdout=subprocess.PIPE,
                              env=clean_env(PATH=self.folder + ':' + os.environ['PATH']), text=True,
                              timeout=HANG)
        self.assertEqual(done.stdout, LIBRARY + '\n')

    def lay_out(self, *folders):
        top = os.path.join(self.folder, *folders)
        os.makedirs(os.path.join(top, 'bin'))
        shutil.copy(LAUNCHER, os.path.join(top, 'bin'))
        return top, os.path.join(top, 'bin', 'syncless')

    def test_installed(self):
        top, launcher = self.lay_out('prefix')
        status, out, err = self.launch('run', 'true', launcher=launcher)
        self.assertEqual((status, out), (1, ''))
        self.assertIn('no libsyncless.so in', err)
        os.makedirs(os.path.join(top, 'lib', 'syncless'))
        library = shutil.copy(LIBRARY, os.path.join(top, 'lib', 'syncless'))
        self.assertEqual(self.launch('run', 'printenv', 'LD_PRELOAD', launcher=launcher),
                         (0, os.path.realpath(library) + '\n', ''))

    def test_in_the_python_package(self):
        """Of two interpreters' packages, that which came last."""
        top, launcher = self.lay_out('prefix')
        for version, when, expected in ('3.9', 200, '3.9'), ('3.11', 300, '3.11'), ('3.10', 100, '3.11'):
            package = os.path.join(top, 'lib', 'python' + version, 'site-packages', 'syncless')
            os.makedirs(package)
            os.utime(shutil.copy(LIBRARY, package), (when, when))
            library = f'{os.path.realpath(top)}/lib/python{expected}/site-packages/syncless/libsyncless.so'
            self.assertEqual(self.launch('run', 'printenv', 'LD_PRELOAD', launcher=launcher),
                             (0, library + '\n', ''))

    def test_python_of_the_virtual_environment(self):
        top, launcher = self.lay_out('venv')
        shutil.copy(LIBRARY, os.path.join(top, 'bin'))
        self.write('venv/bin/python3', '#!/bin/sh\necho its own: "$@"')
        self.write('python3', '#!/bin/sh\necho of PATH: "$@"')
        os.symlink(launcher, os.path.join(self.folder, 'link'))
        env = {'PATH': self.folder + ':' + os.environ['PATH'], 'PYTHON': ''}
        self.assertEqual(self.launch('run', '-m', 'x', launcher=launcher, **env), (0, 'of PATH: -m x\n', ''))
        self.write('venv/pyvenv.cfg', '')
        self.assertEqual(self.launch('run', '-m', 'x', launcher=launcher, **env), (0, 'its own: -m x\n', ''))
        self.assertEqual(self.launch('run', '-m', 'x', launcher=os.path.join(self.folder, 'link'), **env),
                         (0, 'of PATH: -m x\n', ''))

    def test_a_space_in_the_path(self):
        """The loader splits LD_PRELOAD there, so the folder comes to LD_LIBRARY_PATH."""
        top, launcher = self.lay_out('a folder')
        library = os.path.realpath(shutil.copy(LIBRARY, os.path.join(top, 'bin')))
        folder = os.path.dirname(library)
        status, out, err = self.launch('run', 'cat', '/proc/self/maps', launcher=launcher)
        self.assertEqual((status, err), (0, ''))
        self.assertIn(library, out)
        for before, after in (None, folder), ('/x:/y', f'{folder}:/x:/y'), (f'/x:{folder}', f'/x:{folder}'):
            env = {} if before is None else {'LD_LIBRARY_PATH': before}
            self.assertEqual(self.launch('run', 'printenv', 'LD_PRELOAD', 'LD_LIBRARY_PATH', launcher=launcher,
                                         **env), (0, f'libsyncless.so\n{after}\n', ''))
        # A launcher that is started by another's program changes nothing.
        self.assertEqual(self.launch('run', launcher, 'run', 'printenv', 'LD_PRELOAD', 'LD_LIBRARY_PATH',
                                     launcher=launcher), (0, f'libsyncless.so\n{folder}\n', ''))

    def test_what_the_loader_would_split(self):
        for name in 'a:folder', 'a folder;':
            top, launcher = self.lay_out(name)
            shutil.copy(LIBRARY, os.path.join(top, 'bin'))
            status, out, err = self.launch('run', 'true', launcher=launcher)
            self.assertEqual((status, out), (1, ''))
            self.assertIn('colon or semicolon', err)


class Programs(images.ChangesPrograms, LauncherTest):
    def refused(self, path, *told):
        status, out, err = self.launch('run', path)
        self.assertEqual((status, out), (126, ''))
        self.assertRegex(err, r'^syncless: .+\n$')
        for word in told:
            self.assertIn(word, err)

    def test_unchanged(self):
        self.assertEqual(self.launch('run', self.change('true', lambda image: None)), (0, '', ''))

    def test_static(self):
        path = self.change('static', images.drop_loader)
        self.refused(path, path, 'static')
        self.refused(self.write('script', f'#!{path}\n'), path, 'static')
        self.refused(self.write('env-script', '#!/usr/bin/env -S A=b ./static -x\n'), 'static')

    def test_musl(self):
        path = self.change('musl', lambda image: images.set_loader(image, b'/lib/ld-musl-x86_64.so.1'))
        self.refused(path, 'ld-musl-', 'glibc')

    def test_other_class_and_machine(self):
        def other_machine(image):
            image[18] ^= 0x40
        self.refused(self.change('narrow', images.halve), 'word size')
        self.refused(self.change('foreign', other_machine), 'machine')

    def test_set_uid(self):
        for mode in 0o4755, 0o2755:
            path = self.change('set-id', lambda image: None)
            os.chmod(path, mode)
            self.refused(path, 'set-uid')

    def test_scripts(self):
        self.refused(self.write('lost', '#!/nonexistent/interpreter -x\n'), '/nonexistent/interpreter')
        path = self.write('lost-env', '#!/usr/bin/env no-such-command\n')
        self.assertEqual(self.launch('run', path)[0], 127)
        self.write('plain', 'echo from sh "$1"')
        self.assertEqual(self.launch('run', './plain', 'a'), (0, 'from sh a\n', ''))
        self.write('good', '#! /bin/sh -u\necho "${0##*/}" "${1##*/}"')
        self.assertEqual(self.launch('run', './good', 'b'), (0, 'good b\n', ''))
        self.write('again', '#!/usr/bin/env ./good\n')
        self.assertEqual(self.launch('run', './again', 'c'), (0, 'good again\n', ''))
        unreadable = self.write('unreadable', '#!/bin/sh\n', 0o111)
        self.assertIn(self.launch('run', unreadable)[0], (0, 126, 127, 2))


def with_other_shells():
    """The same tests once more under each other shell that is here."""
    for shell in (('dash',), ('bash', '--posix'), ('busybox', 'sh'), ('mksh',), ('ksh',)):
        if shutil.which(shell[0]):
            for case in (Commands, Environment, Places, Programs):
                name = f'{case.__name__}_{shell[0]}'
                globals()[name] = type(name, (case,), {'shell': shell})


if __name__ == '__main__':
    if not os.path.exists(LIBRARY):
        sys.exit(f'{LIBRARY} is missing; `make` builds it')
    with_other_shells()
    result = unittest.main(exit=False).result
    sys.exit(not result.wasSuccessful())
