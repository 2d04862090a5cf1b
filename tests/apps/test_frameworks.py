# SPDX-License-Identifier: Apache-2.0
# modes: preload
# needs: greenlet
# timeout: 180
"""The frameworks that people have, on our server: one small site, written for each, asked the same things."""
import contextlib
import importlib.util
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), 'python'))
import support  # noqa: E402
from app_case import LAUNCHER, AppCase, free_port  # noqa: E402
from http_case import Client  # noqa: E402

FORM = 'application/x-www-form-urlencoded'
PARTS = (b'--cut\r\nContent-Disposition: form-data; name="f"; filename="a.bin"\r\n'
         b'Content-Type: application/octet-stream\r\n\r\n' + bytes(range(256)) * 1000 + b'\r\n--cut--\r\n')

FLASK = '''
from flask import Flask, Response, abort, request
app = Flask(__name__)
from pass_gate import pass_gate

@app.route('/hello/<name>')
def hello(name):
    return f'{name} {request.args["q"]}'
@app.route('/form', methods=['POST'])
def form():
    return request.form['a'] + request.form['b']
@app.route('/upload', methods=['POST'])
def upload():
    return str(len(request.files['f'].read()))
@app.route('/cookie')
def cookie():
    response = Response('set')
    response.set_cookie('kept', 'value')
    return response
@app.route('/stream')
def stream():
    return Response(str(n) for n in range(3))
@app.route('/gate')
def gate():
    return pass_gate()
@app.route('/crash')
def crash():
    raise ValueError('on purpose')
'''

BOTTLE = '''
import bottle
from bottle import request, response
from pass_gate import pass_gate
app = bottle.Bottle()

@app.get('/hello/<name>')
def hello(name):
    return f'{name} {request.query["q"]}'
@app.post('/form')
def form():
    return request.forms['a'] + request.forms['b']
@app.post('/upload')
def upload():
    return str(len(request.files['f'].file.read()))
@app.get('/cookie')
def cookie():
    response.set_cookie('kept', 'value')
    return 'set'
@app.get('/stream')
def stream():
    yield from '012'
@app.get('/gate')
def gate():
    return pass_gate()
@app.get('/crash')
def crash():
    raise ValueError('on purpose')
'''

FALCON = '''
import falcon
from pass_gate import pass_gate

class Site:
    def on_get_hello(self, req, resp, name):
        resp.text = f'{name} {req.get_param("q")}'
    def on_post_form(self, req, resp):
        form = req.get_media()
        resp.text = form['a'] + form['b']
    def on_post_upload(self, req, resp):
        for part in req.get_media():
            resp.text = str(len(part.stream.read()))
    def on_get_cookie(self, req, resp):
        resp.set_cookie('kept', 'value')
        resp.text = 'set'
    def on_get_stream(self, req, resp):
        resp.stream = (str(n).encode() for n in range(3))
    def on_get_gate(self, req, resp):
        resp.text = pass_gate()
    def on_get_crash(self, req, resp):
        raise ValueError('on purpose')

app = falcon.App()
site = Site()
app.add_route('/hello/{name}', site, suffix='hello')
for name in 'form', 'upload', 'cookie', 'stream', 'gate', 'crash':
    app.add_route('/' + name, site, suffix=name)
'''

DJANGO = '''
from django.conf import settings
settings.configure(DEBUG=False, SECRET_KEY='x', ROOT_URLCONF=__name__, ALLOWED_HOSTS=['*'], MIDDLEWARE=[
    'django.middleware.common.CommonMiddleware'], LOGGING_CONFIG=None)
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse, StreamingHttpResponse
from django.urls import path
from pass_gate import pass_gate

def hello(request, name):
    return HttpResponse(f'{name} {request.GET["q"]}')
def form(request):
    return HttpResponse(request.POST['a'] + request.POST['b'])
def upload(request):
    return HttpResponse(str(len(request.FILES['f'].read())))
def cookie(request):
    response = HttpResponse('set')
    response.set_cookie('kept', 'value')
    return response
def stream(request):
    return StreamingHttpResponse(str(n) for n in range(3))
def gate(request):
    return HttpResponse(pass_gate())
def crash(request):
    raise ValueError('on purpose')
urlpatterns = [path('hello/<name>', hello)] + [
    path(view.__name__, view) for view in (form, upload, cookie, stream, gate, crash)]
app = get_wsgi_application()
'''

WEBAPP2 = '''
import webapp2
from pass_gate import pass_gate

class Site(webapp2.RequestHandler):
    def hello(self, name):
        self.response.write(f'{name} {self.request.get("q")}')
    def form(self):
        self.response.write(self.request.POST['a'] + self.request.POST['b'])
    def upload(self):
        self.response.write(str(len(self.request.POST['f'].file.read())))
    def cookie(self):
        self.response.set_cookie('kept', 'value')
        self.response.write('set')
    def stream(self):
        self.response.app_iter = [b'0', b'1', b'2']
    def gate(self):
        self.response.write(pass_gate())
    def crash(self):
        raise ValueError('on purpose')
app = webapp2.WSGIApplication([webapp2.Route('/hello/<name>', Site, handler_method='hello')] + [
    webapp2.Route('/' + name, Site, handler_method=name)
    for name in ('form', 'upload', 'cookie', 'stream', 'gate', 'crash')])
'''

# These two are served as objects of their own, by RunHttpServer(), as in 2010.
WEBPY = '''
import sys, web
from pass_gate import pass_gate
from syncless import wsgi

class hello:
    def GET(self, name): return f'{name} {web.input().q}'
class form:
    def POST(self):
        data = web.input()
        return data.a + data.b
class upload:
    def POST(self): return str(len(web.input(f={}).f.file.read()))
class cookie:
    def GET(self):
        web.setcookie('kept', 'value')
        return 'set'
class stream:
    def GET(self): yield from '012'
class gate:
    def GET(self): return pass_gate()
class crash:
    def GET(self): raise ValueError('on purpose')
urls = ['/hello/(.*)', 'hello']
for name in 'form', 'upload', 'cookie', 'stream', 'gate', 'crash':
    urls += ['/' + name, name]
web.config.debug = False
wsgi.RunHttpServer(web.application(urls, globals()), ('127.0.0.1', int(sys.argv[1])))
'''

CHERRYPY = '''
import sys, cherrypy
from pass_gate import pass_gate
from syncless import wsgi

class Site:
    @cherrypy.expose
    def hello(self, name, q): return f'{name} {q}'
    @cherrypy.expose
    def form(self, a, b): return a + b
    @cherrypy.expose
    def upload(self, f): return str(len(f.file.read()))
    @cherrypy.expose
    def cookie(self):
        cherrypy.response.cookie['kept'] = 'value'
        return 'set'
    @cherrypy.expose
    def stream(self): return (str(n) for n in range(3))
    @cherrypy.expose
    def gate(self): return pass_gate()
    @cherrypy.expose
    def crash(self): raise ValueError('on purpose')
cherrypy.config.update({'log.screen': False, 'engine.autoreload.on': False, 'request.show_tracebacks': False})
wsgi.RunHttpServer(Site, ('127.0.0.1', int(sys.argv[1])))
'''


class Frameworks(AppCase):
    def serve_application(self, module, text):
        self.need(module)
        self.write(demo=text)
        listener = self.listen()
        process = self.start('serve', 'demo:app', '--fd', str(listener.fileno()), pass_fds=[listener.fileno()])
        self.await_line(process, 'syncless: serving at')

    def serve_object(self, module, text):
        self.need(module)
        self.write(demo=text)
        port = free_port()
        process = self.start('run', 'demo.py', str(port))
        self.await_port(process, port)

    def start(self, *words, **options):
        return super().start(LAUNCHER, *words, preloaded=False, **options)

    def need(self, module):
        if importlib.util.find_spec(module) is None:
            self.skipTest(f'{sys.executable} has no {module}')

    def post(self, path, kind, body):
        client = Client(self.address)
        with contextlib.closing(client):
            response = client.ask(path, f'Content-Type: {kind}', method='POST', body=body)
        return response.status, response.body.decode()

    def check_site(self):
        self.assertEqual(self.get('/hello/w%C3%B6rld?q=a+b%26'), (200, 'wörld a b&'))
        self.assertEqual(self.post('/form', FORM, b'a=one&b=tw%6F'), (200, 'onetwo'))
        self.assertEqual(self.post('/upload', 'multipart/form-data; boundary=cut', PARTS), (200, '256000'))
        client = self.connect()
        answer = client.ask('/cookie')
        self.assertEqual((answer.status, answer.body), (200, b'set'))
        self.assertTrue(answer.get('Set-Cookie').strip().startswith('kept=value'))
        self.assertEqual(client.ask('/stream').body, b'012')  # on the same connection
        self.assertEqual(client.ask(method='HEAD', target='/cookie').status, self.head_status)
        self.assertEqual(self.get('/missing')[0], 404)
        status, text = self.get('/crash')
        self.assertEqual(status, 500)
        self.assertNotIn('on purpose', text)
        self.check_overlap(30)

    head_status = 200

    def test_flask(self):
        self.serve_application('flask', FLASK)
        self.check_site()

    def test_django(self):
        self.serve_application('django', DJANGO)
        self.check_site()

    def test_bottle(self):
        self.serve_application('bottle', BOTTLE)
        self.check_site()

    def test_falcon(self):
        self.serve_application('falcon', FALCON)
        self.head_status = 405  # its own answer
        self.check_site()

    def test_webapp2(self):
        self.serve_application('webapp2', WEBAPP2)
        self.check_site()

    def test_webpy(self):
        self.serve_object('web', WEBPY)
        self.check_site()

    def test_cherrypy(self):
        self.serve_object('cherrypy', CHERRYPY)
        self.check_site()


if __name__ == '__main__':
    support.main()
