# SPDX-License-Identifier: Apache-2.0
"""memcached, OpenLDAP's slapd, RabbitMQ and OpenSSH's sshd."""
import getpass
import os
import shlex

from .base import CONNECTIONS, PASSWORD, USER, Service, find_program, free_port


class Memcached(Service):
    name = 'memcached'
    prefix = 'SYNCLESS_MEMCACHED_'

    def begin(self):
        self.server = find_program('memcached')
        self.make_folders('memcache')

    def settings(self):
        return {'MEMCACHED_PORT_FILENAME': f'{self.folder}/ports'}

    def command(self):
        return [self.server, '-l', '127.0.0.1', '-p', str(self.port), '-U', '0', '-c', str(CONNECTIONS), '-m', '16',
                '-t', '1']

    def is_ready(self):
        # It can listen at a port or at a unix socket; but what it writes down is its own port.
        try:
            with open(f'{self.folder}/ports') as file:
                return f'TCP INET: {self.port}\n' in file.read()
        except OSError:
            return False

    def variables(self):
        return {'HOST': '127.0.0.1', 'PORT': str(self.port)}


class OpenLDAP(Service):
    """slapd with an empty tree, of which USER may do all."""
    name = 'slapd'
    prefix = 'SYNCLESS_LDAP_'
    SUFFIX = f'dc={USER}'

    def begin(self):
        self.server = find_program('slapd')
        self.make_folders('openldap')
        self.conf = self.write('slapd.conf', f'''\
include /etc/ldap/schema/core.schema
modulepath /usr/lib/ldap
moduleload back_mdb
database mdb
suffix {self.SUFFIX}
directory {self.data}
dbnosync
rootdn cn={USER},{self.SUFFIX}
rootpw {PASSWORD}
''')

    def command(self):
        path = f'{self.folder}/socket'.replace('/', '%2F')
        return [self.server, '-d', '0', '-f', self.conf, '-h', f'ldap://127.0.0.1:{self.port} ldapi://{path}']

    def is_ready(self):
        # An anonymous bind, and that the answer is one of LDAP's messages.
        return self.ask(bytes.fromhex('300c020101600702010304008000'), 1) == b'0'

    def variables(self):
        return {'HOST': '127.0.0.1', 'PORT': str(self.port), 'USER': f'cn={USER},{self.SUFFIX}',
                'PASSWORD': PASSWORD, 'BASE': self.SUFFIX}


class RabbitMQ(Service):
    """One node, with a port mapper of Erlang's of its own, which ends with it."""
    name = 'rabbitmq'
    prefix = 'SYNCLESS_AMQP_'
    SERVER = '/usr/lib/rabbitmq/bin/rabbitmq-server'  # the one on PATH insists on a user of its own

    def begin(self):
        self.server = find_program(self.SERVER)
        self.mapper, self.with_parent = find_program('epmd'), find_program('setpriv')
        self.make_folders('rabbitmq')
        self.conf = self.write('rabbitmq.conf', (
            f'default_user = {USER}\ndefault_pass = {PASSWORD}\ndisk_free_limit.absolute = 1MB\n'
            'log.file = false\nlog.console = true\n'))
        self.plugins = self.write('enabled_plugins', '[].\n')
        self.mapper_port = free_port()

    def settings(self):
        return {'RABBITMQ_NODENAME': 'syncless@localhost', 'RABBITMQ_NODE_IP_ADDRESS': '127.0.0.1',
                'RABBITMQ_NODE_PORT': str(self.port), 'RABBITMQ_DIST_PORT': str(free_port()),
                'RABBITMQ_CONFIG_FILE': self.conf, 'RABBITMQ_ENABLED_PLUGINS_FILE': self.plugins,
                'RABBITMQ_CONF_ENV_FILE': os.devnull,
                'RUNNING_UNDER_SYSTEMD': 'true',  # so the script becomes the server, and has no child in its place
                'RABBITMQ_MNESIA_BASE': self.data, 'RABBITMQ_LOG_BASE': self.folder, 'RABBITMQ_LOGS': '-',
                'RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS':
                    '+sbwt none +sbwtdcpu none +sbwtdio none -kernel inet_dist_use_interface {127,0,0,1}',
                'ERL_EPMD_ADDRESS': '127.0.0.1', 'ERL_EPMD_PORT': str(self.mapper_port)}

    def command(self):
        mapper = shlex.join([self.with_parent, '--pdeathsig', 'KILL', self.mapper])
        return ['sh', '-c', f'{mapper} & exec {shlex.quote(self.server)}']

    def is_ready(self):
        return self.has_said('Server startup complete')

    def variables(self):
        return {'HOST': '127.0.0.1', 'PORT': str(self.port), 'USER': USER, 'PASSWORD': PASSWORD}


class OpenSSH(Service):
    """sshd, which lets in who has the key that lies in its folder: its own user, so it is run as the caller."""
    name = 'sshd'
    prefix = 'SYNCLESS_SSH_'
    EMPTY = '/run/sshd'  # as root it insists on it; one folder for all that run, so it stays

    def begin(self):
        self.server = find_program('sshd')
        self.make_folders()
        if self.user:
            for path in self.folder, self.data:
                os.chown(path, 0, 0)
            self.user = None
            os.makedirs(self.EMPTY, 0o755, exist_ok=True)
        keygen = shlex.join([find_program('ssh-keygen'), '-q', '-t', 'ed25519', '-N', '', '-f'])
        return self.popen(['sh', '-c', f'{keygen} host && {keygen} user'])

    def command(self):
        with open(os.open(f'{self.folder}/sshd_config', os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), 'w') as file:
            file.write(f'''\
ListenAddress 127.0.0.1:{self.port}
HostKey {self.folder}/host
AuthorizedKeysFile {self.folder}/user.pub
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
PrintMotd no
MaxStartups {CONNECTIONS}
''')
        return [self.server, '-D', '-e', '-f', f'{self.folder}/sshd_config']

    def is_ready(self):
        return self.has_said(f'Server listening on 127.0.0.1 port {self.port}.')

    def variables(self):
        return {'HOST': '127.0.0.1', 'PORT': str(self.port), 'USER': getpass.getuser(),
                'KEY': f'{self.folder}/user', 'HOST_KEY': f'{self.folder}/host.pub'}
