# SPDX-License-Identifier: Apache-2.0
"""What the Python tests share.

Each test runs twice: natively, where CPython over plain kernel threads is the
oracle, and under libsyncless.so.  A test therefore states what every threaded
program may expect; the few facts that only hold for green threads (how many
kernel threads there are, that close() ends a wait) look at GREEN.  Where the
right answer is "whatever plain Python does", a test puts the deed into a
scenario and compares the outcome of a process without the preload with that
of one that inherits it.

Nothing here waits for wall time: limits only turn a hang into a failure.
"""
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
PRELOAD = os.environ.get('LD_PRELOAD', '')
GREEN = 'libsyncless' in PRELOAD and os.environ.get('SYNCLESS') != '0'
HANG = 60  # seconds after which something that should have ended is a hang
PF_EXITING = 0x4


def plain_env(**extra):
    """The environment of a child that must not be preloaded."""
    env = {k: v for k, v in os.environ.items()
           if k != 'LD_PRELOAD' and not k.startswith('GLIBC_TUNABLES')}
    env.update(extra)
    return env


def same_env(**extra):
    """The environment of a child that runs as we do; None removes a name."""
    env = dict(os.environ)
    env.update(extra)
    return {k: v for k, v in env.items() if v is not None}


def run_python(*args, env=None, timeout=HANG, **kw):
    """Runs this interpreter; the result holds its text output and exit code."""
    if 'stdin' not in kw and 'input' not in kw:
        kw['stdin'] = subprocess.DEVNULL
    return subprocess.run([sys.executable, *args], env=env or same_env(),
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          universal_newlines=True, timeout=timeout, **kw)


def scenario_outcomes(path, name, timeout=HANG):
    """(outcome under plain Python, outcome under our own environment)."""
    found = []
    for env in (plain_env(), same_env()) if GREEN else (plain_env(),):
        run = run_python(path, '--scenario', name, env=env, timeout=timeout)
        try:
            found.append(json.loads(run.stdout.splitlines()[-1]))
        except (IndexError, ValueError):
            found.append({'code': run.returncode, 'out': run.stdout,
                          'err': run.stderr})
    return found[0], found[-1]


def _has_run(tid):
    """One that never had a processor bears its maker's name still.  A kernel without the figures: it has run."""
    with contextlib.suppress(OSError):
        with open('/proc/self/task/%s/schedstat' % tid) as f:
            return f.read().split()[2] != '0'
    return True


def _kernel_threads(is_counted=lambda tid: True):
    """The names of those of this process that are not already on their way out.

    A thread that has left its join behind stays listed until the kernel has
    reaped it, so one that is exiting is not counted.
    """
    names = []
    for tid in os.listdir('/proc/self/task'):
        with contextlib.suppress(OSError):
            if not is_counted(tid):
                continue
            with open('/proc/self/task/%s/stat' % tid) as f:
                head, _, rest = f.read().rpartition(')')
            if not int(rest.split()[6]) & PF_EXITING:
                names.append(head.partition('(')[2])
    return names


def kernel_threads():
    """How many there are, but for those that hand-off has made: any thread may need one, on a crowded machine."""
    return sum(name != 'syncless-host' for name in _kernel_threads())


def workers():
    """The names of those that have come to run, also without the monitor's."""
    return tuple(sorted(name for name in _kernel_threads(_has_run) if name not in ('syncless-host', 'syncless-dog')))


def spare_hosts():
    """How many hand-off has made."""
    return _kernel_threads().count('syncless-host')


def offload_workers():
    return _kernel_threads().count('syncless-offload'[:15])


@contextlib.contextmanager
def handler(signum, function):
    old = signal.signal(signum, function)
    try:
        yield
    finally:
        signal.signal(signum, old)


def wait_until(condition, what='the awaited state', limit=HANG):
    """Polls a condition that no event tells; fails after a hang's time."""
    end = time.monotonic() + limit
    while not condition():
        if time.monotonic() > end:
            raise AssertionError('%s did not come about' % what)
        time.sleep(0.005)


def stacks(threads):
    """The Python stacks of the given threads, to explain a hang."""
    frames = sys._current_frames()
    text = []
    for thread in threads:
        frame = frames.get(thread.ident)
        if frame is not None:
            text.append('%s:\n%s' % (thread.name,
                                     ''.join(traceback.format_stack(frame)[-4:])))
    return '\n'.join(text)


class Crew:
    """Threads that are started together, joined together, and may not fail."""

    def __init__(self):
        self.threads = []
        self.errors = []

    def start(self, function, *args, name=None, daemon=True):
        def body():
            try:
                function(*args)
            except BaseException:
                self.errors.append(traceback.format_exc())
        thread = threading.Thread(target=body, name=name, daemon=daemon)
        self.threads.append(thread)
        thread.start()
        return thread

    def start_many(self, count, function):
        for i in range(count):
            self.start(function, i)

    def join(self, limit=HANG):
        end = time.monotonic() + limit
        for thread in self.threads:
            thread.join(max(0.0, end - time.monotonic()))
        stuck = [t for t in self.threads if t.is_alive()]
        if self.errors:
            raise AssertionError('%d threads failed, the first with\n%s'
                                 % (len(self.errors), self.errors[0]))
        if stuck:
            raise AssertionError('%d of %d threads hang:\n%s' % (
                len(stuck), len(self.threads), stacks(stuck[:3])))

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind is None:
            self.join()


def native_threads():
    """Inside this, threads are kernel threads in either mode."""
    if not GREEN:
        return contextlib.nullcontext()
    try:
        import syncless
    except ImportError:
        sys.path[:0] = [os.path.join(ROOT, 'pyglue'),
                        os.path.join(ROOT, 'build')]
        import syncless
    return syncless.native_threads()


def service(kind):
    """Host, port and credentials of a service, or a skip."""
    keys = ('HOST', 'PORT') if kind == 'REDIS' else (
        'HOST', 'PORT', 'USER', 'PASSWORD', 'DB')
    prefix = 'SYNCLESS_%s_' % kind
    if not os.environ.get(prefix + 'PORT'):
        raise unittest.SkipTest('no %s service' % kind)
    found = {key.lower(): os.environ.get(prefix + key, '') for key in keys}
    found['port'] = int(found['port'])
    return found


def main(scenarios=None):
    """Runs the caller's tests (or one scenario); 77 if all were skipped."""
    if sys.argv[1:2] == ['--scenario']:
        print(json.dumps(scenarios[sys.argv[2]]()), flush=True)
        return
    program = unittest.main(exit=False)
    result = program.result
    sys.stdout.flush()
    if not result.wasSuccessful() or not result.testsRun:
        sys.exit(1)
    for test, reason in result.skipped:
        print('skipped: %s: %s' % (test.id(), reason))
    if len(result.skipped) == result.testsRun:
        sys.stdout.flush()
        sys.exit(77)
