# SPDX-License-Identifier: Apache-2.0
"""The servers that scripts/services can start, by name."""
from .base import Unavailable, make_folder, raise_file_limit
from .databases import MariaDB, PostgreSQL, Redis
from .others import Memcached, OpenLDAP, OpenSSH, RabbitMQ

__all__ = ['SERVICES', 'Unavailable', 'make_folder', 'raise_file_limit']

SERVICES = {kind.name: kind for kind in (MariaDB, PostgreSQL, Redis, Memcached, OpenLDAP, RabbitMQ, OpenSSH)}
