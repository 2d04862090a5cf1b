# SPDX-License-Identifier: Apache-2.0
"""urllib3: one pool for all threads."""
import case
import web

try:
    import urllib3
except ImportError as error:
    case.not_here(f'no module {error.name}')


class Urllib3(web.Web):
    packages = ('urllib3',)
    own = (urllib3.exceptions.HTTPError,)

    def open(self):
        super().open()
        self.pool = urllib3.PoolManager(maxsize=case.COUNT, block=True)

    def get(self, path, timeout=None, port=None):
        retries = urllib3.Retry(total=1, status_forcelist=[500], backoff_factor=0)
        return self.pool.request('GET', self.url(path, port), timeout=timeout, retries=retries).data.decode()


if __name__ == '__main__':
    case.main(Urllib3)
