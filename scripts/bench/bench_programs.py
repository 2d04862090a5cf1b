# SPDX-License-Identifier: Apache-2.0
"""What a bare preload costs programs that have nothing to gain from it.

CPU time of the program and what it started, user and system, as wait4(2)
gives it.  The program is alone on one core, and what it talks to on another:
where the kernel may move both, that alone is several percent.  The start: a run
that prints the version.  The work: a second and more of what the program is
used for, most of it system calls that pass through us.  Of both the cheapest of
a few in each round, for noise only adds.
"""
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import threading

import bench_drivers
import processes
import rounds
from processes import GREEN, NATIVE, Failed

sys.path.insert(0, str(processes.ROOT / 'tests'))
import loopback  # noqa: E402

TITLE = 'CPU of well-known programs with and without the preload'

ROUNDS = 20
STARTS = 5  # a round, of which the least counts: what else the machine does only adds
RUNS = 3  # the same, of the work that has a goal
MOST_MS = 1
MOST_PERCENT = 1
PROGRAMS = ('curl', 'git', 'psql', 'mariadb', 'redis-cli', 'ssh', 'perl', 'node')
VERSION = {'ssh': '-V', 'perl': '-v'}  # else --version

PERL = r'''
for my $round (1 .. 110000) {
	pipe my $r, my $w; syswrite $w, 'x' x 1000; sysread $r, my $got, 1000; close $w; close $r;
	$sum += length $got; $words{$_ % 100} .= $round for 1 .. 5;
}
for (1 .. 100) { my $pid = fork // die; exit 0 if !$pid; waitpid $pid, 0 }
'''
NODE = r'''
const http = require('http');
const agent = new http.Agent({ keepAlive: true });
const server = http.createServer((q, r) => r.end('x'.repeat(1000))).listen(0, '127.0.0.1', () => {
	let left = 15000;
	const next = () => left-- > 0 ? http.get({ port: server.address().port, host: '127.0.0.1', agent }, r => {
		r.resume(); r.on('end', next); }) : process.exit(0);
	for (let i = 0; i < 4; i++) next();
});
'''
MIB = 1 << 20
OVER_TCP = ', over TCP'
CORES = sorted(os.sched_getaffinity(0))


def cpu_ms(command, kind, stdin=None):
    popen = subprocess.Popen(command, env=processes.environment(kind), stdin=stdin or subprocess.DEVNULL,
                             stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                             preexec_fn=lambda: os.sched_setaffinity(0, CORES[:1]))
    timer = threading.Timer(processes.seconds_left(60), popen.kill)
    timer.start()
    told = popen.stderr.read()
    _, status, usage = os.wait4(popen.pid, 0)
    popen.returncode = os.waitstatus_to_exitcode(status)  # else Popen would wait again
    timer.cancel()
    popen.stderr.close()
    if popen.returncode:
        raise Failed(f'exit status {popen.returncode}: {told.decode(errors="replace").strip()[-200:]}')
    return (usage.ru_utime + usage.ru_stime) * 1000


def start_ms(command, kind):
    return min(cpu_ms(command, kind) for _ in range(STARTS))


def run_ms(work, kind):
    command, path = work
    if not path:
        return cpu_ms(command, kind)
    with open(path, 'rb') as file:
        return cpu_ms(command, kind, file)


def work_ms(work, kind):
    return min(run_ms(work, kind) for _ in range(RUNS))


def compare(report, name, measure, what, count):
    """Two lists, a number a round: preloaded and plain."""
    names = [kind for kind in (GREEN, NATIVE) if processes.is_here(kind)]
    results = rounds.interleave(names, count, lambda kind: measure(what, kind), report, name)
    return results.get(GREEN, [None] * count), results[NATIVE]


def starts(report, count):
    rows = []
    for name in PROGRAMS:
        ours = plain = []
        if shutil.which(name):
            ours, plain = compare(report, name, start_ms, [name, VERSION.get(name, '--version')], count)
        more = rounds.middle([a - b for a, b in zip(ours, plain) if a is not None and b is not None])
        rows.append([name, rounds.middle(ours), rounds.middle(plain), more])
        report.raw(f'start of {name}', [ours, plain])
    report.table('CPU at start, ms', ['', 'preloaded', 'plain', 'more'],
                 [[row[0], *(cell if cell is None else f'{cell:.2f}' for cell in row[1:])] for row in rows])
    for name, *_, more in rows:
        report.goal(f'ms more at the start of {name}', more, MOST_MS)


def file_of(folder, name, pieces):
    path = os.path.join(folder, name)
    with open(path, 'wb') as file:
        file.writelines(pieces)
    return path


def make_repository(folder):
    """Some thousand objects, by one fast-import."""
    commits = b''.join(
        b'commit refs/heads/main\ncommitter A <a@example.org> %d +0000\ndata 1\nx\n' % (1500000000 + n)
        + b''.join(b'M 644 inline f%d\ndata <<END\n%sEND\n' % (k, b'%d %d and so on\n' % (n, k) * 200)
                   for k in range(n % 7, 40, 7)) for n in range(190))
    path = os.path.join(folder, 'repository')
    subprocess.run(['git', 'init', '-q', '-b', 'main', '--bare', path], check=True, timeout=60)
    subprocess.run(['git', '-C', path, 'fast-import', '--quiet'], input=commits, check=True, timeout=60)
    return path


def curls(stack, folder):
    """Over a unix socket, and over TCP, which is shown and has no goal.

    There the kernel does the sender's work on whichever side opens the window, and charges it there:
    one plain run differs from the next by up to a third.
    """
    curl = ['curl', '-sSo', '/dev/null']
    much, small = os.path.join(folder, 'much.sock'), os.path.join(folder, 'small.sock')
    stack.enter_context(loopback.web_at(much))
    program = processes.compile_c('epoll_server')
    stack.enter_context(processes.started([program, small])).line()
    yield 'curl, 8 GB', ([*curl, '--unix-socket', much, f'http://localhost/{8000 * MIB}'], None)
    yield 'curl, 20,000 requests', ([*curl, '--unix-socket', small, 'http://localhost/[1-20000]'], None)
    port = stack.enter_context(loopback.web())
    small = stack.enter_context(processes.started([program])).line().split()[1]
    yield f'curl, 4 GB{OVER_TCP}', ([*curl, f'http://127.0.0.1:{port}/{4000 * MIB}'], None)
    yield f'curl, 20,000 requests{OVER_TCP}', ([*curl, f'http://127.0.0.1:{small}/[1-20000]'], None)


def of_service(variables, prefix, *words):
    return [variables.get(f'SYNCLESS_{prefix}_{word}', '') for word in words]


def psqls(variables):
    """As curls()."""
    host, folder, port, user, password, database = of_service(
        variables, 'PG', 'HOST', 'SOCKET', 'PORT', 'USER', 'PASSWORD', 'DB')

    def psql(where, rows):
        return host and (
            ['psql', '-XAtq', '-v', 'FETCH_COUNT=20000',
             '-c', f"SELECT n, repeat('x', 50) FROM generate_series(1, {rows}) n",
             f'host={where} port={port} user={user} password={password} dbname={database}'], None)

    yield 'psql, 7,000,000 rows', psql(folder, 7000000)
    yield f'psql, 3,000,000 rows{OVER_TCP}', psql(host, 3000000)


def mariadbs(variables):
    """As curls()."""
    host, path, port, user, password = of_service(
        variables, 'MYSQL', 'HOST', 'SOCKET', 'PORT', 'USER', 'PASSWORD')

    def mariadb(*where):
        return host and (['mariadb', '--no-defaults', *where, '-u', user, '-p' + password, '-NBqe',
                          "SELECT seq, REPEAT('x', 50) FROM seq_1_to_3000000", 'syncless'], None)

    yield 'mariadb, 3,000,000 rows', mariadb('-S', path)
    yield f'mariadb, 3,000,000 rows{OVER_TCP}', mariadb('-h', host, '-P', port)


def redis_clis(variables):
    """As curls()."""
    host, path, port = of_service(variables, 'REDIS', 'HOST', 'SOCKET', 'PORT')

    def redis_cli(count, *where):
        return host and (['redis-cli', *where, '-r', str(count), 'ECHO', 'again'], None)

    yield 'redis-cli, 150,000 commands', redis_cli(150000, '-s', path)
    yield f'redis-cli, 100,000 commands{OVER_TCP}', redis_cli(100000, '-h', host, '-p', port)


def works(stack, folder, variables):
    """Yields (what, (command, path of its stdin or None)); (what, None) where something is missing."""
    yield from curls(stack, folder)
    if shutil.which('git'):
        yield 'git clone, gc', (['sh', '-c', 'rm -rf "$2" && git clone -q --bare "file://$1" "$2" && '
                                 'git -C "$2" gc -q --aggressive', 'sh', make_repository(folder),
                                 os.path.join(folder, 'clone')], None)
    for of_one in psqls, mariadbs, redis_clis:
        yield from of_one(variables)
    try:
        ssh = stack.enter_context(loopback.sshd(folder))
        yield 'ssh, 700 MB', ([*ssh, 'cat >/dev/null'], file_of(folder, 'much', [loopback.BLOCK] * 700))
    except loopback.Unavailable as error:
        yield f'ssh ({error})', None
    yield 'perl, pipes and forks', (['perl', '-e', PERL], None)
    yield 'node, 15,000 requests', (['node', '-e', NODE], None)


def long_runs(report, count, folder, variables):
    rows = []
    with contextlib.ExitStack() as stack:
        for name, work in works(stack, folder, variables):
            ours = plain = []
            if work and shutil.which(work[0][0]):
                ours, plain = compare(report, name, run_ms if name.endswith(OVER_TCP) else work_ms, work, count)
            ratio = rounds.ratio(ours, plain)
            rows.append([name, rounds.middle(ours), rounds.middle(plain), ratio and (ratio - 1) * 100])
            report.raw(name, [ours, plain])
    report.table('CPU of the work, ms', ['', 'preloaded', 'plain', '% more'], rows)
    for name, *_, percent in rows:
        if not name.endswith(OVER_TCP):
            report.goal(f'% more CPU: {name}', percent, MOST_PERCENT)


def run(report, quick):
    count = 3 if quick else ROUNDS
    os.sched_setaffinity(0, CORES[1:] or CORES)  # the servers', which inherit it
    starts(report, count)
    with tempfile.TemporaryDirectory() as folder, \
            bench_drivers.services(report, 'mariadb', 'postgres', 'redis') as variables:
        long_runs(report, count, folder, variables)
