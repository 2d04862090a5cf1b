# SPDX-License-Identifier: Apache-2.0
"""`syncless doctor [CMD...]`: what will work on this machine, and what not.

The launcher starts it, by whatever Python there is, and tells it what
`syncless run CMD` would refuse and which environment it would make.  It says
one line a finding:

    ok      works
    note    works, and something about it should be known
    WARN    works in part, or slower than it could
    FAIL    will not work; the exit status is then 1

Behind the arrow stands what to do about it.

CMD is not run.  A Python is asked by doctor_probe.py, in a process under the
preload; what the user gives by -c or --imports is executed there, for only
that loads the libraries in question.  Of another program, the file and its
libraries are read, and the doctor's own Python is asked about the machine.
"""
import argparse
import ast
import collections
import json
import mmap
import os
import re
import resource
import shutil
import struct
import subprocess
import sys
import tempfile

PROBE = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'doctor_probe.py')
PATIENCE = 60  # seconds for the probe
OLDEST_GLIBC, OLDEST_PYTHON = (2, 34), (3, 9)
USUAL_MAP_COUNT = 65530
FEW_FILES = 4096
NO_GUARDS_BEFORE = (6, 13)  # Linux: MADV_GUARD_INSTALL, by which a stack's guard costs no mapping
SCRIPTS_AT_MOST = 5  # that the kernel follows
PYTHON_NAME = re.compile(r'(python|pypy)\d*(\.\d+)*[dt]*$')
GLIBC_LOADER = re.compile(r'ld(-linux.*|64)?\.so\.\d+$')
# glibc's own objects: what they call is inside of what we take.
OF_LIBC = re.compile(r'(ld-linux.*|(lib(c|m|dl|pthread|rt|util|anl|resolv|BrokenLocale|nss_(files|dns|compat)))'
                     r'[-.].*)$')
Program = collections.namedtuple('Program', 'file is_python')


class Elf:
    """The sections of a 64-bit little-endian ELF file that a loader reads.  ValueError for any other."""
    DYNSYM, PT_INTERP = 11, 3

    def __init__(self, path):
        with open(path, 'rb') as file:
            self.data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        if self.data[:6] != b'\x7fELF\2\1':
            raise ValueError(f'{path} is no 64-bit ELF file')
        try:
            self.interpreter = self._read_interpreter()
            self.imports, self.exports = self._read_symbols()
        except struct.error:
            raise ValueError(f'{path} is damaged') from None

    def _table(self, at_offset, at_size, layout):
        offset, = struct.unpack_from('<Q', self.data, at_offset)
        size, count = struct.unpack_from('<HH', self.data, at_size)
        return [struct.unpack_from(layout, self.data, offset + size * i) for i in range(count)]

    def _read_interpreter(self):
        for kind, _, offset, _, _, size in self._table(32, 54, '<IIQQQQ'):
            if kind == self.PT_INTERP:
                return self.data[offset:offset + size].split(b'\0')[0].decode(errors='replace')
        return None

    def _read_symbols(self):
        names = set(), set()
        sections = self._table(40, 58, '<IIQQQQIIQQ')
        for _, kind, _, _, offset, size, link, *_ in sections:
            if kind != self.DYNSYM:
                continue
            strings = self.data[sections[link][4]:sections[link][4] + sections[link][5]]
            for name, _, _, section, *_ in struct.iter_unpack('<IBBHQQ', self.data[offset + 24:offset + size]):
                text = strings[name:strings.index(b'\0', name)]
                names[section != 0].add(text.decode(errors='replace'))
        return names


class Findings:
    def __init__(self):
        self.list = []

    def add(self, level, what, advice=''):
        self.list.append({'level': level, 'what': what, 'advice': advice})

    def ok(self, what):
        self.add('ok', what)

    def note(self, what, advice=''):
        self.add('note', what, advice)

    def warn(self, what, advice):
        self.add('WARN', what, advice)

    def fail(self, what, advice):
        self.add('FAIL', what, advice)

    def show(self, as_json):
        if as_json:
            print(json.dumps(self.list, indent=1))
            return
        for finding in self.list:
            advice = finding['advice'] and ' -> ' + finding['advice']
            print(f"{finding['level']:<5} {finding['what']}{advice}")


def version_of(text):
    return tuple(int(number) for number in re.findall(r'\d+', text)[:2])


def listed(names, most=6):
    names = sorted(names)
    return ', '.join(names[:most]) + (f' and {len(names) - most} more' if len(names) > most else '')


# --- The program.

def follow_script(path):
    """The next program that the kernel, or env(1), would start for this file; None if it is no script."""
    with open(path, 'rb') as file:
        line = file.readline(4096)
    words = line[2:].decode(errors='replace').split()
    if line[:2] != b'#!' or not words:
        return None
    if os.path.basename(words[0]) != 'env':
        return words[0]
    rest = [word for word in words[1:] if not word.startswith('-') and '=' not in word]
    return rest and shutil.which(rest[0]) or None


def find_program(word):
    path = shutil.which(word)
    for _ in range(SCRIPTS_AT_MOST):
        if not path or not os.access(path, os.R_OK):
            return None
        if PYTHON_NAME.match(os.path.basename(path)):
            return Program(path, True)
        following = follow_script(path)
        if not following:
            break
        path = following
    return Program(path, False)


def look_at_refusal(findings, refusal):
    """The launcher's own words, with what can be done."""
    for words, advice in (
            ('statically linked', 'link it dynamically'),
            ('set-uid or set-gid', 'run a copy without these bits, as the user it needs'),
            ('another libc', 'build it for glibc'),
            ('machine or word size', 'build it for this machine in 64 bits'),
            ('its interpreter', 'install that, or correct the first line'),
            ('not executable', 'chmod +x, or name its interpreter before it'),
            ('not found', 'name it by its path')):
        if words in refusal:
            return findings.fail(refusal, advice)
    return findings.fail(refusal, 'see syncless --help')


def look_at_capabilities(findings, path):
    try:
        os.getxattr(path, 'security.capability')
    except OSError:
        return
    if os.getuid() != 0:
        findings.fail(f'{path} has file capabilities: the loader ignores LD_PRELOAD',
                      'give them to the process: setpriv --ambient-caps, AmbientCapabilities= of systemd')


def look_at_program(findings, path, options):
    """A program that is not Python, from outside; returns the objects it would load."""
    try:
        elf = Elf(path)
    except (OSError, ValueError):
        findings.note(f'{path} could not be read as a program: nothing is known of it')
        return []
    findings.ok(f'{path} can be preloaded')
    if (os.environ.get('SYNCLESS_THREADS') or 'python') == 'python':
        findings.warn(f'{path} is not Python: its threads stay native', '--threads all makes them green')
    own = elf.exports & Elf(options.library).exports
    if own:
        findings.note(f'{path} has {listed(own)} of its own, which come before ours', 'it should not')
    ours = Elf(os.path.realpath(sys.executable)).interpreter
    if os.path.realpath(elf.interpreter or '') != os.path.realpath(ours or ''):
        findings.warn(f'{path} is loaded by {elf.interpreter}; what is told of libc is from a process '
                      f'loaded by {ours}', 'name a Python that belongs to it by PYTHON')
    return [path] + libraries_of(findings, path, elf.interpreter)


def libraries_of(findings, path, loader):
    """By the loader's list, which runs nothing of the program.  Another loader may have no such option."""
    if not GLIBC_LOADER.match(os.path.basename(loader)) or not os.access(loader, os.X_OK):
        findings.fail(f'{path} cannot be loaded: {loader} is no loader of glibc, or not there', 'install it')
        return []
    done = subprocess.run([loader, '--list', path], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, errors='replace', check=False)
    lost = re.findall(r'^\s*(\S+) => not found', done.stdout, re.M)
    if done.returncode or lost:
        why = f'{listed(lost)} not found' if lost else done.stderr.strip()
        findings.fail(f'{path} cannot be loaded: {why}', 'install what it needs, or see LD_LIBRARY_PATH')
    return re.findall(r'(?:=> |^\s*)(/\S+) \(0x', done.stdout, re.M)


# --- The probe.

class Report:
    """What the probe wrote: the last value of a key, or all of them."""

    def __init__(self, text):
        self.values = collections.defaultdict(list)
        for line in text.splitlines():
            key, _, value = line.partition('=')
            self.values[key].append(value)

    def __contains__(self, key):
        return key in self.values

    def all(self, key):
        return self.values.get(key, [])

    def get(self, key, default=''):
        return self.all(key)[-1] if key in self else default

    def pairs(self, key):
        """A value of two words: the second ones, with the first ones of each."""
        groups = collections.defaultdict(list)
        for value in self.all(key):
            first, _, second = value.partition(' ')
            groups[second].append(first)
        return groups


def ask(findings, python, code, options):
    """Runs the probe in this Python, as `syncless run` would."""
    env = {**os.environ, 'LD_PRELOAD': options.preload, 'SYNCLESS_VERBOSE': '1'}
    if options.tunables:
        env['GLIBC_TUNABLES'] = options.tunables
    # No pipes: the code may leave children that hold their other ends.
    with tempfile.TemporaryFile() as told, tempfile.TemporaryFile() as said:
        try:
            status = subprocess.run([python, PROBE, str(told.fileno()), *code], env=env,
                                    stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=said,
                                    pass_fds=[told.fileno()], timeout=PATIENCE, check=False).returncode
        except subprocess.TimeoutExpired:
            status = f'no end in {PATIENCE} s'
        told.seek(0)
        said.seek(0)
        report = Report(told.read().decode(errors='replace'))
        lines = said.read().decode(errors='replace').splitlines()
    look_at_complaints(findings, lines, report, options)
    if status:
        last = (lines or ['without a word'])[-1]
        if 'calls' in report:
            findings.fail(f'the code given ended its process ({status}): {last}',
                          'see whether it runs without Syncless')
        else:
            findings.fail(f'{python} does not run under the preload ({status}): {last}',
                          'see whether it runs without; Python 3.9 is the oldest')
    return report


def look_at_complaints(findings, lines, report, options):
    """The loader's and ours."""
    for line in lines:
        if line.startswith('ERROR: ld.so: '):
            is_ours = options.library in line
            findings.add('FAIL' if is_ours else 'WARN', line[len('ERROR: ld.so: '):].rstrip(' .'),
                         'build Syncless on this machine' if is_ours else 'correct LD_PRELOAD')
        elif line.startswith('syncless: ') and line.endswith('threads stay native'):
            report.values['reason'] = [line[len('syncless: '):]]  # for look_at_threads()
        elif line.startswith('syncless: '):
            findings.note(line[len('syncless: '):])


# --- What it told.

def look_at_machine(findings, report):
    system = os.uname()
    findings.ok(f'Linux {system.release} on {system.machine}')
    if 'glibc' not in report:
        return
    if version_of(report.get('glibc')) < OLDEST_GLIBC:
        findings.warn(f"glibc {report.get('glibc')} is older than any that was tried", 'glibc 2.34 or newer')
    else:
        findings.ok(f"glibc {report.get('glibc')}")
    findings.ok('settings in force: ' + ' '.join(report.all('setting')))
    missing = report.all('missing')
    findings.ok(f"{report.get('calls')} calls are taken" +
                (f'; this libc has no {listed(missing)}' if missing else ''))
    if report.get('blocking_stdio') == '1':
        findings.warn('stdio inside this libc is not ours: who waits in fgets or printf holds the others up',
                      "a distribution's glibc")
    if report.get('fast_fs') == '1':
        findings.ok('threads are switched without a system call' +
                    (' (FSGSBASE)' if system.machine == 'x86_64' else ''))
    else:
        findings.warn('no FSGSBASE: each switch of threads costs a system call',
                      'Linux 5.9 or newer without nofsgsbase, on a CPU that has it')


def look_at_threads(findings, report, is_python):
    """Whether green threads work here, and if not, why."""
    takers = [path for path, symbols in report.pairs('taken').items() if 'pthread_create' in symbols]
    if 'glibc' not in report:
        if 'python' in report:
            findings.fail('libsyncless.so was not loaded', 'see above, or build Syncless on this machine')
    elif is_python and not suits(report.get('python')):
        pass  # look_at_python() has told
    elif os.environ.get('SYNCLESS') == '0':
        findings.warn('SYNCLESS=0: the library is loaded and does nothing', 'unset SYNCLESS')
    elif os.environ.get('SYNCLESS_THREADS') == 'none':
        findings.warn('SYNCLESS_THREADS=none: threads stay native', '--threads python, or all')
    elif report.get('free_threaded') == '1' and is_python:
        findings.fail('this is a free-threaded Python: its threads stay native', 'use the build with the GIL')
    elif report.get('green') == '1':
        findings.ok(f"a green thread ran and was joined (tid at {report.get('tid_offset')} of glibc's record)")
    elif report.get('free_threaded') == '1' or not suits(report.get('python')):
        findings.note(f"green threads were not tried: the doctor ran by {report.get('python')}",
                      'name a CPython with the GIL by PYTHON')
    elif takers:  # that is what made the thread, and not Python
        findings.add('FAIL' if is_python else 'note', f'{takers[0]} stands between Python and us when a '
                     'thread is made, which stays native', '--threads all')
    else:
        findings.fail(report.get('reason', 'threads stay native'), "a distribution's glibc, 2.34 or newer")


def look_at_handoff(findings, report):
    """Whether code that does not come to the scheduler stops the others, and why."""
    settings = dict(setting.split('=', 1) for setting in report.all('setting'))
    if report.get('green') != '1' or 'SYNCLESS_HANDOFF_MS' not in settings:
        return
    ms = settings['SYNCLESS_HANDOFF_MS']
    stops = 'C code without the GIL that computes or blocks outside our calls stops the other threads'
    if ms == '0':
        findings.note(f'SYNCLESS_HANDOFF_MS=0: {stops}', 'unset it, or do such work in native_threads()')
    elif 'no_handoff' in report:
        findings.warn(f"{report.get('no_handoff')}: {stops}", 'do such work in native_threads()')
    else:
        findings.ok(f'code that does not let others run for {ms} ms goes on beside them; when '
                    f"{report.get('hosts')} kernel threads compute, after four times as long")
    if settings.get('SYNCLESS_CHAOS') == 'handoff':
        findings.note('SYNCLESS_CHAOS=handoff: threads lose the scheduler at random', 'unset it, but for tests')


def look_at_handles(findings, report):
    """Ways into libc that lead past us."""
    if 'SYNCLESS_DLSYM=0' in report.all('setting') and report.get('green') == '1':
        findings.note('SYNCLESS_DLSYM=0: calls looked up by the handle of libc (ctypes), and those of objects opened '
                      'with RTLD_DEEPBIND, do not park', 'unset it')


def suits(python):
    return python.startswith('CPython ') and version_of(python) >= OLDEST_PYTHON


def look_at_python(findings, report):
    python = report.get('python')
    if suits(python):
        findings.ok(f"{python} ({report.get('executable')})")
    else:
        findings.fail(f'{python} does not suit', 'CPython 3.9 or newer')
    if report.get('glue') != '1':
        findings.note('this Python does not find the package syncless (native_threads())', 'pip install .')
    if 'no_coroutines' in report:
        findings.note(f"coio, stackless and aio do not work here: {report.get('no_coroutines')}",
                      'pip install greenlet, and syncless for this Python')
    if 'error' in report:
        findings.fail(f"the code given ended with {report.get('error')}", 'correct it, or its path')


def look_at_preloads(findings, report, python, options):
    """Other objects that come with ours, and what they do to our calls."""
    ours = os.path.realpath(options.library)
    words = re.split('[: ]+', options.preload)
    try:
        with open('/etc/ld.so.preload') as file:
            words += re.split(r'[:\s]+', re.sub('#.*', '', file.read()))
    except OSError:
        pass
    taken, behind = report.pairs('taken'), report.pairs('behind')
    for path in sorted(set(words) - {'', os.path.basename(ours)}):  # by name, if a space is in its path
        if os.path.realpath(path) != ours and path not in taken and path not in behind:
            findings.ok(f'{path} is preloaded, too, and has none of our calls')
    for path, symbols in taken.items():
        if path == python:  # the loader calls a program by its argv[0]
            findings.note(f'{python} has {listed(symbols)} of its own, which come before ours', 'it should not')
        else:
            findings.warn(f'{path} comes before us with {listed(symbols)}: such calls do not park',
                          f'put {options.library} first in LD_PRELOAD')
    for path, symbols in behind.items():
        findings.note(f'{path} has {listed(symbols)}, too: it comes behind us, and sees what we call',
                      'fine for a tracer; not for another runtime of coroutines or sockets')


def look_at_sanitizers(findings, objects, options):
    preloads = re.split('[: ]+', options.preload)
    names = [os.path.basename(path).split('.')[0] for path in preloads + objects]
    asan, lsan = (os.environ.get(name, '') for name in ('ASAN_OPTIONS', 'LSAN_OPTIONS'))
    may_follow = names[0] == 'libasan' or re.search(r'\bverify_asan_link_order=(0|false|no)\b', asan)
    if 'libasan' in names and not may_follow:
        findings.fail('AddressSanitizer ends the program, since its runtime does not come first',
                      'ASAN_OPTIONS=verify_asan_link_order=0:detect_leaks=0')
    elif {'libasan', 'liblsan'} & set(names) and 'detect_leaks=0' not in asan + lsan:
        findings.warn('LeakSanitizer does not see the stacks of parked threads: it reports what they hold',
                      'detect_leaks=0 in ASAN_OPTIONS or LSAN_OPTIONS')
    if 'libtsan' in names:
        findings.warn('ThreadSanitizer takes all green threads for one: its reports will be wrong',
                      '--threads none')


def look_at_libraries(findings, objects, report, options):
    """Who imports a blocking call that is libc's own."""
    causes = {symbol: cause for cause, symbols in report.pairs('left').items() for symbol in symbols}
    stdlib = os.path.realpath(report.get('stdlib', '/nowhere')) + os.sep
    runtime = {os.path.realpath(report.get('executable'))}
    found = collections.defaultdict(set)
    for path in {os.path.realpath(path) for path in objects} - {os.path.realpath(options.library)}:
        base = os.path.basename(path)
        if OF_LIBC.match(base):
            continue
        is_python = path in runtime or base.startswith('libpython') or \
            path.startswith(stdlib) and '-packages' not in path
        try:
            found['Python itself' if is_python else path] |= Elf(path).imports & causes.keys()
        except (OSError, ValueError):
            continue
    for who in sorted(found, key=lambda who: (who != 'Python itself', who)):
        groups = collections.defaultdict(list)
        for symbol in found[who]:
            groups[causes[symbol]].append(symbol)
        waits = '; '.join(f'{cause} ({listed(symbols)})' for cause, symbols in sorted(groups.items()))
        if waits:
            findings.note(f'{who} can hold up all green threads, by waiting for {waits}',
                          'do that in native_threads()')
    if causes:
        findings.ok(f'{len(objects)} loaded objects were looked at')


def look_at_limits(findings):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < FEW_FILES and soft != resource.RLIM_INFINITY:
        findings.note(f'{soft} files may be open, connections included',
                      'ulimit -n "$(ulimit -Hn)"' if hard != soft else
                      'raise the hard limit: limits.conf, LimitNOFILE= of systemd')
    else:
        findings.ok(f'{soft} files may be open')
    try:
        with open('/proc/sys/vm/max_map_count') as file:
            count = int(file.read())
    except (OSError, ValueError):
        return
    if count < USUAL_MAP_COUNT:
        findings.warn(f'vm.max_map_count is {count}: too low for many threads',
                      f'sysctl vm.max_map_count={USUAL_MAP_COUNT} or more')
    elif version_of(os.uname().release) < NO_GUARDS_BEFORE:
        findings.ok(f'vm.max_map_count is {count}: about {count // 2} threads, two each before Linux 6.13')
    else:
        findings.ok(f'vm.max_map_count is {count}')


# --- The command line.

def code_of(words, imports):
    """What the probe is to execute."""
    lines = [f'import {name}' for name in imports]
    if words[1:2] == ['-c'] and len(words) > 2:
        lines.append(words[2])
    return ['\n'.join(lines)] if lines else []


def imports_of(path):
    """The modules that a script of Python names, but for those of the standard library; None: unreadable."""
    try:
        with open(path, 'rb') as file:
            nodes = list(ast.walk(ast.parse(file.read())))
    except (OSError, SyntaxError, ValueError):
        return None
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in nodes if isinstance(node, ast.ImportFrom) and not node.level}
    return {name for name in names if name.split('.')[0] not in getattr(sys, 'stdlib_module_names', ())}


def look_at_unseen(findings, words, python):
    """Modules that only importing would load, which may do anything: the user is to name them."""
    script = shutil.which(words[0])
    if script == python:
        if len(words) == 1:
            return
        script = words[1]
    names = imports_of(script)
    if names is None or names:
        findings.note('what the modules of the program load was not looked at',
                      f"--imports {','.join(sorted(names or ())) or 'A,B'}")


def examine(findings, words, imports, options):
    if options.refusal:
        look_at_refusal(findings, options.refusal)
    program = None if options.refusal else find_program(words[0])
    is_python = bool(program and program.is_python)
    objects = []
    if program:
        look_at_capabilities(findings, os.path.realpath(program.file))
        if not is_python:
            objects = look_at_program(findings, program.file, options)
        elif not code_of(words, imports):
            look_at_unseen(findings, words, program.file)
    elif not options.refusal:
        findings.note(f'{words[0]} could not be read: nothing is known of it')
    if imports and not is_python:
        findings.fail('--imports is for a Python program', f'{words[0]} is none, or does not start')
    python = program.file if is_python else sys.executable
    report = ask(findings, python, code_of(words, imports) if is_python else [], options)
    objects = report.all('object') if is_python else objects
    if is_python and 'python' in report:
        look_at_python(findings, report)
    look_at_machine(findings, report)
    look_at_threads(findings, report, is_python)
    look_at_handoff(findings, report)
    look_at_handles(findings, report)
    look_at_preloads(findings, report, python, options)
    look_at_sanitizers(findings, objects, options)
    look_at_libraries(findings, objects, report, options)
    look_at_limits(findings)


def main():
    parser = argparse.ArgumentParser(prog='syncless doctor')
    parser.add_argument('--library', required=True)
    parser.add_argument('--preload', required=True)
    parser.add_argument('--tunables', default='')
    parser.add_argument('--refusal', default='')
    parser.add_argument('--imports', default='')
    parser.add_argument('--json', action='store_true')
    parser.add_argument('words', nargs='+')
    options = parser.parse_args()
    imports = [name.strip() for name in options.imports.split(',') if name.strip()]
    for name in imports:
        if not re.fullmatch(r'[^\W\d]\w*(\.[^\W\d]\w*)*', name):
            print(f'syncless: --imports wants names of modules, with commas, not {name!r}', file=sys.stderr)
            sys.exit(2)
    findings = Findings()
    examine(findings, options.words, imports, options)
    findings.show(options.json)
    sys.exit(any(finding['level'] == 'FAIL' for finding in findings.list))


if __name__ == '__main__':
    main()
