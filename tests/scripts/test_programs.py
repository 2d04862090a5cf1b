#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# timeout: 240
# services: mariadb postgres redis
"""Well-known programs under a bare preload: what they print and how they end is as without it.

Each command runs twice in an empty folder, plainly and with LD_PRELOAD alone, and must do what is
expected of it plainly, so that two failures are no agreement.
"""
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, 'tests'))
import loopback  # noqa: E402

BUILD = os.path.abspath(os.environ.get('BUILD') or os.path.join(ROOT, 'build'))
SHIM = os.path.join(BUILD, 'libsyncless.so')
HANG = 60
CLOSED = '1'  # a port that nobody listens on, nor is given when he asks for any
OUR_WORDS = ('SYNCLESS', 'LD_PRELOAD', 'GIT_', 'PG', 'MYSQL')

PARALLEL = 'curl -sSZ "$@" 2>rates && ! grep syncless rates && rm rates && sha256sum *'

GIT = r'''
git init -q -b main one; cd one
for i in 1 2 3 4 5 6 7 8 9; do seq $((i * 100)) >$i; git add $i; git commit -qm "number $i"; done
git checkout -q -b side HEAD~3; echo side >side; git add side; git commit -qm side
git checkout -q main; git merge -q -m merged side; git log --graph --oneline --stat; git status
git rm -q 5; git commit -qm 'five goes'; git tag -a -m tagged t; git describe
git gc -q --aggressive; git fsck --strict; git grep -c 99 -- 7; git blame 3 | tail -n 1
git archive HEAD | tar t; git diff HEAD~1 --shortstat; cd ..
git clone -q file://$PWD/one two; git -C two log -1 --format=%H; git -C two checkout -q -b more
echo more >two/more; git -C two add more; git -C two commit -qm more; git -C two push -q origin more
git -C one log --oneline more -1; git -C two fetch -q; git -C two reflog; git -C one rev-parse nothing
'''
GIT_NETWORK = r'''
git clone -q git://127.0.0.1:PORT/base got; git -C got log --oneline; git ls-remote git://127.0.0.1:PORT/base
git clone -q --depth 1 git://127.0.0.1:PORT/base few; git -C few fetch -q --unshallow; git -C few log --oneline
git clone -q git://127.0.0.1:PORT/nothing
'''

PERL = r'''
use strict; use warnings; use IO::Socket::INET; use IO::Select; use Time::HiRes qw(ualarm sleep); $| = 1;
my $listener = IO::Socket::INET->new(Listen => 5, LocalAddr => '127.0.0.1') or die;
my $pid = fork // die;
if (!$pid) {
	my $select = IO::Select->new($listener); my $served = 0;
	while ($served < 3) { for my $fh ($select->can_read) {
		if ($fh == $listener) { $select->add(scalar $listener->accept); next }
		if (sysread($fh, my $bytes, 65536)) { print $fh uc $bytes; $fh->flush }
		else { $select->remove($fh); close $fh; $served++ }
	} }
	exit 7;
}
for my $n (1, 1000, 300000) {
	my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $listener->sockport) or die;
	my $sent = 'ab' x $n; my $writer = fork // die;
	if (!$writer) { print $s $sent; $s->flush; exit 0 }
	my $got = ''; while (length $got < 2 * $n) { sysread($s, $got, 65536, length $got) or die }
	waitpid $writer, 0; print $got eq uc $sent ? "$n whole\n" : "$n differs\n"; close $s;
}
waitpid $pid, 0; print 'server ended with ', $? >> 8, "\n";
open my $pipe, '-|', 'printf "a\\nb\\n" | sort -r; exit 3' or die; print while <$pipe>; close $pipe;
print $? >> 8, "\n";
pipe my $r, my $w or die;
if (!fork) { close $r; sleep 0.05; print $w "piped\n"; exit } close $w; print <$r>; wait;
eval { local $SIG{ALRM} = sub { die "alarm\n" }; ualarm 50000; sleep 30 }; print $@;
$SIG{USR1} = sub { print "usr1\n" }; kill USR1 => $$; print `echo backticks; exit 2`; print $? >> 8, "\n";
print select(undef, undef, undef, 0.01), "\n"; print((gethostbyname 'localhost') ? "found\n" : "not found\n");
exec 'sh', '-c', 'echo the end; exit 5';
'''
PERL_THREADS = r'''
use threads; use threads::shared; my $turn :shared = 0; $| = 1;
my @t = map { my $me = $_; threads->create(sub {
	for my $round (0 .. 9) { lock $turn; cond_wait $turn until $turn % 4 == $me; $turn++; cond_broadcast $turn }
	return $me * $me }) } 0 .. 3;
print join(' ', map { $_->join } @t), " $turn\n";
'''
NODE = r'''
const http = require('http'), fs = require('fs'), dns = require('dns'), net = require('net');
const { Worker } = require('worker_threads'), { execFile, spawn, fork } = require('child_process');
const { promisify } = require('util'), crypto = require('crypto'), zlib = require('zlib');
const once = (to, what) => new Promise((yes, no) => { to.once(what, yes); to.once('error', no); });
const get = url => new Promise((yes, no) => http.get(url, r => {
	let n = 0; r.on('data', d => n += d.length); r.on('end', () => yes(`${r.statusCode} ${n}`));
}).on('error', no));
(async () => {
	const server = http.createServer((q, r) => r.end('x'.repeat(+q.url.slice(1))));
	server.listen(0, '127.0.0.1'); await once(server, 'listening');
	const at = `http://127.0.0.1:${server.address().port}/`;
	console.log(await get(at + '1000000'), await get(at.replace('127.0.0.1', 'localhost') + '3'));
	console.log((await Promise.all([...Array(50).keys()].map(i => get(at + i)))).join());
	server.close(); server.closeAllConnections();
	const echo = net.createServer(s => s.pipe(s)); echo.listen('sock'); await once(echo, 'listening');
	const s = net.connect('sock'); s.write('echo'); console.log(String(await once(s, 'data')));
	s.end(); echo.close();
	const code = `const { parentPort: p } = require('worker_threads');
		p.on('message', n => { let s = 0; for (let i = 0; i < n; i++) s += i; p.postMessage(s); p.close() })`;
	const workers = [1e5, 2e5, 3e5].map(n => { const w = new Worker(code, { eval: true }); w.postMessage(n);
		return Promise.all([once(w, 'message'), once(w, 'exit')]) });
	console.log(JSON.stringify(await Promise.all(workers)));
	console.log((await promisify(execFile)('sh', ['-c', 'echo out; echo err >&2'])));
	const cat = spawn('cat'); cat.stdin.end('through cat'); console.log(String(await once(cat.stdout, 'data')));
	fs.writeFileSync('child.js', 'process.on("message", m => process.send(m + 1, () => process.exit(4)))');
	const child = fork('./child.js'); child.send(1); console.log(await once(child, 'message'));
	console.log(await once(child, 'exit'));
	for (const name of ['127.0.0.1', 'localhost']) console.log((await dns.promises.lookup(name)).address);
	await fs.promises.writeFile('f', 'file'); console.log(await fs.promises.readFile('f', 'utf8'));
	await promisify(fs.rename)('f', 'g'); console.log((await fs.promises.readdir('.')).sort().join());
	console.log((await promisify(crypto.pbkdf2)('a', 'b', 1000, 16, 'sha256')).toString('hex'));
	console.log((await promisify(zlib.gzip)(Buffer.alloc(1e6))).length > 0);
	const timer = setInterval(() => {}, 1000), got = once(process, 'SIGUSR2');
	process.kill(process.pid, 'SIGUSR2'); console.log(await got); clearInterval(timer);
	process.exitCode = 9;
})();
'''


def clean_env():
    return {name: value for name, value in os.environ.items() if not name.startswith(OUR_WORDS)}


class ProgramsTest(unittest.TestCase):
    maxDiff = 4000

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def omit(self, why):
        print(f'skipped: {self.id().rpartition(".")[2]}: {why}')
        self.skipTest(why)

    def need(self, name):
        if not shutil.which(name):
            self.omit(f'no {name} here')

    def need_service(self, name):
        """Its variables, by their last word."""
        prefix = f'SYNCLESS_{name}_'
        found = {key[len(prefix):]: value for key, value in os.environ.items() if key.startswith(prefix)}
        if not found:
            self.omit(f'no {name} server here')
        return found

    @contextlib.contextmanager
    def server(self, manager):
        with contextlib.ExitStack() as stack:
            try:
                there = stack.enter_context(manager)
            except loopback.Unavailable as error:
                self.omit(str(error))
            yield there

    def run_once(self, command, stdin, env, preload):
        work = os.path.join(self.folder, 'work')
        os.mkdir(work)
        done = subprocess.run(command, input=stdin, cwd=work, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              env={**clean_env(), 'HOME': work, **env, **preload}, timeout=HANG)
        shutil.rmtree(work)
        return done.returncode, done.stdout.decode(errors='replace'), done.stderr.decode(errors='replace')

    def both(self, *command, stdin=b'', status=0, **env):
        """What the command prints, if that and its end are the same both ways and the status is as expected."""
        plain = self.run_once(command, stdin, env, {})
        self.assertEqual(plain[0], status, plain)
        self.assertEqual(self.run_once(command, stdin, env, {'LD_PRELOAD': SHIM}), plain)
        return plain[1]

    def test_curl(self):
        self.need('curl')
        self.both('curl', '--version')
        with loopback.web() as port:
            at = f'http://127.0.0.1:{port}/'
            self.assertEqual(len(self.both('curl', '-sS', at + '3000')), 3000)
            self.both('curl', '-sSi', at + '5', at + 'moved', at + 'nothing')
            self.both('curl', '-sSIL', at + 'moved')
            self.both('curl', '-sS', f'http://localhost:{port}/10')
            self.both('curl', '-sSf', at + 'nothing', status=22)
            upload = bytes(5000000)
            posted = self.both('curl', '-sS', '--data-binary', '@-', at, stdin=upload)
            self.assertEqual(self.both('curl', '-sS', '-T', '-', '-H', 'Transfer-Encoding:', '-H',
                                       f'Content-Length: {len(upload)}', at, stdin=upload), posted)
            urls = [word for n in range(20) for word in ('-o', str(n), f'{at}{n * 50000}')]
            self.both('sh', '-c', PARALLEL, 'sh', *urls)
            self.both('curl', '-sS', '--limit-rate', '2M', '-o', '/dev/null', '-w', '%{size_download}',
                      at + '500000')
        self.both('curl', '-s', f'http://127.0.0.1:{CLOSED}/', status=7)  # its message has a time in it

    def test_curl_https(self):
        self.need('curl')
        with self.server(loopback.web(self.folder)) as port:
            at, cert = f'https://localhost:{port}/', os.path.join(self.folder, 'cert.pem')
            self.assertEqual(len(self.both('curl', '-sS', '--cacert', cert, at + '2000000')), 2000000)
            self.both('curl', '-sS', '--cacert', cert, '--data-binary', '@-', at, stdin=bytes(1000000))
            self.both('curl', '-sS', at, status=60)

    def git_env(self):
        who = {f'GIT_{role}_{word}': value for role in ('AUTHOR', 'COMMITTER') for word, value in (
            ('NAME', 'A'), ('EMAIL', 'a@example.org'), ('DATE', '1500000000 +0000'))}
        return {**who, 'GIT_CONFIG_NOSYSTEM': '1', 'LC_ALL': 'C', 'GIT_PAGER': 'cat'}

    def test_git(self):
        self.need('git')
        told = self.both('sh', '-c', GIT, status=128, **self.git_env())
        self.assertIn('number 9', told)

    def test_git_network(self):
        self.need('git')
        env = {**clean_env(), **self.git_env()}
        base = os.path.join(self.folder, 'served', 'base')
        loopback.quietly('git', 'init', '-q', '-b', 'main', base, env=env)
        for n in range(5):
            loopback.write(base, 'file', str(n) * 100000)
            loopback.quietly('git', '-C', base, 'add', '.', env=env)
            loopback.quietly('git', '-C', base, 'commit', '-qm', str(n), env=env)
        answers = []
        for preload in ({}, {'LD_PRELOAD': SHIM}):  # of the server
            with self.server(loopback.git_daemon(os.path.dirname(base), env={**env, **preload})) as port:
                told = self.both('sh', '-c', GIT_NETWORK.replace('PORT', str(port)), status=128,
                                 **self.git_env())
                answers.append(told.replace(str(port), 'PORT'))
        self.assertEqual(answers[0], answers[1])

    def test_psql(self):
        self.need('psql')
        there = self.need_service('PG')
        env = {'PG' + to: there[word] for to, word in (
            ('HOST', 'HOST'), ('PORT', 'PORT'), ('USER', 'USER'), ('PASSWORD', 'PASSWORD'), ('DATABASE', 'DB'))}
        psql = ('psql', '-XAtq')
        self.both('psql', '--version')
        self.assertEqual(self.both(*psql, '-c', 'SELECT 6 * 7', **env), '42\n')
        self.both(*psql, '-c', 'SELECT 6 * 7', **{**env, 'PGHOST': there['SOCKET']})
        self.both(*psql, '-c', "SELECT n, repeat('x', 50) FROM generate_series(1, 30000) n", **env)
        self.both(*psql, '-c', 'SELECT 1 / 0', status=1, **env)
        self.both(*psql, '-v', 'ON_ERROR_STOP=1', '-f', '-', **env, stdin=rb"""
            CREATE TEMP TABLE t (n int, s text);
            \copy t from program 'seq 1000 | sed "s/.*/& row&/"' (delimiter ' ')
            SELECT count(*), max(s) FROM t; \copy (SELECT n FROM t WHERE n % 100 = 0) to stdout
            BEGIN; DELETE FROM t; ROLLBACK; SELECT sum(n), pg_sleep(0.05) FROM t;
            LISTEN c; \! echo shell
            """)
        self.both(*psql, '-c', 'SELECT 1', status=2, **{**env, 'PGPASSWORD': 'wrong'})

    def test_mariadb(self):
        self.need('mariadb')
        there = self.need_service('MYSQL')
        self.both('mariadb', '--version')
        for way in (['-h', there['HOST'], '-P', there['PORT']], ['-S', there['SOCKET']]):
            mariadb = ['mariadb', '--no-defaults', *way, '-u', there['USER'], '-p' + there['PASSWORD'],
                       there['DB']]
            self.assertEqual(self.both(*mariadb, '-NBe', 'SELECT 6 * 7, SLEEP(0.05)'), '42\t0\n')
            self.both(*mariadb, '-NBe', "SELECT seq, REPEAT('x', 50) FROM seq_1_to_30000")
            self.both(*mariadb, '-te', 'SHOW TABLES; SELECT nothing FROM nowhere', status=1)
            self.both(*mariadb, stdin=b"""CREATE TEMPORARY TABLE t (n INT PRIMARY KEY, s TEXT);
                INSERT INTO t SELECT seq, REPEAT('y', seq) FROM seq_1_to_500; SELECT SUM(LENGTH(s)) FROM t;
                delimiter //
                SELECT COUNT(*) FROM t//
                \\! echo shell
                """)

    def test_redis_cli(self):
        self.need('redis-cli')
        there = self.need_service('REDIS')
        self.both('redis-cli', '--version')
        for way in (['-h', there['HOST'], '-p', there['PORT']], ['-s', there['SOCKET']]):
            cli = ['redis-cli', *way]
            self.assertEqual(self.both(*cli, 'PING'), 'PONG\n')
            self.both(*cli, stdin=b'SET k 0\nINCR k\nAPPEND k abc\nGET k\nLPUSH k 1\nNOTHING\nTYPE k\n')
            self.both(*cli, '-r', '100', '-i', '0.001', 'ECHO', 'again')
            self.both(*cli, '--pipe', stdin=b'SET key:%d value\r\n'.replace(b'%d', b'7') * 20000)
            self.both(*cli, '--csv', 'EVAL', "return {1, 'two', {3}}", '0')
            self.both(*cli, 'BLPOP', 'nowhere', '0.05')
        self.both('redis-cli', '-p', CLOSED, 'PING', status=1)

    def test_ssh_alone(self):
        self.need('ssh')
        self.both('ssh', '-V')
        self.both('ssh', '-F', 'none', '-G', 'example.org')
        self.both('sh', '-c', 'ssh-keygen -q -t ed25519 -N "" -f key && ssh-keygen -yf key | cut -c 1-30')
        self.both('ssh', '-F', '/dev/null', '-p', CLOSED, '127.0.0.1', 'true', status=255)

    def test_ssh(self):
        self.need('ssh')
        with self.server(loopback.sshd(self.folder)) as ssh:
            self.assertEqual(self.both(*ssh, 'echo there; echo wrong >&2; exit 3', status=3), 'there\n')
            self.both(*ssh, 'sha256sum', stdin=bytes(range(256)) * 20000)
            self.both(*ssh, 'head -c 5000000 /dev/zero | sha256sum; cat', stdin=b'through')
            self.both(*ssh, 'kill -9 $$', status=255)

    def test_perl(self):
        self.need('perl')
        self.both('perl', '-v')
        told = self.both('perl', '-e', PERL, stdin=b'', status=5)
        self.assertIn('alarm\n', told)
        self.assertIn('server ended with 7\n', told)

    def test_perl_threads(self):
        self.need('perl')
        if subprocess.run(['perl', '-Mthreads', '-e', '1'], stderr=subprocess.DEVNULL).returncode:
            self.omit('this perl has no threads')
        self.assertEqual(self.both('perl', '-e', PERL_THREADS), '0 1 4 9 40\n')

    def test_node(self):
        self.need('node')
        self.both('node', '--version')
        told = self.both('node', '-e', NODE, status=9)
        self.assertIn('SIGUSR2', told)


if __name__ == '__main__':
    unittest.main()
