# SPDX-License-Identifier: Apache-2.0
# modes: preload
# timeout: 120
"""What people look into programs with, unchanged, in preloaded processes: faulthandler, py-spy, coverage, OpenTelemetry
tell of green threads that wait what they would of others (docs/debugging.md)."""
import re
import signal
import subprocess

import tools_case
from tools_case import BIN, PYTHON, support

COUNT = 20
# All of them wait in one function, whatever else is running; go() lets them end.
CREW = f'''
import socket, sys, threading
pairs = [socket.socketpair() for _ in range({COUNT})]
arrived = threading.Semaphore(0)
def waits_for_bytes(number):
    arrived.release()
    return pairs[number][0].recv(1)
def calls_it(number):
    return waits_for_bytes(number)
def start(target=calls_it):
    threads = [threading.Thread(target=target, args=(n,), name=f'worker {{n}}') for n in range({COUNT})]
    for thread in threads:
        thread.start()
    for _ in threads:
        arrived.acquire()
    return threads
def go(threads, odd_one=None):
    for number, (_, end) in enumerate(pairs):
        end.send(b'!' if number == odd_one else b'.')
    for thread in threads:
        thread.join()
'''
FAULTHANDLER = '''
import faulthandler, crew
threads = crew.start()
faulthandler.dump_traceback(all_threads=True)
crew.go(threads)
'''
CRASHES = '''
import faulthandler, os, signal, crew
faulthandler.enable()
threads = crew.start()
os.kill(os.getpid(), signal.SIGSEGV)
'''
WAITING = '''
import crew, socket, sys
threads = crew.start()
print('waiting', flush=True)
def main_waits():
    with socket.create_connection(('127.0.0.1', int(sys.argv[1]))) as sock:
        sock.recv(1)
main_waits()
crew.go(threads)
print('well', flush=True)
'''
COMPUTING = '''
import crew
threads = crew.start()
print('computing', flush=True)
def computes():
    while True:
        sum(range(1000))
crew.threading.Thread(target=computes).start()
'''
COVERED = '''import crew
def work(number):
    byte = crew.waits_for_bytes(number)
    if byte == b'!':
        rare = number
        return rare
    if byte == b'?':
        never = number
        return never
    return None
crew.go(crew.start(work), odd_one=7)
'''
TRACED = '''
import json, os, threading
import crew
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

class Exporter(SpanExporter):
    def __init__(self):
        self.spans, self.threads, self.all_here = [], set(), threading.Event()
    def export(self, spans):
        self.spans += spans
        self.threads.add(threading.get_native_id())
        if len(self.spans) == 2 * len(crew.pairs):
            self.all_here.set()
        return SpanExportResult.SUCCESS

exporter, provider = Exporter(), TracerProvider()
provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=20))
tracer = provider.get_tracer('test')
def work(number):
    with tracer.start_as_current_span(f'outer {number}'):
        with tracer.start_as_current_span(f'inner {number}'):
            crew.waits_for_bytes(number)
            trace.get_current_span().set_attribute('number', number)
crew.go(crew.start(work))
in_time = exporter.all_here.wait(30)
kernel_tids = list(map(int, os.listdir('/proc/self/task')))
provider.shutdown()
names = {span.context.span_id: span.name for span in exporter.spans}
print(json.dumps({'in_time': in_time, 'exporters': list(exporter.threads), 'kernel_tids': kernel_tids, 'spans': [
    [span.name, span.parent and names[span.parent.span_id], span.attributes.get('number')]
    for span in exporter.spans]}))
'''


class Tools(tools_case.ToolCase):
    files = {'crew': CREW, 'dumps': FAULTHANDLER, 'crashes': CRASHES, 'waiting': WAITING,
             'computing': COMPUTING, 'covered': COVERED, 'traced': TRACED}

    def start_waiting(self):
        """A process whose threads wait, and main too until self.let_go()."""
        process = self.start(PYTHON, 'waiting.py', str(self.gate.port))
        self.await_line(process, 'waiting')
        sock, _ = self.gate.listener.accept()
        self.gate.waiting.append(sock)
        return process

    def let_go(self, process):
        self.gate.open()
        self.assertEqual(process.wait(support.HANG), 0, self.read(process.log))
        self.assertIn('well', self.read(process.log))

    def run_py_spy(self, command, process, *words):
        done = subprocess.run([f'{BIN}/py-spy', command, '--pid', str(process.pid), *words], text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=support.HANG)
        if 'Permission denied' in done.stdout:
            self.skipTest('may not attach to processes here')
        self.assertEqual(done.returncode, 0, done.stdout)
        return done.stdout

    @tools_case.needs('pip')
    def test_faulthandler(self):
        self.check_stacks(self.run_python('dumps.py'))
        self.check_stacks(self.run_python('crashes.py', expect=-signal.SIGSEGV))

    def check_stacks(self, text):
        stacks = re.split(r'\n(?=Thread|Current)', text)
        waiting = [stack for stack in stacks if 'in waits_for_bytes\n' in stack and 'in calls_it\n' in stack]
        self.assertEqual(len(waiting), COUNT, text)
        self.assertEqual(len({stack.split()[1] for stack in waiting}), COUNT, text)
        self.assertEqual(len([stack for stack in stacks if stack.startswith('Current thread')]), 1, text)

    @tools_case.needs('py_spy-*')
    def test_py_spy(self):
        process = self.start_waiting()
        text = self.run_py_spy('dump', process)
        # Each by the number that threading.get_native_id() tells.  It is no kernel thread's, so py-spy cannot see
        # that it is idle.
        found = dict(re.findall(r'^Thread \d+ \(\w+\): "(\w+(?: \d+)?)[^"]*"\n((?: .*\n)*)', text, re.M))
        self.assertEqual(set(found), {'MainThread'} | {f'worker {n}' for n in range(COUNT)}, text)
        self.assertIn('main_waits (waiting.py', found.pop('MainThread'))
        for stack in found.values():
            self.assertRegex(stack, r'waits_for_bytes \(crew.py:\d+\)\s+calls_it \(crew.py:\d+\)\s+')
        self.let_go(process)

    @tools_case.needs('py_spy-*')
    def test_py_spy_record(self):
        process = self.start(PYTHON, 'computing.py')
        self.await_line(process, 'computing')
        text = self.run_py_spy('record', process, '--gil', '--duration', '1', '--format', 'raw', '-o', '/dev/stdout')
        self.assertRegex(text, r'(?m)^Thread._bootstrap .*;computes \(computing.py:\d+\) \d+$')
        self.assertNotIn('waits_for_bytes', text)

    @tools_case.needs('coverage')
    def test_coverage(self):
        self.run_python('-m', 'coverage', 'run', '--include=covered.py', 'covered.py')
        report = self.run_json('-m', 'coverage', 'json', '-q', '-o', '/dev/stdout')['files']['covered.py']
        never = [COVERED.splitlines().index(f'        {line}') + 1 for line in ('never = number', 'return never')]
        self.assertEqual(report['missing_lines'], never)

    @tools_case.needs('opentelemetry/sdk')
    def test_opentelemetry(self):
        told = self.run_json('traced.py')
        self.assertEqual(sorted(told['spans']), sorted(
            span for n in range(COUNT) for span in ([f'outer {n}', None, None], [f'inner {n}', f'outer {n}', n])))
        self.assertTrue(told['in_time'])
        self.assertFalse(set(told['exporters']) & set(told['kernel_tids']), told)  # its worker is green


if __name__ == '__main__':
    support.main()
