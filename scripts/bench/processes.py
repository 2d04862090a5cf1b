# SPDX-License-Identifier: Apache-2.0
"""Starts the contestants, bounds them in time, and reads what they cost.

CPU time is read from the process's own CPU clock, which any process may read
by number (clock_getcpuclockid(3)).  It is the sum of the scheduler's run time
over all threads, ended ones too: the quantity that /proc/PID/stat reports as
utime + stime, but there rounded to ticks of 10 ms, some 5 % of one round of
ours.  /proc/PID/schedstat has the precision but counts the first thread only,
and a sum over task/*/schedstat loses threads that end.  `check_clock` holds
the clock against /proc/PID/stat, so the two cannot drift apart unnoticed.
"""
import contextlib
import os
import platform
import re
import resource
import select
import subprocess
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
PROGRAMS = HERE / 'programs'
ROOT = HERE.parents[1]
BUILD = Path(os.environ.get('BUILD') or ROOT / 'build').resolve()
SHIM = BUILD / 'libsyncless.so'
LAUNCHER = BUILD / 'syncless'
PYTHON = os.environ.get('PYTHON') or '/usr/bin/python3'

GREEN = 'green threads'
NATIVE = 'native threads'

_ends_at = [float('inf')]


class OutOfTime(Exception):
    """The time allowed for the whole run is used up."""


class Failed(Exception):
    """A contestant died, hung or answered nonsense; the text says which."""


def set_budget(seconds):
    _ends_at[0] = time.monotonic() + seconds
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def seconds_left(wanted):
    left = _ends_at[0] - time.monotonic()
    if left <= 0:
        raise OutOfTime
    return min(wanted, left)


def describe_machine():
    model = re.search(r'model name\s*: (.*)', Path('/proc/cpuinfo').read_text())
    return {'cpu': model.group(1) if model else platform.machine(),
            'cores': len(os.sched_getaffinity(0)), 'kernel': platform.release(),
            'libc': ' '.join(platform.libc_ver()),
            'python': python_output('import platform; print(platform.python_version())'),
            'syncless': 'here' if SHIM.exists() else 'not here'}


def python_output(code):
    return subprocess.run([PYTHON, '-c', code], env=environment(NATIVE), text=True,
                          stdout=subprocess.PIPE, timeout=20, check=True).stdout.strip()


def has_module(name):
    done = subprocess.run([PYTHON, '-c', f'import {name}'], env=environment(NATIVE),
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=20)
    return done.returncode == 0


def is_here(kind):
    return kind != GREEN or SHIM.exists()


def environment(kind, **more):
    """The caller's environment; only the green contestant has the preload."""
    env = {key: value for key, value in os.environ.items() if key != 'LD_PRELOAD'}
    if kind == GREEN:
        env['LD_PRELOAD'] = str(SHIM)
    return {**env, 'PYTHONDONTWRITEBYTECODE': '1', **more}


def compile_c(name, *flags, shared=False):
    """Compiles programs/NAME.c unless the result is newer; returns its path."""
    source = PROGRAMS / f'{name}.c'
    target = BUILD / 'bench' / (f'{name}.so' if shared else name)
    if not target.exists() or target.stat().st_mtime < source.stat().st_mtime:
        target.parent.mkdir(parents=True, exist_ok=True)
        kind = ['-shared', '-fPIC'] if shared else []
        command = [os.environ.get('CC', 'gcc'), '-std=gnu11', '-O2', '-Wall', '-Wextra',
                   '-o', target, *kind, source, '-pthread', *flags]
        try:
            subprocess.run(command, check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise Failed(f'cannot compile {source.name}: {error}') from None
    return str(target)


def python_headers():
    return '-I' + python_output('import sysconfig; print(sysconfig.get_path("include"))')


def program(name, *arguments):
    return [PYTHON, str(PROGRAMS / name), *map(str, arguments)]


def run_once(command, kind=NATIVE, timeout=30, **more):
    """Runs a program to its end; returns its stdout."""
    try:
        done = subprocess.run(command, env=environment(kind, **more), text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              stdin=subprocess.DEVNULL, timeout=seconds_left(timeout))
    except subprocess.TimeoutExpired as error:
        raise Failed(f'no end within {error.timeout:.0f} s') from None
    if done.returncode != 0:
        tail = done.stderr.strip().splitlines()[-1:] or ['no message']
        raise Failed(f'exit status {done.returncode}: {tail[0]}')
    return done.stdout


class Process:
    """A long-lived program that speaks in lines."""

    def __init__(self, command, kind=NATIVE, cores=None, **more):
        pin = (lambda: os.sched_setaffinity(0, cores)) if cores else None
        self.kind = kind
        self.popen = subprocess.Popen(command, env=environment(kind, **more), preexec_fn=pin,
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.pid = self.popen.pid
        self.buffer = b''

    def line(self, timeout=20):
        ends_at = time.monotonic() + seconds_left(timeout)
        while b'\n' not in self.buffer:
            left = max(0, ends_at - time.monotonic())
            if not select.select([self.popen.stdout], [], [], left)[0]:
                raise Failed(f'{self.kind}: silent for {timeout:.0f} s')
            data = os.read(self.popen.stdout.fileno(), 65536)
            if not data:
                raise Failed(f'{self.kind}: ended with status {self.popen.wait(5)}')
            self.buffer += data
        line, _, self.buffer = self.buffer.partition(b'\n')
        return line.decode()

    def tell(self, text):
        self.popen.stdin.write(text.encode() + b'\n')
        self.popen.stdin.flush()

    def finish(self):
        """Ends it by the end of its stdin, so that it can clean up."""
        self.popen.stdin.close()
        try:
            self.popen.wait(30)
        except subprocess.TimeoutExpired:
            self.popen.terminate()
        self.end()

    def end(self):
        self.popen.kill()
        self.popen.wait()
        self.popen.stdout.close()
        with contextlib.suppress(BrokenPipeError):
            self.popen.stdin.close()


@contextlib.contextmanager
def started(command, kind=NATIVE, cores=None, **more):
    process = Process(command, kind, cores, **more)
    try:
        yield process
    finally:
        process.end()


def cpu_ns(pid):
    """CPU time of all threads of a process, past and present, in ns."""
    return time.clock_gettime_ns((~pid << 3) | 2)


def stat_cpu_ns(pid):
    fields = Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()
    return (int(fields[11]) + int(fields[12])) * 1_000_000_000 // os.sysconf('SC_CLK_TCK')


def check_clock(pid):
    """Raises unless the CPU clock and /proc/PID/stat agree to the tick."""
    ticks = 3 * 1_000_000_000 // os.sysconf('SC_CLK_TCK')
    clock, stat = cpu_ns(pid), stat_cpu_ns(pid)
    if abs(clock - stat) > ticks:
        raise Failed(f'CPU clock says {clock} ns, /proc/{pid}/stat says {stat} ns')


def kernel_threads(pid):
    return int(re.search(r'^Threads:\s*(\d+)', Path(f'/proc/{pid}/status').read_text(),
                         re.M).group(1))
