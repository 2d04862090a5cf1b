# SPDX-License-Identifier: Apache-2.0
"""pycurl: libcurl, which polls."""
import io
import re

import case
import web

try:
    import pycurl
except ImportError as error:
    case.not_here(f'no module {error.name}')


class PycURL(web.Web):
    packages = ('pycurl',)
    own = (pycurl.error,)

    def describe(self, error):
        return re.sub(r'\d+ milliseconds', 'a time', str(error))

    def get(self, path, timeout=None, port=None):
        curl, body = pycurl.Curl(), io.BytesIO()
        curl.setopt(pycurl.URL, self.url(path, port))
        curl.setopt(pycurl.WRITEDATA, body)
        curl.setopt(pycurl.NOSIGNAL, 1)
        curl.setopt(pycurl.FAILONERROR, 1)
        if timeout:
            curl.setopt(pycurl.TIMEOUT_MS, int(timeout * 1000))
        curl.perform()
        curl.close()
        return body.getvalue().decode()


if __name__ == '__main__':
    case.main(PycURL)
