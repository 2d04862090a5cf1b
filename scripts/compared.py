# SPDX-License-Identifier: Apache-2.0
"""Other people's tests, plainly and under `syncless run`: what scripts/suites and scripts/client-suites share.

A run is a command that leaves a report in JUnit's format; a crash or a hang is an
outcome of its own.  Every test that passes, fails or is skipped one way and not the
other is told.  Where a suite differs it runs plainly again, up to three times: a test
that does not agree with itself is `unstable natively` and does not count.  The output
of a run under syncless that differs is kept under build/suites.
"""
import os
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.abspath(os.environ.get('BUILD') or os.path.join(ROOT, 'build'))
SYNCLESS = [os.path.join(BUILD, 'syncless'), 'run']
KEPT = os.path.join(BUILD, 'suites')
RERUNS = 3  # of what differs
LINES = 60  # of output, where something differs
STOPPED = []  # filled by a signal's handler, which may interrupt itself: a lock, as an Event has, would be its end
RUNNING = set()  # the process groups of the moment


def interpreter():
    return subprocess.run([os.path.join(ROOT, 'scripts', 'setup'), 'python'], check=True,
                          stdout=subprocess.PIPE, text=True).stdout.strip()


def environment():
    """Ours, but for what would make a plain run one of our own."""
    return {name: value for name, value in os.environ.items()
            if name != 'LD_PRELOAD' and not name.startswith('SYNCLESS_')}


def stop(*_):
    """On a signal: what runs for us ends with us."""
    STOPPED.append(True)
    for group in list(RUNNING):
        kill_group(group)


def stop_on_signals():
    for number in signal.SIGINT, signal.SIGTERM:
        signal.signal(number, stop)


def kill_group(group):
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        pass


class Run:
    """One run of a suite: {test: outcome}, its output, and the seconds it took."""

    def __init__(self, command, env, folder, limit):
        """The word {report} of the command is the file where its report is to be."""
        with tempfile.TemporaryDirectory() as scratch:
            report = os.path.join(scratch, 'report.xml')
            command = [word.replace('{report}', report) for word in command]
            began = time.monotonic()
            status, self.output = run_command(command, env, folder or scratch, limit)
            self.seconds = time.monotonic() - began
            if status is None:
                self.found = {'(the run)': f'no end after {limit} s'}
            elif not os.path.exists(report):
                self.found = {'(the run)': f'ended with {status} and no report'}
            else:  # without a test it was skipped as a whole, or could not be imported
                self.found = read_report(report) or {'(the run)': f'no test ran, status {status}'}

    def is_empty(self):
        return all(name.startswith('(') for name in self.found)


def run_command(command, env, folder, limit):
    """(status or None for a hang, output); whatever the run left behind ends with it."""
    with tempfile.TemporaryFile('w+', errors='replace') as output:
        process = subprocess.Popen(command, env=env, cwd=folder, stdin=subprocess.DEVNULL,
                                   stdout=output, stderr=output, start_new_session=True)
        RUNNING.add(process.pid)
        try:
            status = process.wait(0 if STOPPED else limit)
        except subprocess.TimeoutExpired:
            status = None
        kill_group(process.pid)
        process.wait()
        RUNNING.discard(process.pid)
        if STOPPED:
            sys.exit(1)
        output.seek(0)
        return status, output.read()


def read_report(path):
    found = {}
    for case in ElementTree.parse(path).iter('testcase'):  # a failed subtest is a case as well
        name = '.'.join(filter(None, (case.get('classname'), case.get('name'))))
        found.setdefault(name, set()).add(outcome_of(case))
    return {name: '+'.join(sorted(kinds)) for name, kinds in found.items()}


def outcome_of(case):
    for kind in ('failure', 'error', 'skipped'):
        if case.find(kind) is not None:
            return kind
    return 'passed'


def differences(one, other):
    return sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))


def find_unstable(run_once, plain, differ):
    """{test: its other outcome}: of those that differ, the ones that cannot agree with themselves."""
    unstable = {}
    for _ in range(RERUNS):
        if set(differ) <= unstable.keys():
            break
        again = run_once([]).found
        for name in differences(plain, again):
            unstable.setdefault(name, again.get(name))
    return unstable


def compare(name, run_once):
    """(result, the lines that tell it); run_once(LAUNCHER) is a Run with these words before it."""
    plain, ours = run_once([]), run_once(SYNCLESS)
    differ = differences(plain.found, ours.found)
    unstable = find_unstable(run_once, plain.found, differ) if differ else {}
    if not differ and plain.is_empty():
        return 'skipped', f'{name}: SKIP: {", ".join(plain.found.values())}\n'
    differ = [test for test in differ if test not in unstable]
    outcomes = list(plain.found.values())
    counts = ' '.join(f'{outcomes.count(kind)} {kind}' for kind in sorted(set(outcomes)))
    lines = [f'{name}: {counts}; {len(differ)} differ '
             f'({plain.seconds:.1f} s, then {ours.seconds:.1f} s)']
    whole = [test for test in differ if test.startswith('(')]
    for test in whole or differ:  # where the whole run went wrong, its tests say nothing more
        lines.append(f'    {test}: plainly {plain.found.get(test)}, under syncless {ours.found.get(test)}')
    for test, other in sorted(unstable.items()):
        lines.append(f'    {test}: unstable natively: {plain.found.get(test)}, then {other}')
    if differ:
        lines += ['    | ' + line for line in ours.output.splitlines()[-LINES:]]
        keep(name, ours.output)
    return 'failed' if differ else 'passed', '\n'.join(lines) + '\n'


def keep(name, output):
    os.makedirs(KEPT, exist_ok=True)
    with open(os.path.join(KEPT, name), 'w', encoding='utf-8', errors='replace') as file:
        file.write(output)


def count(results):
    return ', '.join(f'{results.count(kind)} {kind}' for kind in ('passed', 'failed', 'skipped'))
