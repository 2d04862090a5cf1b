# SPDX-License-Identifier: Apache-2.0
"""An open WebSocket: its reader, who sends, and its end.

One coroutine, the reader, is in the connection's recv() all the time: it puts
messages into a queue, answers pings, and finds out that nothing comes any
more.  Whoever sends does so by itself, under a lock.  The reader never waits
for that lock: what it has to say it leaves to the one who holds it, so that a
client which takes nothing cannot keep us from reading.

The end: `code` is set, once, by the reader, as the last thing that it does
with the connection.
"""
import os
import socket
import time
import zlib

from .. import _glue, coio
from ._deflate import Streams, TooBig

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
ERROR = -1  # in a Frames' list
NO_CODE, LOST, BAD_DATA, TOO_BIG, FAILED = 1005, 1006, 1007, 1009, 1011
READ_BYTES = 65536
MOST_QUEUED = 32  # messages that nobody has received, or max_message bytes of them: the reader waits meanwhile
LONGEST_REASON = 123


def _load_frames():
    try:
        return _glue.load('_syncless_ws').Frames
    except ImportError as error:
        if 'libwslay' in str(error):
            raise ImportError(f'syncless.websocket needs the library wslay ({error}); install the package libwslay1 '
                              '(to build: libwslay-dev)') from None
        raise


_Frames = _load_frames()


class WebSocketClosed(ConnectionError):
    """The WebSocket is closed: nothing can be sent any more, and all has been received.

    code      the one that it was closed with (int): the client's, ours, 1006 if there was none
    reason    what was said with it (str)
    is_fault  the client has broken the protocol, or has gone in the midst of a message (bool)
    """

    def __init__(self, code, reason, is_fault=False):
        super().__init__(f'the WebSocket is closed: {code} {reason}'.rstrip())
        self.code, self.reason, self.is_fault = code, reason, is_fault


def _close_payload(code, reason):
    """ValueError: nobody may say this."""
    if not (1000 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code <= 4999):
        raise ValueError(f'a WebSocket is closed with 1000, 1001, 1003, 1007 to 1014 or 3000 to 4999, not {code}')
    text = reason.encode()
    if len(text) > LONGEST_REASON:
        raise ValueError(f'the reason of a close has {LONGEST_REASON} bytes at most, not {len(text)}')
    return code.to_bytes(2, 'big') + text


def _positive(name, seconds):
    if seconds is not None and not seconds > 0:
        raise ValueError(f'{name} must be above 0, or None, not {seconds!r}')
    return seconds


class WebSocket:
    """What accept() returns.  Iterating gives the messages until it is closed, whoever has closed it.

    max_message    bytes of a message that comes, inflated (int; 1 MiB): 1009 beyond
    ping_seconds   after which a client that says nothing is pinged (float; 20; None: never)
    pong_seconds   within which it must say something then: else 1011, and the connection ends (20)
    idle_seconds   without a message from the client: 1001 (None: any time)
    close_seconds  for the client to answer our Close (10)

    subprotocol    what was agreed on (str or None)
    code, reason   of its end (int, str); None until then

    Coroutines and green threads may use it at once: a message goes out whole, and comes to one of them.
    """

    __slots__ = ('subprotocol', 'code', 'reason', '_is_fault', '_frames', '_streams', '_from_bytes', '_ping_seconds',
                 '_pong_seconds', '_idle_seconds', '_close_seconds', '_messages', '_put', '_got', '_most', '_waiters',
                 '_room', '_sending', '_controls', '_closing', '_close_by', '_discards', '_pings', '_pinged', '_heard',
                 '_messaged', '_connection', '_reader', '__weakref__')  # there may be many

    def __init__(self):
        raise TypeError('a WebSocket is made by accept()')

    @classmethod
    def _begin(cls, hijack, answer, subprotocol, settings, max_message=1 << 20, ping_seconds=20, pong_seconds=20,
               idle_seconds=None, close_seconds=10):
        self = cls.__new__(cls)
        self.subprotocol = subprotocol
        self.code = self.reason = None
        self._is_fault = False
        self._frames = _Frames(max_message, settings is not None)
        self._streams = settings and Streams(settings, max_message)
        self._from_bytes = settings.from_bytes if settings else 0
        self._ping_seconds = _positive('ping_seconds', ping_seconds)
        self._pong_seconds = _positive('pong_seconds', pong_seconds)
        self._idle_seconds = _positive('idle_seconds', idle_seconds)
        self._close_seconds = _positive('close_seconds', close_seconds)
        self._messages = []
        self._put = self._got = 0  # bytes that have been in there, and those that are not any more
        self._most = max_message
        self._waiters = []  # locks, of those that wait for a message, or the end
        self._room = None  # the lock of the reader that waits for the queue to become shorter
        self._sending = coio.Lock()
        self._controls = []  # (opcode, payload) that are to be sent
        self._closing = None  # (code, reason): a Close has been sent, or is in _controls
        self._close_by = None  # the reader waits no longer
        self._discards = False  # the application is over
        self._pings = {}  # {payload: the lock that its pong releases}
        self._pinged = None  # when the reader has sent a ping that nothing has followed
        self._heard = self._messaged = time.monotonic()
        self._connection = hijack(self._server_stops, self._application_ends)
        self._reader = None
        try:
            self._connection.sendall(answer)
        except OSError:
            raise WebSocketClosed(LOST, 'the connection was lost') from None
        self._reader = coio.spawn(self._read)
        if self._connection.stopping:
            self._server_stops()
        return self

    # --- For the application.

    @property
    def closed(self):
        """Can nothing be sent any more?  (bool)  Messages may still wait to be received."""
        return self._closing is not None or self.code is not None

    def receive(self, timeout=None):
        """The next message: str if it is text, bytes if it is binary.

        timeout: seconds; None: any time.  TimeoutError: they are over.  WebSocketClosed: there are no more.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            try:
                message = self._messages.pop(0)
            except IndexError:
                self._await(deadline)
                continue
            self._got += len(message)
            self._make_room()
            return message

    def _await(self, deadline):
        """A message or the end; either has come, perhaps, when it returns."""
        waiter = coio.Lock()
        waiter.acquire()
        self._waiters.append(waiter)
        try:
            if self._messages:
                return
            if self.code is not None:
                raise self._closed()
            left = -1 if deadline is None else max(0, deadline - time.monotonic())
            if not waiter.acquire(True, left) and not self._messages:
                raise TimeoutError('no message has come in time')
        finally:
            if waiter in self._waiters:
                self._waiters.remove(waiter)

    def __iter__(self):
        return self

    def __next__(self):
        try:
            return self.receive()
        except WebSocketClosed:
            raise StopIteration from None

    def send(self, message):
        """Sends str as text, bytes (and what is like them) as binary; returns when the system has taken it.

        WebSocketClosed: the WebSocket is closed, or the client was lost.  TypeError: it is nothing of both.
        ValueError: the text has surrogates, which UTF-8 has not.
        """
        if isinstance(message, str):
            opcode, data = TEXT, message.encode()
        elif isinstance(message, bytes):
            opcode, data = BINARY, message
        else:
            try:
                opcode, data = BINARY, bytes(memoryview(message))
            except TypeError:
                raise TypeError(f'a message is str or bytes, not {message!r}') from None
        with self._sending:
            if self.closed:
                raise self._closed()
            compressed = self._streams is not None and len(data) >= self._from_bytes
            if compressed:
                data = self._streams.deflate(data)
            self._write(opcode, data, compressed)
        self._flush()

    def ping(self, timeout=None):
        """Pings the client, and waits for its pong; the seconds that it took (float).

        timeout: seconds; None: any time.  TimeoutError: they are over.  WebSocketClosed: it is closed meanwhile.
        """
        payload, waiter, began = os.urandom(8), coio.Lock(), time.monotonic()
        waiter.acquire()
        self._pings[payload] = waiter
        try:
            if self.closed:
                raise self._closed()
            self._say(PING, payload)
            is_answered = waiter.acquire(True, -1 if timeout is None else max(0, timeout))
            if payload in self._pings and self.code is not None:
                raise self._closed()
            if not is_answered:
                raise TimeoutError('no pong has come in time')
        finally:
            self._pings.pop(payload, None)
        return time.monotonic() - began

    def close(self, code=1000, reason=''):
        """Says Close, and waits for the client's, for close_seconds at most; nothing if it is closed.

        code: 1000, 1001, 1003, 1007 to 1014, 3000 to 4999; reason: 123 bytes of UTF-8 at most; else ValueError.
        Messages that come meanwhile can still be received, as many as there is room for.
        """
        self._begin_close(code, reason)
        if not self._reader.join(self._close_seconds):
            self._lose()
            self._reader.join()

    # --- Sending.

    def _write(self, opcode, payload, compressed=False):
        """By the one who holds _sending."""
        try:
            self._connection.sendall(self._frames.head(opcode, payload, compressed), payload)
        except OSError:
            self._lose()
            raise self._closed() from None
        except BaseException:  # a Timeout or kill(), perhaps in the midst of a frame
            self._lose()
            raise

    def _flush(self):
        """Control frames go out, by us or by the one who is sending just now.  That one was lost the reader tells."""
        while self._controls and self._sending.acquire(False):
            try:
                while self._controls:
                    self._write(*self._controls.pop(0))
            except WebSocketClosed:
                self._controls.clear()
            finally:
                self._sending.release()

    def _say(self, opcode, payload):
        self._controls.append((opcode, payload))
        self._flush()

    def _begin_close(self, code, reason):
        payload = _close_payload(code, reason)
        if self.closed:
            return
        self._closing = code, reason
        if self._close_seconds is not None:
            self._close_by = time.monotonic() + self._close_seconds
        self._make_room()
        self._say(CLOSE, payload)

    def _lose(self):
        """Ends what waits in the connection, and with it the reader."""
        if self._closing is None:
            self._closing = LOST, 'the connection was lost'
        try:
            self._connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def _closed(self):
        code, reason = (self.code, self.reason) if self.code is not None else self._closing or (LOST, '')
        return WebSocketClosed(code, reason, self._is_fault)

    # --- Reading.

    def _read(self):
        """The reader."""
        end = LOST, 'the connection was lost'
        try:
            while True:
                try:
                    data = self._connection.recv(READ_BYTES, self._deadline())
                except TimeoutError:
                    end = self._on_silence()
                    if end:
                        return
                    continue
                end = self._take_all(data)
                if end:
                    return
        except OSError:
            end = LOST, 'the connection was lost'
        finally:
            self._end(*(end or (LOST, 'the connection was lost')))

    def _take_all(self, data):
        """(code, reason) of the end; None: it goes on."""
        if not data:
            self._is_fault = self._frames.begun()
            return LOST, 'the connection was lost'
        self._heard, self._pinged = time.monotonic(), None
        for what, payload, more in self._frames.feed(data):
            if what in (TEXT, BINARY):
                end = self._take_message(what, payload, more)
            else:
                end = self._take_control(what, payload, more)
            if end:
                return end
        return None

    def _take_message(self, opcode, payload, compressed):
        self._messaged = self._heard
        while self._is_full():
            self._await_room()
        if compressed:
            try:
                payload = self._streams.inflate(payload)
                if opcode == TEXT:
                    payload = payload.decode()
            except TooBig:
                return self._fail(TOO_BIG, 'a message is too long')
            except (zlib.error, UnicodeDecodeError) as error:
                return self._fail(BAD_DATA, 'a message cannot be inflated' if isinstance(error, zlib.error) else
                                  'text is not UTF-8')
        if not self._discards and not self._has_enough():  # too much can only have come behind our Close
            self._put += len(payload)
            self._messages.append(payload)
            self._wake()
        return None

    def _take_control(self, what, payload, code):
        if what == PING:
            if self._controls and self._controls[-1][0] == PONG:  # the latest is enough: RFC 6455, 5.5.3
                self._controls.pop()
            if self._closing is None:
                self._say(PONG, payload)
        elif what == PONG:
            waiter = self._pings.pop(payload, None)
            if waiter is not None:
                waiter.release()
        elif what == CLOSE:
            if self._closing is None:
                self._closing = code, payload
                self._say(CLOSE, b'' if code == NO_CODE else code.to_bytes(2, 'big'))
            return code, payload
        else:
            return self._fail(code, payload)
        return None

    def _fail(self, code, why, is_fault=True):
        """The client is told what it must not do, and no more is read."""
        self._is_fault = is_fault
        if self._closing is None:
            self._closing = code, why
            self._say(CLOSE, _close_payload(code, why))
        return code, why

    def _deadline(self):
        """When silence means something."""
        found = [self._close_by] if self._close_by is not None else []
        if self._pinged is not None:
            if self._pong_seconds is not None:
                found.append(self._pinged + self._pong_seconds)
        elif self._ping_seconds is not None:
            found.append(self._heard + self._ping_seconds)
        if self._idle_seconds is not None and self._closing is None:
            found.append(self._messaged + self._idle_seconds)
        return min(found) if found else None

    def _on_silence(self):
        now = time.monotonic()
        if self._close_by is not None:
            return (LOST, 'the client has not answered our Close') if now >= self._close_by else None
        if self._idle_seconds is not None and now >= self._messaged + self._idle_seconds:
            self._begin_close(1001, 'no message has come for too long')
        elif self._pinged is not None:
            return self._fail(FAILED, 'no pong has come', False)
        else:
            self._pinged = now
            self._say(PING, b'')
        return None

    # --- Who waits for whom.

    def _wake(self):
        """All that wait in receive(): each looks by itself, so that none who is interrupted takes another's notice."""
        while self._waiters:
            self._waiters.pop().release()

    def _has_enough(self):
        count = len(self._messages)
        return count >= MOST_QUEUED or (count > 0 and self._put - self._got >= self._most)

    def _is_full(self):
        """Shall the reader wait?  Never when a Close has been said: then it is the one to come to an end."""
        return self._closing is None and self._has_enough()

    def _await_room(self):
        room = coio.Lock()
        room.acquire()
        self._room = room
        if self._is_full():
            room.acquire()
        self._room = None

    def _make_room(self):
        room = self._room
        if room is not None and not self._is_full():
            self._room = None
            room.release()

    def _end(self, code, reason):
        if self._closing is None:
            self._closing = code, reason
        if self._controls:  # our Close, behind the message that somebody is sending
            if self._sending.acquire(True, -1 if self._close_seconds is None else self._close_seconds):
                self._sending.release()
            self._flush()
        try:
            self._connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        self.reason = reason
        self.code = code
        self._wake()
        for waiter in list(self._pings.values()):
            waiter.release()

    # --- For the server.

    def _server_stops(self):
        coio.spawn(self.close, 1001, 'the server stops')

    def _application_ends(self, error):
        """Called when it has returned, or raised this error.  True: the error needs no log."""
        is_well = error is None or (isinstance(error, WebSocketClosed) and self.closed)
        if self._reader is None:  # the client has not waited for the 101
            return isinstance(error, WebSocketClosed)
        if not isinstance(error, (Exception, type(None))):  # we are killed
            self._lose()
        self._discards = True
        self._messages.clear()
        self._make_room()
        if is_well:
            self.close()
        else:
            self.close(FAILED, 'the application has failed')
        return is_well
