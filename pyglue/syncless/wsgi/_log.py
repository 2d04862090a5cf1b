# SPDX-License-Identifier: Apache-2.0
"""Access logs: callables for HttpServer(access_log=...), which write a line for each request to a text stream."""
import json
import time

MONTHS = 'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec'.split()


class Common:
    """The common log format of NCSA's server.  stream: a text file."""

    def __init__(self, stream):
        self.stream = stream
        self.second, self.stamp = 0, ''

    def _now(self):
        second = int(time.time())
        if second != self.second:
            t = time.localtime(second)
            self.stamp = time.strftime(f'%d/{MONTHS[t.tm_mon - 1]}/%Y:%H:%M:%S %z', t)
            self.second = second
        return self.stamp

    def __call__(self, environ, status, sent, seconds):
        line = f'{environ["REQUEST_METHOD"]} {environ["REQUEST_URI"]} {environ["SERVER_PROTOCOL"]}'
        line = line.replace('\\', '\\\\').replace('"', '\\"')
        self.stream.write(f'{environ["REMOTE_ADDR"] or "-"} - {environ.get("REMOTE_USER", "-")} [{self._now()}] "{line}" '
                          f'{status} {sent or "-"}\n')
        self.stream.flush()


class Json:
    """An object a line: time, peer, method, target, protocol, status, bytes, seconds, agent, referer."""

    def __init__(self, stream):
        self.stream = stream

    def __call__(self, environ, status, sent, seconds):
        self.stream.write(json.dumps({
            'time': round(time.time(), 3), 'peer': environ['REMOTE_ADDR'], 'method': environ['REQUEST_METHOD'],
            'target': environ['REQUEST_URI'], 'protocol': environ['SERVER_PROTOCOL'], 'status': status, 'bytes': sent,
            'seconds': round(seconds, 6), 'agent': environ.get('HTTP_USER_AGENT'),
            'referer': environ.get('HTTP_REFERER')}) + '\n')
        self.stream.flush()


FORMATS = {'common': Common, 'json': Json}
