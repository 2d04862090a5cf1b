# SPDX-License-Identifier: Apache-2.0
"""When waiting at a channel is a deadlock, and when not: syncless run demo_thread_channel.py

Alone, main would wait for ever, so it is told.  A second thread, or a coroutine
that sleeps, might still send something.
"""
import threading
import time

from syncless import stackless


def send_later(text):
    time.sleep(0.05)
    channel.send(text)


channel = stackless.channel()
try:
    channel.receive()
except (RuntimeError, StopIteration) as error:
    print(f'alone: {type(error).__name__}: {error}')
thread = threading.Thread(target=send_later, args=('a thread',))
thread.start()
print('sent by', channel.receive())
thread.join()
stackless.tasklet(send_later)('a tasklet that has slept')
print('sent by', channel.receive())
try:
    channel.receive()
except (RuntimeError, StopIteration) as error:
    print(f'alone again: {type(error).__name__}')
