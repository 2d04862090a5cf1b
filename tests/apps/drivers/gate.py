# SPDX-License-Identifier: Apache-2.0
"""A gate: a server's side of 50 waits at once.

A server of ours runs without the preload, in a process of its own, and lets
each request that is to wait into hold().  Whoever has started it (case.Peer)
asks on its stdin how many are in there, and when all are, opens the gate.  It
ends when its stdin does.
"""
import json
import os
import sys
import threading


class Gate:
    def __init__(self):
        self.lock = threading.Lock()
        self.count = 0
        self.opened = threading.Event()

    def hold(self):
        """Returns when the gate is open."""
        with self.lock:
            self.count += 1
        self.opened.wait()

    @staticmethod
    def never():
        threading.Event().wait()

    def attend(self, **addresses):
        """Tells where the server is, then answers its starter to the end."""
        print(json.dumps(addresses), flush=True)
        for line in sys.stdin:
            if line == 'open\n':
                self.opened.set()
            print(self.count, flush=True)
        os._exit(0)
