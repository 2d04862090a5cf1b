# SPDX-License-Identifier: Apache-2.0
"""A certificate for localhost that has signed itself, with its key in the same file."""
import os
import subprocess


def make(folder):
    """The path of a new one in folder."""
    path = os.path.join(folder, 'localhost.pem')
    subprocess.run(['openssl', 'req', '-x509', '-nodes', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256',
                    '-days', '2', '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1',
                    '-keyout', path, '-out', path + '.crt'],
                   stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    with open(path, 'a') as whole, open(path + '.crt') as certificate:
        whole.write(certificate.read())
    return path
