# SPDX-License-Identifier: Apache-2.0
"""Servers of our own on the loopback, for programs to talk to: HTTP, sshd, git daemon.

None of them has anything of the machine's: keys, settings and ports are made for the occasion.
"""
import contextlib
import getpass
import hashlib
import http.server
import os
import shutil
import socket
import socketserver
import ssl
import subprocess
import threading
import time

HANG = 30
BLOCK = bytes(range(256)) * 4096  # 1 MiB


class Unavailable(Exception):
    """It cannot be had here; the text says why."""


def find(program):
    path = shutil.which(program, path=os.environ.get('PATH', '') + ':/usr/sbin:/usr/lib/git-core')
    if not path:
        raise Unavailable(f'no {program} here')
    return path


def quietly(*command, **more):
    """Runs a command that must succeed; returns its stdout."""
    return subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          check=True, timeout=HANG, **more).stdout


def free_port():
    with socket.create_server(('127.0.0.1', 0)) as probe:
        return probe.getsockname()[1]


def await_port(port, process):
    end = time.monotonic() + HANG
    while True:
        with contextlib.suppress(ConnectionError), socket.create_connection(('127.0.0.1', port)):
            return
        if process.poll() is not None or time.monotonic() > end:
            raise Unavailable(f'{process.args[0]} does not start')
        time.sleep(0.01)


@contextlib.contextmanager
def daemon(*command, **more):
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               start_new_session=True, **more)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(HANG)


class Handler(http.server.BaseHTTPRequestHandler):
    """GET /N gives N bytes, POST and PUT the digest of what came; what varies is left out of the headers."""
    protocol_version = 'HTTP/1.1'

    def log_message(self, *_):
        pass

    def send_head(self, status, length, *headers):
        self.send_response_only(status)
        for name, value in (('Content-Length', length), *headers):
            self.send_header(name, value)
        self.end_headers()

    def do_GET(self):
        word = self.path.strip('/')
        if word == 'moved':
            return self.send_head(302, 0, ('Location', '/100'))
        if not word.isdigit():
            return self.send_head(404, 0)
        self.send_head(200, int(word))
        whole, rest = divmod(int(word) if self.command == 'GET' else 0, len(BLOCK))
        for _ in range(whole):
            self.wfile.write(BLOCK)
        self.wfile.write(BLOCK[:rest])
        return None

    do_HEAD = do_GET

    def do_POST(self):
        answer = hashlib.sha256(self.rfile.read(int(self.headers['Content-Length']))).hexdigest().encode()
        self.send_head(200, len(answer))
        self.wfile.write(answer)

    do_PUT = do_POST


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


class UnixServer(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    request_queue_size = 128


@contextlib.contextmanager
def serving(server):
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


@contextlib.contextmanager
def web(folder=None, handler=Handler):
    """Yields the port.  With a folder: HTTPS, by a certificate that is put there as cert.pem."""
    server = Server(('127.0.0.1', 0), handler)
    if folder:
        key, cert = os.path.join(folder, 'key.pem'), os.path.join(folder, 'cert.pem')
        quietly(find('openssl'), 'req', '-x509', '-nodes', '-newkey', 'ec',
                '-pkeyopt', 'ec_paramgen_curve:P-256', '-keyout', key, '-out', cert,
                '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost')
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    with serving(server):
        yield server.server_address[1]


def web_at(path, handler=Handler):
    """HTTP on a unix socket there."""
    return serving(UnixServer(path, handler))


def write(folder, name, text):
    path = os.path.join(folder, name)
    with open(path, 'w') as file:
        file.write(text)
    os.chmod(path, 0o600)
    return path


@contextlib.contextmanager
def sshd(folder):
    """Yields the command that logs in, without the command to run there."""
    program, port = find('sshd'), free_port()
    for name in ('host', 'user'):
        quietly(find('ssh-keygen'), '-q', '-t', 'ed25519', '-N', '', '-f', os.path.join(folder, name))
    with open(os.path.join(folder, 'host.pub')) as file:
        write(folder, 'known', f'[127.0.0.1]:{port} {file.read()}')
    conf = write(folder, 'sshd_config', f'''\
ListenAddress 127.0.0.1:{port}
HostKey {folder}/host
AuthorizedKeysFile {folder}/user.pub
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin prohibit-password
PrintMotd no
''')
    login = write(folder, 'ssh_config', f'''\
Host there
HostName 127.0.0.1
Port {port}
User {getpass.getuser()}
IdentityFile {folder}/user
IdentitiesOnly yes
UserKnownHostsFile {folder}/known
GlobalKnownHostsFile none
BatchMode yes
LogLevel ERROR
''')
    with contextlib.ExitStack() as stack:
        if os.geteuid() == 0 and not os.path.isdir('/run/sshd'):  # it insists
            os.mkdir('/run/sshd', 0o755)
            stack.callback(os.rmdir, '/run/sshd')
        log = stack.enter_context(open(os.path.join(folder, 'log'), 'wb'))
        await_port(port, stack.enter_context(daemon(program, '-D', '-e', '-f', conf, stderr=log)))
        command = [find('ssh'), '-F', login, 'there']
        try:
            quietly(*command, 'true')
        except subprocess.CalledProcessError as error:
            raise Unavailable('sshd lets nobody in: ' + error.stderr.decode().strip()) from None
        yield command


@contextlib.contextmanager
def git_daemon(folder, **more):
    """Yields the port; serves the repositories of the folder."""
    port = free_port()
    with daemon(find('git'), 'daemon', '--listen=127.0.0.1', f'--port={port}', f'--base-path={folder}',
                '--export-all', '--reuseaddr', stderr=subprocess.DEVNULL, **more) as process:
        await_port(port, process)
        yield port
