#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# timeout: 240
"""build/syncless doctor: what it says of programs and machines that suit, and of each that does not.

Conflicts are made for real where that is cheap: by the compiler, by chmod, by
bytes of /bin/true changed, by an object more in LD_PRELOAD.  What a machine
either has or has not (a CPU, a libc) is told to the functions that judge it.
"""
import importlib.util
import json
import os
import re
import resource
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest
from unittest import mock

import images

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.abspath(os.environ.get('BUILD') or os.path.join(ROOT, 'build'))
LAUNCHER = os.path.join(BUILD, 'syncless')
LIBRARY = os.path.realpath(os.path.join(BUILD, 'libsyncless.so'))
CC = os.environ.get('CC') or 'cc'
HANG = 100
OURS = ('SYNCLESS', 'LD_PRELOAD', 'GLIBC_TUNABLES', 'ASAN_OPTIONS', 'LSAN_OPTIONS')
LINE = re.compile(r'(ok|note|WARN|FAIL)  ? ? ?(\S.*?)(?: -> (\S.*))?$')
MAIN = 'int main(void) { return 0; }\n'


def load_doctor():
    spec = importlib.util.spec_from_file_location('doctor', os.path.join(BUILD, 'doctor.py'))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


doctor = load_doctor()


class DoctorTest(images.ChangesPrograms, unittest.TestCase):
    shell = ()

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def run_doctor(self, *words, verb='doctor', prepare=None, **env):
        clean = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
        return subprocess.run([*self.shell, LAUNCHER, verb, *words], text=True, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=self.folder, timeout=HANG,
                              env={**clean, 'PYTHON': sys.executable, **env}, preexec_fn=prepare)

    def consult(self, *words, **more):
        """Its findings: {(level, what): advice}.  The exit status must tell whether one is a FAIL."""
        done = self.run_doctor(*words, **more)
        findings = {}
        for line in done.stdout.splitlines():
            match = LINE.match(line)
            self.assertTrue(match, line)
            findings[match[1], match[2]] = match[3] or ''
        self.assertTrue(findings)
        self.assertEqual(done.returncode, int(any(level == 'FAIL' for level, _ in findings)), findings)
        self.assertEqual(re.sub('ERROR: ld.so: .*\n', '', done.stderr), '')  # the loader's, of the shell
        return findings

    def assert_found(self, findings, level, *words):
        """One finding has these words, is of this level, and has an advice if it is a bad one."""
        found = [key for key in findings if all(word in ' '.join([*key, findings[key]]) for word in words)]
        self.assertEqual([key[0] for key in found], [level], (words, findings))
        self.assertTrue(findings[found[0]] or level not in ('WARN', 'FAIL'))

    def levels(self, findings):
        return {level for level, _ in findings}

    def write(self, name, text, mode=0o755):
        path = os.path.join(self.folder, name)
        with open(path, 'w') as file:
            file.write(text)
        os.chmod(path, mode)
        return path

    def compile(self, name, source, *flags):
        path = os.path.join(self.folder, name)
        done = subprocess.run([CC, '-x', 'c', '-', '-x', 'none', '-o', path, *flags], input=source, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        if done.returncode:
            self.skipTest(f'the compiler cannot do {flags}: {done.stdout.splitlines()[-1]}')
        return path



class Healthy(DoctorTest):
    def test_python(self):
        for words in (), ('-c', 'pass'), (sys.executable,), ('--threads', 'all'):
            findings = self.consult(*words)
            self.assertEqual(self.levels(findings), {'ok', 'note'}, findings)
            self.assert_found(findings, 'ok', 'a green thread ran')
            self.assert_found(findings, 'ok', 'CPython %d.%d.%d' % sys.version_info[:3], sys.executable)
            self.assert_found(findings, 'ok', 'calls are taken')
            self.assert_found(findings, 'ok', 'for 10 ms goes on beside them', 'kernel threads')
            self.assert_found(findings, 'note', 'Python itself', 'sync')

    def test_program(self):
        path = self.compile('program', MAIN)
        findings = self.consult('--threads', 'all', './program')
        self.assertLessEqual(self.levels(findings), {'ok', 'note'}, findings)
        self.assert_found(findings, 'ok', './program can be preloaded')
        self.assert_found(self.consult(path), 'WARN', 'not Python', '--threads all')

    def test_json(self):
        done = self.run_doctor('--json')
        self.assertEqual((done.returncode, done.stderr), (0, ''))
        listed = {(finding['level'], finding['what']): finding['advice'] for finding in json.loads(done.stdout)}
        self.assertEqual(listed, self.consult())


class Words(DoctorTest):
    def test_misuse(self):
        for words, verb in ((['--bogus'], 'doctor'), (['--imports'], 'doctor'),
                            (['--imports', 'a;b'], 'doctor'), (['--imports=a,1b'], 'doctor'),
                            (['--threads', 'some'], 'doctor'),
                            (['--json', 'true'], 'run'), (['--imports=a', 'true'], 'run')):
            done = self.run_doctor(*words, verb=verb)
            self.assertEqual((done.returncode, done.stdout), (2, ''), words)
            self.assertRegex(done.stderr, r'^syncless: .+\n$')
        self.assert_found(self.consult('--imports', 'os', '/bin/true'), 'FAIL', '--imports')

    def test_nothing_is_run(self):
        mark = os.path.join(self.folder, 'mark')
        app = self.write('app.py', f'import os, nowhere.at.all\nopen({mark!r}, "w")\n', 0o644)
        script = self.write('script', f'#!{sys.executable}\nfrom no import where\nopen({mark!r}, "w")\n')
        program = self.compile('program', f'#include <stdio.h>\nint main(void) {{ fopen("{mark}", "w"); }}\n')
        for words, told in (((app,), '--imports nowhere.at.all'),
                            ((sys.executable, app), '--imports nowhere.at.all'),
                            ((script,), '--imports no'), (('-m', 'app'), '--imports A,B'), ((program,), None)):
            findings = self.consult(*words)
            self.assertNotIn('FAIL', self.levels(findings))
            self.assertEqual([advice for advice in findings.values() if advice.startswith('--imports')],
                             [told] if told else [])
        self.assertFalse(os.path.exists(mark))
        self.consult('-c', f'open({mark!r}, "w")')
        self.assertTrue(os.path.exists(mark))

    def test_code(self):
        self.assert_found(self.consult('-c', 'import nowhere'), 'FAIL', "No module named 'nowhere'")
        self.assert_found(self.consult('--imports', 'os,nowhere'), 'FAIL', "No module named 'nowhere'")
        self.assert_found(self.consult('-c', 'import os; os.abort()'), 'FAIL', 'code given ended', '(-6)')
        self.assertNotIn('FAIL', self.levels(self.consult('-c', 'import sys; print(1); sys.exit(3)')))
        # neither threads nor children that it leaves behind are waited for
        self.consult('-c', 'import threading, time\nthreading.Thread(target=time.sleep, args=(1000,)).start()')

    def test_settings(self):
        for name, value, told in (('SYNCLESS', '0', 'does nothing'),
                                  ('SYNCLESS_THREADS', 'none', 'stay native')):
            findings = self.consult(**{name: value})
            self.assertNotIn('FAIL', self.levels(findings))
            self.assert_found(findings, 'WARN', f'{name}={value}', told)
        self.assert_found(self.consult('--preempt-ms', '7'), 'ok', 'SYNCLESS_PREEMPT_MS=7')

    def test_handoff(self):
        findings = self.consult(SYNCLESS_HANDOFF_MS='20', SYNCLESS_HOSTS='7')
        self.assert_found(findings, 'ok', 'for 20 ms', 'when 7 kernel threads')
        self.assert_found(findings, 'ok', 'SYNCLESS_HANDOFF_MS=20')
        for name, value, told in (('SYNCLESS_HANDOFF_MS', '0', 'stops the other threads'),
                                  ('SYNCLESS_CHAOS', 'handoff', 'at random')):
            self.assert_found(self.consult(**{name: value}), 'note', f'{name}={value}', told)
        self.assert_found(self.consult(SYNCLESS_SWITCH='ucontext'), 'WARN', 'ucontext', 'stops the other')
        malloc = self.compile('libmalloc.so', 'void *malloc(unsigned long size);\n'
                              'extern void *__libc_malloc(unsigned long);\n'
                              'void *malloc(unsigned long size) { return __libc_malloc(size); }\n',
                              '-shared', '-fPIC')
        self.assert_found(self.consult(LD_PRELOAD=malloc), 'WARN', 'the allocator is not', 'stops the other')
        findings = self.consult(SYNCLESS_THREADS='none')
        self.assertFalse([what for _, what in findings if 'kernel threads' in what])

    def test_few_files(self):
        def limit():
            resource.setrlimit(resource.RLIMIT_NOFILE, (256, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
        self.assert_found(self.consult(prepare=limit), 'note', '256 files', 'ulimit -n')


class Refused(DoctorTest):
    """What the launcher would refuse, too."""

    def refuse(self, path, *words):
        self.assert_found(self.consult(path), 'FAIL', path, *words)
        self.assertEqual(self.run_doctor(path, verb='run').returncode, 126)

    def test_static(self):
        self.refuse(self.compile('static', MAIN, '-static'), 'statically linked')

    def test_set_uid(self):
        path = self.change('set-uid', lambda image: None)
        os.chmod(path, 0o4755)
        self.refuse(path, 'set-uid')

    def test_musl(self):
        path = self.change('musl', lambda image: images.set_loader(image, b'/lib/ld-musl-x86_64.so.1'))
        self.refuse(path, 'another libc')

    def test_32_bits(self):
        self.refuse(self.change('narrow', images.halve), 'word size')

    def test_not_there(self):
        for words in (['no-such-command'], ['no-such.py'], ['/no/such/file']):
            self.assert_found(self.consult(*words), 'FAIL', words[0], 'not found')
        self.assert_found(self.consult(PYTHON='no-such-python'), 'FAIL', 'no-such-python', 'not found')
        self.assert_found(self.consult('./flat'), 'FAIL', 'not found')
        self.write('flat', '', 0o644)
        self.assert_found(self.consult('./flat'), 'FAIL', 'not executable', 'chmod')

    def test_without_python(self):
        """The launcher alone then says what it can."""
        tools = os.path.join(self.folder, 'tools')
        os.mkdir(tools)
        for tool in ('sh', 'od', 'readlink', 'tr', 'head', 'tail', *self.shell[:1]):
            os.symlink(shutil.which(tool), os.path.join(tools, tool))
        nothing = {'PYTHON': '/no/python', 'PATH': tools}
        self.assertEqual(self.levels(self.consult('sh', **nothing)), {'WARN'})
        path = self.change('set-uid', lambda image: None)
        os.chmod(path, 0o4755)
        findings = self.consult(path, **nothing)
        self.assertEqual(self.levels(findings), {'WARN', 'FAIL'})
        self.assertTrue(any(path in what and 'set-uid' in what for _, what in findings))


class Conflicts(DoctorTest):
    def test_preloads(self):
        takes = self.compile('takes.so', 'long recv(void) { return 0; } long poll(void) { return 0; }',
                             '-shared', '-fPIC')
        harmless = self.compile('harmless.so', 'int nobodys;', '-shared', '-fPIC')
        self.assert_found(self.consult(LD_PRELOAD=harmless), 'ok', harmless)
        self.assert_found(self.consult(LD_PRELOAD=takes), 'note', takes, 'poll, recv', 'behind')
        self.assert_found(self.consult(LD_PRELOAD=f'{takes}:{LIBRARY}'), 'WARN', takes, 'poll, recv', LIBRARY)
        self.assert_found(self.consult(LD_PRELOAD='/no/such.so'), 'WARN', '/no/such.so', 'LD_PRELOAD')

    def test_program_with_calls_of_its_own(self):
        self.compile('program', 'long recv(void) { return 0; }' + MAIN, '-rdynamic')
        self.assert_found(self.consult('./program'), 'note', './program', 'recv')

    def test_address_sanitizer(self):
        """What it says comes true."""
        path = self.compile('asan', MAIN, '-fsanitize=address')
        self.assert_found(self.consult(path), 'FAIL', 'AddressSanitizer', 'verify_asan_link_order=0')
        self.assertNotEqual(self.run_doctor(path, verb='run').returncode, 0)
        for options in 'verify_asan_link_order=0', 'verify_asan_link_order=0:detect_leaks=0':
            findings = self.consult(path, ASAN_OPTIONS=options)
            self.assertNotIn('FAIL', self.levels(findings), findings)
            self.assertEqual(any('LeakSanitizer' in what for _, what in findings), 'leaks' not in options)
        self.assertEqual(self.run_doctor(path, verb='run', ASAN_OPTIONS=options).returncode, 0)
        runtime = subprocess.run([CC, '-print-file-name=libasan.so'], stdout=subprocess.PIPE, text=True,
                                 check=True).stdout.strip()
        behind = {'LD_PRELOAD': runtime, 'ASAN_OPTIONS': 'detect_leaks=0'}
        self.assert_found(self.consult(path, **behind), 'FAIL', 'AddressSanitizer', 'verify_asan_link_order=0')
        before = {**behind, 'LD_PRELOAD': f'{runtime}:{LIBRARY}'}
        self.assertNotIn('FAIL', self.levels(self.consult(path, **before)))
        self.assert_found(self.consult(**before), 'FAIL', runtime, 'stays native', '--threads all')
        self.assert_found(self.consult('--threads', 'all', **before), 'ok', 'a green thread ran')

    def test_thread_sanitizer(self):
        path = self.compile('tsan', MAIN, '-fsanitize=thread')
        self.assert_found(self.consult(path), 'WARN', 'ThreadSanitizer')

    def test_lost_library(self):
        library = self.compile('libhere.so', 'int here(void) { return 0; }', '-shared', '-fPIC')
        path = self.compile('program', 'int here(void); int main(void) { return here(); }', library)
        os.rename(library, library + '.away')
        self.assert_found(self.consult(path), 'FAIL', path, 'libhere.so')

    def test_lost_loader(self):
        for loader in '/lib/ld-linux-no.so.2', '/bin/echo':
            path = self.change('lost', lambda image: images.set_loader(image, loader.encode()))
            self.assert_found(self.consult(path), 'FAIL', path, loader + ' is no loader')

    def test_capabilities(self):
        path = self.change('capable', lambda image: None)
        try:  # revision 2, cap_net_bind_service permitted and effective
            os.setxattr(path, 'security.capability', struct.pack('<5I', 0x02000001, 1 << 10, 0, 0, 0))
        except OSError as error:
            self.skipTest(f'file capabilities cannot be set here: {error}')
        for uid, expected in ((1000, ['FAIL']), (0, [])):
            findings = doctor.Findings()
            with mock.patch('os.getuid', return_value=uid):
                doctor.look_at_capabilities(findings, path)
            self.assertEqual([finding['level'] for finding in findings.list], expected)


class Libraries(DoctorTest):
    SOURCE = '''
#include <sys/socket.h>
#include <wordexp.h>
long take(char *to) { return wordexp(to, 0, 0) + recv(0, to, 1, 0); }
'''

    def test_what_is_left_to_libc(self):
        library = self.compile('libqueue.so', self.SOURCE, '-shared', '-fPIC')
        path = self.compile('program', 'long take(char *to); int main(int c, char **v) { return take(v[c]); }',
                            library, '-Wl,-rpath,' + self.folder)
        self.write('queues.py', f'import ctypes\nctypes.CDLL({library!r})\n', 0o644)
        for words in ([path], ['--imports', 'queues'], ['--imports=queues', 'queues.py'],
                      ['-c', 'import queues']):
            findings = self.consult(*words)
            self.assert_found(findings, 'note', library, 'a child process (wordexp)', 'native_threads')
            self.assertFalse([what for _, what in findings if library in what and 'recv,' in what])
        self.assertFalse([what for _, what in self.consult() if library in what])

    @unittest.skipUnless(shutil.which('nm'), 'no nm')
    def test_elf_as_nm_reads_it(self):
        with open('/proc/self/maps') as maps:
            paths = set(re.findall(r'/\S+\.so\S*|/\S+/python\S*', maps.read()))
        for path in {LIBRARY, '/bin/sh', *paths}:
            if not os.path.isfile(path) or os.path.basename(path).startswith('locale'):
                continue
            elf = doctor.Elf(path)
            for option, names in ('--undefined-only', elf.imports), ('--defined-only', elf.exports):
                told = subprocess.run(['nm', '-D', option, path], stdout=subprocess.PIPE, text=True, check=True)
                symbols = {line.split()[-1].partition('@')[0] for line in told.stdout.splitlines()}
                self.assertEqual(names, symbols, path)

    def test_no_elf(self):
        for text in '', '#!/bin/sh\n', '\x7fELF\2\1' + '\xff' * 20:
            with self.assertRaises(ValueError):
                doctor.Elf(self.write('no-elf', text))


class Judgement(unittest.TestCase):
    """Of reports that this machine does not give."""
    GOOD = {'python': 'CPython 3.12.1', 'executable': '/usr/bin/python3', 'free_threaded': 0, 'glue': 1,
            'green': 1, 'glibc': '2.36', 'fast_fs': 1, 'tid_offset': 720, 'calls': 252,
            'setting': 'SYNCLESS_HANDOFF_MS=10', 'hosts': 4}

    def judge(self, is_python=True, **more):
        report = doctor.Report(''.join(f'{key}={value}\n' for key, value in {**self.GOOD, **more}.items()
                                       if value is not None))
        findings = doctor.Findings()
        with mock.patch.dict(os.environ):
            for name in [name for name in os.environ if name.startswith('SYNCLESS')]:
                del os.environ[name]
            doctor.look_at_machine(findings, report)
            doctor.look_at_threads(findings, report, is_python)
            doctor.look_at_handoff(findings, report)
            doctor.look_at_handles(findings, report)
            if is_python:
                doctor.look_at_python(findings, report)
        return {(finding['level'], finding['what']) for finding in findings.list if finding['level'] != 'ok'}

    def only(self, findings, level, word):
        self.assertEqual([(found, word in what) for found, what in findings], [(level, True)], findings)

    def test_judgement(self):
        self.assertEqual(self.judge(), set())
        self.only(self.judge(free_threaded=1, green=0), 'FAIL', 'free-threaded')
        self.only(self.judge(False, free_threaded=1, green=0), 'note', 'were not tried')
        self.only(self.judge(python='PyPy 3.10.2', green=0), 'FAIL', 'PyPy')
        self.only(self.judge(python='CPython 3.8.18'), 'FAIL', '3.8.18')
        self.only(self.judge(fast_fs=0), 'WARN', 'FSGSBASE')
        self.only(self.judge(glibc='2.31'), 'WARN', '2.31')
        self.only(self.judge(green=0, reason='no such luck'), 'FAIL', 'no such luck')
        self.only(self.judge(green=None, glibc=None), 'FAIL', 'not loaded')
        self.only(self.judge(no_coroutines='no greenlet'), 'note', 'coio, stackless and aio')
        self.only(self.judge(glue=0), 'note', 'package syncless')
        self.only(self.judge(no_handoff='no membarrier()'), 'WARN', 'no membarrier(): C code')
        self.only(self.judge(setting='SYNCLESS_HANDOFF_MS=0', no_handoff='x'), 'note', 'C code')
        self.only(self.judge(setting='SYNCLESS_DLSYM=0'), 'note', 'ctypes')

    def test_real_free_threaded(self):
        python = shutil.which('python3.14t') or shutil.which('python3.13t')
        if not python:
            self.skipTest('no free-threaded Python here')
        done = subprocess.run([LAUNCHER, 'doctor'], env={**os.environ, 'PYTHON': python}, text=True,
                              stdout=subprocess.PIPE, check=False, timeout=HANG)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stdout, 'FAIL .*free-threaded')


def with_other_shells():
    """The launcher's part once more by each other shell that is here."""
    for shell in (('dash',), ('bash', '--posix'), ('busybox', 'sh'), ('mksh',), ('ksh',)):
        found = shutil.which(shell[0])
        if found and os.path.realpath(found) != os.path.realpath('/bin/sh'):
            name = f'Refused_{shell[0]}'
            globals()[name] = type(name, (Refused,), {'shell': shell})


if __name__ == '__main__':
    with_other_shells()
    result = unittest.main(exit=False).result
    sys.exit(not result.wasSuccessful())
