# SPDX-License-Identifier: Apache-2.0
#
# This is the whole build: a compiler, libev's archive, and lists that can be read at a glance.
#
#     make            build/libsyncless.so, and build/syncless, which runs in place
#     make run        installs what is missing, builds, and shows one threaded program both ways
#     make test       installs what is missing, builds, and runs all tests
#     make bench      installs what is missing, builds, and measures (docs/bench.md)
#     make bench-http     the same of the HTTP server beside gevent's, gunicorn, bjoern, granian, meinheld and Go's
#     make install    into PREFIX, below DESTDIR; the Python package into PYTHONDIR.  make uninstall
#
#     make check      the C tests and the checks of the object alone
#     make check-asan     the C tests, all built with AddressSanitizer and UBSan
#     make check-backends the C tests, preloaded, on each of libev's back ends
#     make check-ucontext the tests of syncless.h, switched by swapcontext
#     make check-handoff  the C and Python tests, preloaded, while the scheduler is handed off at random
#     make check-faults   each call of libc's that the library makes fails once in each way (tests/faults); a part is in make test
#     make check-websocket    WebSocket's tests, with a headless Chromium, which it installs; long runs of its fuzzers
#     make check-mixes    the tests of calls beside other allocators, libfaketime, ASan's runtime; in programs linked with -z now
#     make check-apps     frameworks on our server; their own servers, gunicorn's own workers and Celery under the preload
#     make check-clang    compiles everything with clang
#     make check-surface  what the client libraries import and can wait is in the table; installs some fifty of them
#     make check-model    the model of the hand-off (tests/model), by spin, which scripts/setup model installs
#     make cross      compiles everything for aarch64, and runs the C tests of it under qemu-user
#     make pythons    the Python tests under each of PYTHONS; else python3.9 to python3.14 and the distribution's
#     make check-http-load  the HTTP server under 10,000 clients that misbehave, and with 13,371 connections at once
#     make fuzz       the parsers of the resolver and of HTTP, and WebSocket's framing, with any bytes, FUZZ_SECONDS each (600)
#     make check-tools    py-spy, debugpy, coverage, OpenTelemetry, pytest, a Jupyter kernel, 50 sessions of paramiko
#     make soak       a chaos load on the drivers under the preload, all of it checked, SOAK_SECONDS long (600)
#     make suites     CPython's own test suites with and without the preload; those that have to do with waiting
#     make suites-all     all of them (scripts/suites.txt), but GUIs and the network; takes an hour
#     make client-suites  the suites of psycopg2, mysqlclient, PyMySQL, requests, urllib3 and redis-py, likewise
#     make matrix     other libraries' loops beside coroutines, and beside each other: prints the tables of README (MATRIXFLAGS)
#     make drivers    the table of clients that wait cooperatively (README); PYTHON=... for another interpreter
#     make check-fresh    as root: run, test and pip install in a minimal system that is made for it
#
# TESTFLAGS go to tests/run, for example TESTFLAGS='-k mutex'.  V=1 shows whole commands.

VERSION = $(shell sed -n "s/^__version__ = '\(.*\)'.*/\1/p" pyglue/syncless/__init__.py)
PREFIX = /usr/local
DESTDIR =
BUILD = build
PYTHONS =
TESTFLAGS =
V = 0
MAKEFLAGS += --no-print-directory

CC = gcc
CXX = g++
CFLAGS = -O2 -g
WARN = -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla
SANITIZE =

# No shadow-stack note: switching stacks would break it.  Unwind tables everywhere: a cancelled thread
# unwinds through our frames.  _FORTIFY_SOURCE would send our own calls to our own wrappers.
SHIM_CFLAGS = -std=gnu11 -D_GNU_SOURCE -U_FORTIFY_SOURCE -fPIC -fvisibility=hidden -ftls-model=initial-exec \
	-fcf-protection=none -fexceptions -fasynchronous-unwind-tables -Ishim -Ishim/core
SHIM_LDFLAGS = -shared -Wl,-soname,libsyncless.so -Wl,--version-script=$(BUILD)/exports.map -Wl,-Bsymbolic \
	-Wl,--hash-style=gnu -Wl,-z,defs,-z,now,-z,relro,-z,noexecstack,-z,initfirst
SHIM_LIBS = -ldl -lpthread
LIBEV_A = $(shell $(CC) -print-file-name=libev.a 2>/dev/null)
LIBCARES_A = $(shell $(CC) -print-file-name=libcares.a 2>/dev/null)
HEADERS = features.h=libc6-dev ev.h=libev-dev ares.h=libc-ares-dev
ARCHIVES = $(LIBEV_A)=libev-dev $(LIBCARES_A)=libc-ares-dev

SHIM_SRC = $(sort $(wildcard shim/*.c shim/core/*.c shim/calls/*.c shim/api/*.c shim/core/*.S))
SHIM_OBJ = $(patsubst %,$(BUILD)/%.o,$(basename $(SHIM_SRC)))

# tests/run says which of these cannot be built for want of a compiler.
TEST_CFLAGS = -std=gnu11 -D_GNU_SOURCE -U_FORTIFY_SOURCE -Wall -Wextra -Itests -pthread
TEST_CXXFLAGS = -std=gnu++17 -D_GNU_SOURCE -U_FORTIFY_SOURCE -Wall -Wextra -Itests -pthread
TEST_LIBS = -lutil -ldl -lrt -lm
TEST_SHARED_SRC = $(sort $(wildcard tests/api/lib*.c tests/calls/lib*.c tests/faults/lib*.c tests/mixes/lib*.c \
	tests/resolver/lib*.c))
TEST_SHARED = $(patsubst %.c,$(BUILD)/%.so,$(TEST_SHARED_SRC))
TEST_SRC = $(filter-out $(TEST_SHARED_SRC),$(sort $(wildcard tests/calls/*.c tests/hazards/*.c tests/api/*.c tests/resolver/*.c \
	tests/diff/*.c tests/faults/*.c)))
TEST_SRC_CXX = $(if $(shell command -v $(CXX)),$(sort $(wildcard tests/calls/*.cpp tests/hazards/*.cpp)))
TEST_PROGRAMS = $(patsubst %,$(BUILD)/%,$(basename $(TEST_SRC) $(TEST_SRC_CXX)))

FUZZ_TARGETS = hosts conf answer http_head http_chunked frames
FUZZ_SRC = $(patsubst %,shim/core/%.c,hosts dnsconf dnsanswer found nssconf textfile)
FUZZ_HTTP_SRC = $(patsubst %,pyglue/_syncless_http/%.c,head chunked span)
FUZZ_CC = clang -std=gnu11 -D_GNU_SOURCE -O1 -g $(WARN) -Itests/fuzz -fno-omit-frame-pointer \
	-fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined

APPS = frameworks dev_servers gunicorn_threads celery django_database

SERVICES = scripts/services run mariadb postgres redis --

Q = $(if $(filter 1,$(V)),,@)

# The modules in C: one object each for every Python from 3.9 on, by the limited API.
GLUE_SRC = $(sort $(wildcard pyglue/_syncless/*.c pyglue/_syncless_http/*.c pyglue/_syncless_ws/*.c))
GLUE_OBJ = $(patsubst %.c,$(BUILD)/%.o,$(GLUE_SRC))
GLUE_CFLAGS = -std=gnu11 -D_GNU_SOURCE -fPIC -fvisibility=hidden -Ishim -Ipyglue/_syncless \
	-I$(PYTHON_INCLUDE)
PYTHON_INCLUDE = $(shell $(or $(PYTHON),python3) -c 'import sysconfig; print(sysconfig.get_path("include"))' 2>/dev/null)
GLUE = $(BUILD)/_syncless.abi3.so $(BUILD)/_syncless_http.abi3.so $(BUILD)/_syncless_ws.abi3.so
GLUE_LIBS = -ldl
$(BUILD)/_syncless_http.abi3.so: GLUE_LIBS = $(HTTP_LIBS) -Wl,--exclude-libs,ALL
$(BUILD)/pyglue/_syncless_http/%.o: GLUE_CFLAGS += $(HTTP_CFLAGS)
$(BUILD)/_syncless_ws.abi3.so: GLUE_LIBS = -lwslay

# The parser of HTTP; llhttp, its successor, is taken if asked for (pyglue/_syncless_http/head.c).
HTTP_PARSER = http_parser
HTTP_CFLAGS = $(if $(filter llhttp,$(HTTP_PARSER)),-DHAVE_LLHTTP)
HTTP_LIBS = $(if $(filter llhttp,$(HTTP_PARSER)),-lllhttp,-l:libhttp_parser.a)

# Programs of the package that the launcher starts, with the interpreter that it finds.
BESIDE = $(BUILD)/doctor.py $(BUILD)/doctor_probe.py $(BUILD)/backdoor_client.py

all: $(BUILD)/libsyncless.so $(BUILD)/syncless $(BUILD)/syncless.pc $(GLUE) $(BESIDE)

run:
	scripts/setup run
	$(MAKE) all
	scripts/demo

test:
	scripts/setup test
	$(MAKE) all programs
	$(SERVICES) tests/run $(TESTFLAGS)

check: all programs
	tests/run --only calls,hazards,checks $(TESTFLAGS)

bench:
	scripts/setup bench
	$(MAKE) all
	scripts/bench/run $(BENCHFLAGS)

bench-http:
	scripts/setup bench-http
	$(MAKE) all
	scripts/bench/run wsgi $(BENCHFLAGS)

pythons:
	scripts/setup test
	$(MAKE) all
	TESTFLAGS='$(TESTFLAGS)' $(SERVICES) scripts/pythons $(PYTHONS)

suites:
	scripts/setup suites
	$(MAKE) all
	scripts/suites $(SUITES)

suites-all:
	scripts/setup suites
	$(MAKE) all
	scripts/suites --all $(SUITES)

client-suites:
	scripts/setup client-suites
	$(MAKE) all
	scripts/client-suites $(CLIENT_SUITES)

matrix:
	scripts/setup matrix
	$(MAKE) all
	scripts/services run mariadb -- tests/apps/matrix/run $(MATRIXFLAGS)

DRIVER_SERVICES = mariadb postgres redis memcached slapd rabbitmq sshd

drivers:
	scripts/setup drivers
	$(MAKE) all
	scripts/services run $(DRIVER_SERVICES) -- scripts/drivers $(DRIVERS)

fuzz:
	scripts/setup fuzz
	$(MAKE) $(patsubst %,$(BUILD)/fuzz/%,$(FUZZ_TARGETS))
	scripts/fuzz $(FUZZ_TARGETS)

soak:
	scripts/setup test
	$(MAKE) all
	scripts/soak $(SOAKFLAGS)

deps:
	scripts/setup build

# Where a python3 that itself lay in PREFIX would look.
PYTHONDIR = $(PREFIX)/$(or $(shell $(or $(PYTHON),python3) -c 'import os, sysconfig; \
	print(os.path.relpath(sysconfig.get_path("purelib"), sysconfig.get_path("data")))'),lib/python3/site-packages)
INSTALL_AT = $(DESTDIR)$(PREFIX)
INSTALL_PYTHON_AT = $(DESTDIR)$(PYTHONDIR)/syncless

install: all
	install -d '$(INSTALL_AT)/bin' '$(INSTALL_AT)/lib/syncless' '$(INSTALL_AT)/lib/pkgconfig' \
		'$(INSTALL_AT)/include' '$(INSTALL_AT)/share/man/man3' '$(INSTALL_PYTHON_AT)/coio' '$(INSTALL_PYTHON_AT)/wsgi' \
		'$(INSTALL_PYTHON_AT)/websocket'
	install -m 755 $(BUILD)/libsyncless.so '$(INSTALL_AT)/lib/syncless'
	install -m 755 $(GLUE) '$(INSTALL_PYTHON_AT)'
	install -m 644 $(BESIDE) '$(INSTALL_AT)/lib/syncless'
	install -m 755 $(BUILD)/syncless '$(INSTALL_AT)/bin'
	install -m 644 shim/syncless.h '$(INSTALL_AT)/include'
	install -m 644 man/syncless.3 '$(INSTALL_AT)/share/man/man3'
	install -m 644 $(BUILD)/syncless.pc '$(INSTALL_AT)/lib/pkgconfig'
	install -m 644 pyglue/syncless/*.py pyglue/syncless/py.typed '$(INSTALL_PYTHON_AT)'
	install -m 644 pyglue/syncless/coio/*.py '$(INSTALL_PYTHON_AT)/coio'
	install -m 644 pyglue/syncless/wsgi/*.py '$(INSTALL_PYTHON_AT)/wsgi'
	install -m 644 pyglue/syncless/websocket/*.py '$(INSTALL_PYTHON_AT)/websocket'
	ln -sfr '$(INSTALL_AT)/bin/syncless' '$(INSTALL_PYTHON_AT)/launcher'

uninstall:
	rm -rf '$(INSTALL_AT)/lib/syncless' '$(INSTALL_PYTHON_AT)'
	rm -f '$(INSTALL_AT)/bin/syncless' '$(INSTALL_AT)/include/syncless.h' \
		'$(INSTALL_AT)/lib/pkgconfig/syncless.pc' '$(INSTALL_AT)/share/man/man3/syncless.3'

clean:
	rm -rf $(BUILD)/shim $(BUILD)/pyglue $(BUILD)/tests $(BUILD)/fuzz $(BUILD)/model $(BUILD)/asan $(BUILD)/clang $(BUILD)/aarch64 $(BUILD)/wheel $(BUILD)/*.a \
		$(BUILD)/exports.map $(BUILD)/libsyncless.so $(BUILD)/syncless $(BUILD)/syncless.pc $(BUILD)/needs \
		$(BUILD)/needs-python $(GLUE) \
		$(BESIDE)

# The same tree, built otherwise, elsewhere.

# Not plainly: there ASan stumbles over glibc's own way of ending a cancelled thread.
check-asan:
	$(MAKE) BUILD=build/asan CFLAGS='-O2 -g -fno-omit-frame-pointer' \
		SANITIZE='-fsanitize=address,undefined -fno-sanitize-recover=undefined' \
		all programs build/asan/tests/xfail/overflow
	BUILD=build/asan tests/run --asan --mode preload build/asan/tests/xfail/overflow | \
		grep 'AddressSanitizer: heap-buffer-overflow'
	BUILD=build/asan tests/run --asan --mode preload --only calls,hazards,api $(TESTFLAGS)

check-backends: all programs
	for backend in epoll poll select io_uring; do \
		echo "$$backend:"; \
		tests/run --backend $$backend --mode preload --only calls,hazards $(TESTFLAGS) || exit; \
	done

check-ucontext: all programs
	tests/run --switch ucontext --mode preload --only api $(TESTFLAGS)

check-handoff: all programs
	tests/run --chaos handoff --mode preload --only calls,hazards,api,python $(TESTFLAGS)

check-faults: all programs
	tests/faults/inject

check-websocket:
	scripts/setup websocket
	$(MAKE) all $(BUILD)/fuzz/frames
	WEBSOCKET_FUZZ=$${WEBSOCKET_FUZZ:-10000} tests/run --only python -k websocket $(TESTFLAGS)
	FUZZ_SECONDS=$${FUZZ_SECONDS:-120} scripts/fuzz frames

check-http-load:
	scripts/setup test
	$(MAKE) all
	tests/load/run $(LOADFLAGS) || [ $$? = 77 ]

check-mixes:
	scripts/setup mixes
	$(MAKE) all programs
	scripts/mixes

check-apps:
	scripts/setup apps
	$(MAKE) all
	$(SERVICES) tests/run $(TESTFLAGS) $(patsubst %,tests/apps/test_%.py,$(APPS))

TOOLS = tools debugpy jupyter pytest paramiko

check-tools:
	scripts/setup tools
	$(MAKE) all
	scripts/services run sshd -- tests/run $(TESTFLAGS) $(patsubst %,tests/apps/test_%.py,$(TOOLS))

check-clang:
	$(MAKE) BUILD=build/clang CC=clang CXX=clang++ CFLAGS='-O2 -g -Werror' all programs

check-surface:
	scripts/setup surface
	scripts/check-surface -v

check-model:
	scripts/model

cross:
	scripts/setup cross
	scripts/cross $(TESTFLAGS)

check-fresh:
	scripts/setup fresh
	TESTFLAGS='$(TESTFLAGS)' scripts/fresh-root

objects: $(SHIM_OBJ)
programs: $(TEST_PROGRAMS) $(TEST_SHARED)

# The object.  What its build needs is looked for before anything is compiled.

$(SHIM_OBJ): | $(BUILD)/needs
$(BUILD)/needs: scripts/needs Makefile
	@mkdir -p $(@D)
	@CC='$(CC)' CPPFLAGS='$(CPPFLAGS)' scripts/needs objcopy=binutils $(HEADERS) $(ARCHIVES)
	@touch $@

$(BUILD)/libsyncless.so: $(SHIM_OBJ) $(BUILD)/libev.a $(BUILD)/libcares.a $(BUILD)/exports.map
	@echo '  LINK $@'
	$(Q)$(CC) $(CFLAGS) $(SANITIZE) $(SHIM_LDFLAGS) $(LDFLAGS) -o $@ $(SHIM_OBJ) $(BUILD)/libev.a \
		$(BUILD)/libcares.a $(SHIM_LIBS)

$(GLUE_OBJ): | $(BUILD)/needs-python
$(BUILD)/needs-python: scripts/needs Makefile
	@mkdir -p $(@D)
	@CC='$(CC)' CPPFLAGS='$(CPPFLAGS) -I$(PYTHON_INCLUDE)' scripts/needs Python.h=python3-dev \
		$(HTTP_PARSER).h=$(if $(filter llhttp,$(HTTP_PARSER)),libllhttp-dev,libhttp-parser-dev) \
		wslay/wslay.h=libwslay-dev
	@touch $@

$(GLUE): $(BUILD)/%.abi3.so: $(GLUE_OBJ)
	@echo '  LINK $@'
	$(Q)$(CC) $(CFLAGS) $(SANITIZE) -shared -Wl,-z,now,-z,relro,-z,noexecstack $(LDFLAGS) -o $@ \
		$(filter $(BUILD)/pyglue/$*/%,$^) $(GLUE_LIBS)

$(BUILD)/pyglue/%.o: pyglue/%.c Makefile
	@mkdir -p $(@D)
	@echo '  CC   $@'
	$(Q)$(CC) $(CPPFLAGS) $(GLUE_CFLAGS) $(WARN) $(CFLAGS) $(SANITIZE) -MMD -MP -c -o $@ $<

$(BUILD)/exports.map: shim/calls.def Makefile
	@mkdir -p $(@D)
	@echo '  GEN  $@'
	$(Q)(echo '{ global:'; sed -n '/^LEFT/!s/^[A-Z]*(\([A-Za-z0-9_]*\),.*/	\1;/p' shim/calls.def; echo '	syncless_*; local: *; };') >$@

# libev's emulation of libevent, the archive's other object, is left out.
$(BUILD)/libev.a: scripts/adapt-archive shim/calls.def $(BUILD)/shim/core/evsys.o
	@echo '  GEN  $@'
	$(Q)scripts/adapt-archive $(LIBEV_A) $(BUILD)/shim/core/evsys.o ev_sys shim/calls.def $@ ev.o

$(BUILD)/libcares.a: scripts/adapt-archive shim/calls.def $(BUILD)/shim/core/aressys.o
	@echo '  GEN  $@'
	$(Q)scripts/adapt-archive $(LIBCARES_A) $(BUILD)/shim/core/aressys.o ares_sys shim/calls.def $@

$(BUILD)/shim/%.o: shim/%.c Makefile
	@mkdir -p $(@D)
	@echo '  CC   $@'
	$(Q)$(CC) $(CPPFLAGS) $(SHIM_CFLAGS) $(WARN) $(CFLAGS) $(SANITIZE) -MMD -MP -c -o $@ $<

$(BUILD)/shim/%.o: shim/%.S Makefile
	@mkdir -p $(@D)
	@echo '  CC   $@'
	$(Q)$(CC) $(CPPFLAGS) $(SHIM_CFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/syncless: scripts/launcher pyglue/syncless/__init__.py Makefile
	@mkdir -p $(@D)
	@echo '  GEN  $@'
	$(Q)sed 's/@VERSION@/$(VERSION)/' scripts/launcher >$@
	$(Q)chmod 755 $@

$(BESIDE): $(BUILD)/%: pyglue/syncless/%
	@mkdir -p $(@D)
	@echo '  GEN  $@'
	$(Q)cp $< $@

$(BUILD)/syncless.pc: shim/syncless.pc.in pyglue/syncless/__init__.py Makefile
	@mkdir -p $(@D)
	@echo '  GEN  $@'
	$(Q)sed 's/@VERSION@/$(VERSION)/' shim/syncless.pc.in >$@

# The C and C++ tests, a program each.

$(BUILD)/tests/%: tests/%.c Makefile
	@mkdir -p $(@D)
	@echo '  CC   $@'
	$(Q)$(CC) $(TEST_CFLAGS) $(CFLAGS) $(SANITIZE) -MMD -MP -MF $@.d -o $@ $< $(TEST_LIBS)

$(BUILD)/tests/%: tests/%.cpp Makefile
	@mkdir -p $(@D)
	@echo '  CXX  $@'
	$(Q)$(CXX) $(TEST_CXXFLAGS) $(CFLAGS) $(SANITIZE) -MMD -MP -MF $@.d -o $@ $< $(TEST_LIBS)

# Its constructor comes before ours.
$(BUILD)/tests/mixes/libearly.so: LDFLAGS += -Wl,-z,initfirst

# What tests preload, load, or have libc load.
$(BUILD)/tests/%.so: tests/%.c Makefile
	@mkdir -p $(@D)
	@echo '  CC   $@'
	$(Q)$(CC) $(TEST_CFLAGS) $(CFLAGS) -fPIC -shared -MMD -MP -MF $@.d $(LDFLAGS) -o $@ $<

# Parsers of shim/core and of the HTTP server, under libFuzzer.
$(BUILD)/fuzz/%: tests/fuzz/%.c tests/fuzz/fuzz.h $(FUZZ_SRC) $(wildcard shim/core/*.h) Makefile
	@mkdir -p $(@D)
	@echo '  FUZZ $@'
	$(Q)$(FUZZ_CC) -Ishim -Ishim/core -o $@ $< $(FUZZ_SRC) -lresolv

# WebSocket's framing, likewise.
$(BUILD)/fuzz/frames: tests/fuzz/frames.c tests/fuzz/fuzz.h pyglue/_syncless_ws/frames.c pyglue/_syncless_ws/frames.h Makefile
	@mkdir -p $(@D)
	@echo '  FUZZ $@'
	$(Q)$(FUZZ_CC) -Ipyglue/_syncless_ws -o $@ $< pyglue/_syncless_ws/frames.c -lwslay

$(BUILD)/fuzz/http_%: tests/fuzz/http_%.c tests/fuzz/fuzz.h $(FUZZ_HTTP_SRC) pyglue/_syncless_http/http.h Makefile
	@mkdir -p $(@D)
	@echo '  FUZZ $@'
	$(Q)$(FUZZ_CC) $(HTTP_CFLAGS) -Ipyglue/_syncless_http -I$(PYTHON_INCLUDE) -o $@ $< $(FUZZ_HTTP_SRC) $(HTTP_LIBS)

# What runs before the sanitizer's runtime is up, and what that calls on its way.
$(addprefix $(BUILD)/shim/,init.o core/libc.o core/loaded.o core/settings.o calls/dl.o): override SANITIZE =

-include $(SHIM_OBJ:.o=.d) $(GLUE_OBJ:.o=.d) $(TEST_PROGRAMS:=.d) $(TEST_SHARED:=.d)

.PHONY: all run test check bench bench-http pythons cross suites suites-all client-suites drivers matrix fuzz soak deps install uninstall clean \
	check-asan check-backends check-ucontext check-handoff check-faults check-websocket check-http-load check-mixes check-apps check-tools check-clang check-model check-surface \
	check-fresh objects programs
