# SPDX-License-Identifier: Apache-2.0
"""The same in the style of blocking programs, for libraries that patch them."""
import threading
import time


def serve(sock, answer):
    while True:
        reply = answer(sock.recv(100))
        if reply is None:
            return
        sock.sendall(reply)


def run(sock, answer, tick, seconds):
    def go_on_ticking():
        while not is_over:
            time.sleep(seconds)
            tick()
    is_over = []
    ticker = threading.Thread(target=go_on_ticking)
    ticker.start()
    serve(sock, answer)
    is_over.append(True)
    ticker.join()
    sock.close()
