# SPDX-License-Identifier: Apache-2.0
"""A page, and the WebSocket that it talks to: syncless run demo_websocket.py [PORT]

What is said there comes back reversed, and all pages learn how many they are.
http://127.0.0.1:16666/#hello says hello by itself, and closes with the answer.
"""
import json
import sys

from syncless import websocket, wsgi

PAGE = b'''<!DOCTYPE html>
<meta charset="utf-8">
<title>WebSocket</title>
<form><input id="line" autofocus> <button>Say</button></form>
<p id="count"></p>
<pre id="log"></pre>
<script>
const ws = new WebSocket(location.href.replace(/^http/, 'ws').replace(/#.*/, ''));
const to = id => document.getElementById(id);
const said = decodeURIComponent(location.hash.slice(1));
ws.onopen = () => said && ws.send(said);
ws.onclose = event => to('log').append(`closed: ${event.code} ${event.reason}\\n`);
ws.onmessage = event => {
	const { answer, here } = JSON.parse(event.data);
	if (here)
		return to('count').textContent = `${here} here`;
	to('log').append(answer + '\\n');
	if (said)
		ws.close(1000, answer);
};
document.forms[0].onsubmit = event => {
	event.preventDefault();
	ws.send(to('line').value);
	to('line').value = '';
};
</script>
'''
here = []


def tell_how_many():
    for ws in list(here):
        try:
            ws.send(json.dumps({'here': len(here)}))
        except websocket.WebSocketClosed:
            pass  # its own loop ends as well


def talk(ws):
    here.append(ws)
    tell_how_many()
    try:
        for message in ws:
            ws.send(json.dumps({'answer': message[::-1]}))
    finally:
        here.remove(ws)
        tell_how_many()
        print('closed:', ws.code, ws.reason, flush=True)


def application(environ, start_response):
    if environ.get('HTTP_UPGRADE', '').lower() == 'websocket':
        talk(websocket.accept(environ, max_message=1000))
        return websocket.done
    start_response('200 OK', [('Content-Type', 'text/html; charset=utf-8')])
    return [PAGE]


with wsgi.listen(('127.0.0.1', int(sys.argv[1]) if len(sys.argv) > 1 else 16666)) as listener:
    print('listening on', listener.getsockname()[1], flush=True)
    wsgi.HttpServer(application, listener).serve()
