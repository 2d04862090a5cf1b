# SPDX-License-Identifier: Apache-2.0
"""python-ldap: OpenLDAP's library.  The server answers at once, so a relay before it holds the searches back."""
import case

try:
    import ldap
except ImportError as error:
    case.not_here(f'no module {error.name}')


class Ldap(case.Client):
    packages = ('python-ldap',)
    own = (ldap.LDAPError,)

    def open(self):
        self.at = case.service('LDAP', 'USER', 'PASSWORD', 'BASE')
        self.refusing, self.mute = case.refusing_port(), case.mute_port()
        self.peer = case.Peer('stub.py', self.at['port'])
        direct = self.connect(self.at['port'])
        self.add(direct, self.at['base'], {'objectClass': [b'dcObject', b'organization'], 'o': [b'tests']})
        for number in range(case.COUNT):
            self.add(direct, self.dn(number), {'objectClass': b'applicationProcess', 'description': [
                f'answer-{number}'.encode()]})

    def add(self, connection, name, attributes):
        try:
            connection.add_s(name, list(attributes.items()))
        except ldap.ALREADY_EXISTS:
            pass  # since the last check

    def dn(self, number):
        return f'cn=hold-{number},{self.at["base"]}'

    def connect(self, port=None, password=None):
        connection = ldap.initialize(f'ldap://127.0.0.1:{port or self.peer.addresses["relay"]}')
        connection.simple_bind_s(self.at['user'], password or self.at['password'])
        return connection

    def wait(self, number):
        ((_, found),) = self.connect().search_s(self.dn(number), ldap.SCOPE_BASE)
        return found['description'][0].decode()

    def search(self, text, timeout=-1):
        return self.connect().search_st(self.at['base'], ldap.SCOPE_BASE, f'(|(objectClass=*)(o={text}))',
                                        timeout=timeout)

    def failures(self):
        return {'refused': lambda: self.connect(self.refusing), 'password': lambda: self.connect(password='no'),
                'search': lambda: self.connect().search_s('dc=nowhere', ldap.SCOPE_BASE)}

    def timeouts(self):
        return {'answer': lambda: self.search('mute-', timeout=case.SOON)}

    def hanging(self):
        connection = self.connect()
        return lambda: connection.search_s(self.at['base'], ldap.SCOPE_BASE, '(|(objectClass=*)(o=mute-))')

    def ping(self):
        assert self.search('something')


if __name__ == '__main__':
    case.main(Ldap)
