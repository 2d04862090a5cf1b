# SPDX-License-Identifier: Apache-2.0
"""A world of our own for look-ups: namespaces with their own /etc, addresses and DNS servers.

enter() runs the calling script again inside fresh mount and network namespaces (and, for who is not root, a
user namespace); a World, made there, lays out the files and starts the servers.  Nothing of it is seen
outside, and all of it goes with the process: /etc is a tmpfs with copies of the few files of the machine's
that programs need.
"""
import contextlib
import ctypes
import functools
import os
import select
import shutil
import subprocess
import sys
import threading
import time

from dns_server import Server
from zone import make_zone

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
BUILD = os.path.abspath(os.environ.get('BUILD') or os.path.join(ROOT, 'build'))
SHIM = os.path.join(BUILD, 'libsyncless.so')
PROGRAMS = os.path.join(BUILD, 'tests', 'resolver')
INSIDE = 'SYNCLESS_TEST_WORLD'
HANG = 100  # seconds; it ends what would never end
COPIED = ('passwd', 'group', 'protocols', 'services', 'ld.so.cache', 'localtime')
UNBOUND = '''
server:
    directory: "{folder}"
    username: ""
    chroot: ""
    pidfile: ""
    use-syslog: no
    interface: {address}
    do-not-query-localhost: no
    do-ip6: no
    access-control: 0.0.0.0/0 allow
    module-config: "iterator"
    rrset-roundrobin: no
    qname-minimisation: no
    local-zone: "test." transparent
    local-zone: "in-addr.arpa." transparent
    local-zone: "2.0.192.in-addr.arpa." transparent
    local-zone: "8.b.d.0.1.0.0.2.ip6.arpa." transparent
    num-threads: 1
    verbosity: 0
remote-control:
    control-enable: no
forward-zone:
    name: "."
    forward-addr: {upstream}
'''


def skip(reason):
    print('SKIP: ' + reason)
    sys.exit(77)


def unshare_command():
    """What makes the namespaces, or the reason why nothing does."""
    if not shutil.which('unshare'):
        return None, 'no unshare here (package util-linux)'
    if not shutil.which('ip'):
        return None, 'no ip here (package iproute2)'
    done = None
    users = ['--user', '--map-root-user']
    for words in ([], users) if os.geteuid() == 0 else (users,):
        command = ['unshare', *words, '--mount', '--net', '--']
        done = subprocess.run([*command, 'sh', '-c', 'mount -t tmpfs none /mnt && ip link set lo up'],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True)
        if done.returncode == 0:
            return command, None
    return None, 'namespaces are refused here: ' + done.stdout.strip().replace('\n', '; ')


def enter(script):
    """Returns inside of the namespaces: outside it never does."""
    if os.environ.get(INSIDE):
        return
    command, reason = unshare_command()
    if reason:
        skip(reason)
    os.environ[INSIDE] = '1'
    os.execvp(command[0], [*command, sys.executable, script, *sys.argv[1:]])


def leave_for_another():
    """New mount and network namespaces for this process, which is inside already."""
    CLONE_NEWNS, CLONE_NEWNET = 0x20000, 0x40000000
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNS | CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), 'unshare')
    run(['mount', '--make-rprivate', '/'])


@functools.lru_cache(None)
def preload():
    """What goes into LD_PRELOAD; a sanitizer's runtime must come first."""
    linked = subprocess.run(['ldd', os.path.join(PROGRAMS, 'lookup')], stdout=subprocess.PIPE, text=True).stdout
    runtime = [line.split()[2] for line in linked.splitlines() if 'libasan' in line]
    return ':'.join([*runtime, SHIM])


def plain_env(**extra):
    env = {name: value for name, value in os.environ.items()
           if name not in ('LD_PRELOAD', 'LOCALDOMAIN', 'RES_OPTIONS',
                           'HOSTALIASES') and not name.startswith('LC_')}
    env.update({'LC_ALL': 'C.UTF-8'}, **extra)
    return env


def green_env(**extra):
    return plain_env(LD_PRELOAD=preload(), SYNCLESS_THREADS='all', **extra)


class World:
    """Files, addresses and servers.  files: names in /etc and their text, or None for one that is missing."""

    def __init__(self, files, servers=(), on_question=None, zone=None):
        self.closing = contextlib.ExitStack()
        run(['ip', 'link', 'set', 'lo', 'up'])
        self.folder = self.make_etc()
        for name, text in files.items():
            self.write(name, text)
        self.server = None
        self.zone, self.servers, self.on_question = zone or make_zone(), servers, on_question

    def start(self):
        if self.servers:
            self.server = Server(self.zone, dict(self.servers), self.on_question)
            self.closing.callback(self.server.close)

    def make_etc(self):
        """A tmpfs over /mnt holds everything.  It is never removed by us: it ends with the namespace."""
        run(['mount', '-t', 'tmpfs', 'none', '/mnt'])
        os.mkdir('/mnt/etc')
        for name in COPIED:
            with contextlib.suppress(OSError):
                shutil.copy('/etc/' + name, '/mnt/etc/' + name)
        run(['mount', '--bind', '/mnt/etc', '/etc'])
        for folder in ('/run/nscd', '/var/run/nscd'):  # a cache would answer in our place
            if os.path.isdir(folder):
                run(['mount', '-t', 'tmpfs', 'none', folder])
        os.mkdir('/mnt/lookups')
        os.symlink(os.path.join(PROGRAMS, 'libnss_fake.so'), '/mnt/lookups/libnss_fake.so.2')
        return '/mnt/lookups'

    def write(self, name, text):
        """Puts a file into /etc in one step, as editors and resolvconf do; None takes it away."""
        path = os.path.join('/etc', name)
        if text is None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
            return
        with open(path + '.new', 'wb') as file:
            file.write(text if isinstance(text, bytes) else text.encode())
        os.rename(path + '.new', path)

    def add_addresses(self, addresses, device='lo'):
        for address in addresses:
            run(['ip', 'address', 'add', address, 'dev', device, *(['nodad'] if ':' in address else [])])

    def add_device(self, addresses):
        """A network beyond which all addresses lie; false if no such device can be made."""
        if subprocess.run(['ip', 'link', 'add', 'va', 'type', 'veth', 'peer', 'name', 'vb'],
                          stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode:
            return False
        for name in ('va', 'vb'):
            # No address of its own making: that would depend on the device's random MAC.
            with open(f'/proc/sys/net/ipv6/conf/{name}/addr_gen_mode', 'w') as file:
                file.write('1')
            run(['ip', 'link', 'set', name, 'up'])
        self.add_addresses(addresses, 'va')
        for family in {'-6' if ':' in address else '-4' for address in addresses}:
            run(['ip', family, 'route', 'add', 'default', 'dev', 'va'])
        return True

    def start_unbound(self, address, upstream):
        path = os.path.join(self.folder, 'unbound.conf')
        with open(path, 'w') as file:
            file.write(UNBOUND.format(folder=self.folder, address=address, upstream=upstream))
        unbound = shutil.which('unbound') or shutil.which('unbound', path='/usr/sbin:/sbin')
        if not unbound:
            return False
        process = subprocess.Popen([unbound, '-d', '-c', path], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self.closing.callback(end, process)
        told = b''
        limit = time.monotonic() + HANG
        while b'start of service' not in told:
            if not select.select([process.stderr], [], [], max(0, limit - time.monotonic()))[0]:
                raise AssertionError('unbound does not start')
            more = os.read(process.stderr.fileno(), 65536)
            if not more:
                raise AssertionError('unbound: ' + told.decode(errors='replace'))
            told += more
        threading.Thread(target=process.stderr.read, daemon=True).start()  # a full pipe would stop it
        return True

    def close(self):
        self.closing.close()


def end(process):
    process.kill()
    process.wait()


def run(command):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True)
    if done.returncode:
        raise AssertionError(f'{" ".join(command)}: {done.stdout}')
