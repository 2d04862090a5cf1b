# SPDX-License-Identifier: Apache-2.0
"""requests: http.client's sockets, by way of urllib3."""
import case
import web

try:
    import requests
except ImportError as error:
    case.not_here(f'no module {error.name}')


class Requests(web.Web):
    packages = ('requests',)
    own = (requests.RequestException,)

    def get(self, path, timeout=None, port=None):
        response = requests.get(self.url(path, port), timeout=timeout)
        response.raise_for_status()
        return response.text


if __name__ == '__main__':
    case.main(Requests)
