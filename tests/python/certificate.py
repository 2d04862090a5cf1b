# SPDX-License-Identifier: Apache-2.0
"""Certificates, each with its key in the same file."""
import os
import subprocess


def make(folder, name='localhost', signer=None):
    """The path of a new one in folder, name.pem.  signer: path of the one that signs it; None: it does so itself."""
    path = os.path.join(folder, f'{name}.pem')
    signed = ['-CA', signer, '-CAkey', signer] if signer else []
    subprocess.run(['openssl', 'req', '-x509', '-nodes', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256',
                    '-days', '2', '-subj', f'/O=Syncless, tests/CN={name}', '-addext',
                    f'subjectAltName=DNS:{name},IP:127.0.0.1', *signed, '-keyout', path, '-out', path + '.crt'],
                   stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    with open(path, 'a') as whole, open(path + '.crt') as certificate:
        whole.write(certificate.read())
    return path
