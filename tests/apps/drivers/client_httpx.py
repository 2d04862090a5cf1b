# SPDX-License-Identifier: Apache-2.0
"""httpx: one client for all threads, so its pool's locks are shared."""
import case
import web

try:
    import httpx
except ImportError as error:
    case.not_here(f'no module {error.name}')


class Httpx(web.Web):
    packages = ('httpx',)
    own = (httpx.HTTPError,)

    def open(self):
        super().open()
        self.client = httpx.Client(timeout=None, limits=httpx.Limits(max_connections=case.COUNT))

    def get(self, path, timeout=None, port=None):
        response = self.client.get(self.url(path, port), timeout=timeout)
        response.raise_for_status()
        return response.text


if __name__ == '__main__':
    case.main(Httpx)
