#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# timeout: 300
"""The resolver gives what glibc's gives: same results, same codes, same order.

In each world of configs.py the queries of its groups are made by lookup.c: once with libc alone, whose
answers are the oracle, then under libsyncless.so in one green thread, one after the other, and in a green
thread each, all at once.  Queries that time out are made all at once by libc's side, too.

Where glibc itself promises less than one answer, less is compared, by the world's rule:

    same     the text is the same
    between  buffers neither too small for the answer nor ample: libc's own need for room is its own, so
             ERANGE and the right answer are both right
    cached   what the scripted server saw is not compared, for the one between remembers
    either   `options rotate` begins at a random server: an answer is one of those that libc gave, and
             all of them come

What libc leaves to chance ("stale": a code that it takes from errno though nothing has set it) matches
anything.  errno is not touched by a successful call that asked somebody; libc itself makes no such promise.

Before the work, the comparison itself is put to the test: libliar.c, preloaded instead of the library,
changes an order, a code, a name and an errno, and each must be found.

    test_same.py [WORLD...]     only these; -v shows each answer
"""
import collections
import concurrent.futures
import json
import os
import queue
import subprocess
import sys
import time
import traceback

import configs
import queries
import world

LOOKUP = os.path.join(world.PROGRAMS, 'lookup')
LIES = [('order', queries.gai('order.lie.hosts')), ('code', queries.gai('code.lie.hosts')),
        ('canonname', queries.gai('canonname.lie.hosts', flags=queries.CANONNAME)),
        ('port', queries.gai('port.lie.hosts', '80')), ('truth', queries.gai('truth.lie.hosts')),
        ('errno', queries.gai('errno.lie.hosts')), ('herr', queries.ghbn_r('herr.lie.hosts')),
        ('alias', queries.ghbn('alias.lie.hosts')), ('serv', queries.gni('10.0.7.1', 80))]
LIE_HOSTS = ''.join(f'10.0.7.{n} {name}.lie.hosts {name}-alias\n10.0.8.{n} {name}.lie.hosts\n'
                    for n, (name, _) in enumerate(LIES, 1))
SIDES = ('plain', 'thread', 'all')
MOST_SHOWN = 12
WORKERS = 2


def ask(lines, how, env):
    """(answers, numbers of the queries that changed errno though they succeeded)."""
    done = subprocess.run([LOOKUP, how], input='\n'.join(lines) + '\n', env=env, timeout=world.HANG,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors='backslashreplace')
    touched, rest = [], []
    for line in done.stderr.splitlines():
        if line.startswith('errno changed by '):
            touched.append(line)
        elif not line.startswith('/etc/host.conf: line '):  # libc complains of it
            rest.append(line)
    if done.returncode or rest:
        raise AssertionError(f'lookup {how} ended with {done.returncode}:\n' + '\n'.join(rest[-40:]))
    answers = []
    for line in done.stdout.splitlines():
        if line[0].isdigit():
            answers.append(line.split(' ', 1)[1])
        else:
            answers[-1] += '\n' + line
    assert len(answers) == len(lines), f'{len(answers)} answers to {len(lines)} queries'
    return answers, [int(line.split()[-1]) for line in touched]


def inside(name):
    """In the namespaces: makes the world and prints what each side was told in it."""
    config = {each.name: each for each in configs.all_configs()}[name]
    files = dict(config.files)
    with open('/etc/services') as file:
        files['services'] = file.read() + configs.SERVICES
    files['aliases.test'] = 'ali both.x.test\nall v4.x.test\nempty\nonly2 one.hosts\n'
    here = world.World(files, config.servers)
    if config.no_v6:
        with open('/proc/sys/net/ipv6/conf/all/disable_ipv6', 'w') as file:
            file.write('1')
    here.add_addresses(config.addresses)
    if config.device and not here.add_device(config.device):
        return {'skip': 'no network device of kind veth can be made here'}
    here.start()
    try:
        if config.unbound and not here.start_unbound(configs.MAIN, configs.SECOND):
            return {'skip': 'unbound is not installed'}
        return run_all(config, here)
    finally:
        here.close()


def run_all(config, here):
    quick = [line for group in config.groups for line in queries.group(group)]
    slow = [line for group in config.slow for line in queries.group(group)]
    if config.rule != 'either':
        quick = list(dict.fromkeys(quick))
    env = {**config.env, 'LD_LIBRARY_PATH': here.folder}
    plain, green = world.plain_env(**env), world.green_env(**env)
    found = {'queries': quick + slow}
    asked = {}
    for side, how, where in (('plain', 'main', plain), ('thread', 'thread', green), ('all', 'all', green)):
        before = len(here.server.log) if here.server else 0
        answers, touched = ask(quick, how, where) if quick else ([], [])
        asked[side] = here.server.log[before:] if here.server else []
        if slow and side != 'thread':
            more, late = ask(slow, 'all', where)
            answers, touched = answers + more, touched + [len(quick) + n for n in late]
        found[side] = answers
        found[side + ' touched'] = touched
    found['asked'] = {side: summary(log) for side, log in asked.items()}
    return found


def summary(log):
    """By which ways servers were asked; an option's effect shows there."""
    return {'tcp': sorted({entry[1] for entry in log}),
            'types': sorted({entry[3] for entry in log}),
            'edns': sorted({entry[4] is not None for entry in log}),
            'ad': sorted({bool(entry[5] & 0x20) for entry in log}),
            'rd': sorted({bool(entry[5] & 0x100) for entry in log})}


def ample(query, found):
    """What the same query gave in a buffer that holds any answer."""
    call, _, rest = query.split('\t', 2)
    return found['plain'][found['queries'].index(f'{call}\t{queries.HOSTS_SIZE}\t{rest}')]


def matches(answer, right):
    """Is it the same, but for what libc left to chance?"""
    if 'stale' not in right:
        return answer == right
    words, wanted = answer.split(), right.split()
    return len(words) == len(wanted) and all(a == b or b == 'stale' for a, b in zip(words, wanted))


def asks(query):
    """Has somebody to be asked?  Other calls may be libc's, which touches errno."""
    call, *fields = query.split('\t')
    if call == 'getnameinfo':
        return not int(fields[-1]) & queries.NI_NUMERICHOST
    if call == 'getaddrinfo' and fields[2:] and int(fields[2]) & queries.NUMERICHOST:
        return False
    return any(field[0] == '=' and field.endswith(('.test', '.hosts', '.fake')) for field in fields)


def differences(found, rule):
    """[(side, query, libc's answer, the answer)]"""
    wrong = []
    for side in SIDES[1:]:
        for n, (query, right, answer) in enumerate(zip(found['queries'], found['plain'], found[side])):
            if rule == 'either':
                is_right = answer in found['plain']
            elif rule == 'between':
                is_right = answer in (right,
                                      ample(query, found)) or ' ERANGE NULL NETDB_INTERNAL ERANGE' in answer
            else:
                is_right = matches(answer, right)
            if not is_right:
                wrong.append((side, query, right, answer))
            elif n in found[side + ' touched'] and asks(query):
                wrong.append((side, query, right, answer + '\n  and errno changed'))
        if rule == 'either' and set(found[side]) != set(found['plain']):
            wrong.append((side, 'all', sorted(set(found['plain'])), sorted(set(found[side]))))
    for side in SIDES[1:] if rule != 'cached' else ():
        if found['asked'][side] != found['asked']['plain']:
            wrong.append((side, 'what the servers saw', found['asked']['plain'], found['asked'][side]))
    return wrong


def show(name, wrong, error, most):
    print(f'FAIL {name}: ' + (error or f'{len(wrong)} differences'))
    sides = collections.defaultdict(list)
    for side, *difference in wrong:
        sides[tuple(str(part) for part in difference)].append(side)
    for query, right, answer in list(sides)[:most]:
        print(f'  {" ".join(sides[query, right, answer])}: {query!r}\n    libc:  ' + right.replace('\n',
                                                                                                   '\n       ')
              + '\n    here:  ' + answer.replace('\n', '\n       '))
    if len(sides) > most:
        print(f'  and {len(sides) - most} more (test_same.py -v {name!r} shows them)')


class Zygote:
    """A process inside of the namespaces, which makes one world after the other, each in a child of its own."""

    def __init__(self, command):
        self.process = subprocess.Popen([*command, sys.executable, os.path.abspath(__file__), '--inside'],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def run(self, name):
        began = time.monotonic()
        self.process.stdin.write(name + '\n')
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        return {**(json.loads(line) if line else {'error': 'no answer'}), 'seconds': time.monotonic() - began}

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def serve():
    """The zygote's side."""
    world.preload()
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            try:
                world.leave_for_another()
                name = line.rstrip('\n')
                found = lie_inside() if name == 'lies' else inside(name)
            except BaseException:
                found = {'error': traceback.format_exc()}
            print(json.dumps(found), flush=True)
            os._exit(0)
        os.waitpid(child, 0)


def lie_inside():
    here = world.World({'hosts': LIE_HOSTS, 'nsswitch.conf': 'hosts: files\nservices: files\n',
                        'resolv.conf': '', 'host.conf': 'multi on\n'})
    lines = [line for _, line in LIES]
    found = {'queries': lines, 'asked': {side: {} for side in SIDES}}
    liar = world.plain_env(LD_PRELOAD=world.preload().replace(world.SHIM,
                                                              os.path.join(world.PROGRAMS, 'libliar.so')))
    for side, env in (('plain', world.plain_env()), ('thread', liar), ('all', liar)):
        found[side], found[side + ' touched'] = ask(lines, 'main', env)
    here.close()
    return found


def check_lies(zygote):
    """Every lie is found on each side, and the one truth among them is no lie."""
    found = zygote.run('lies')
    if 'error' in found:
        return [found['error']]
    told = collections.Counter(query for _, query, _, _ in differences(found, 'same'))
    return [f'the comparison is blind to a wrong {name}' for name, query in LIES
            if told[query] != (0 if name == 'truth' else 2)]


class Tally:
    def __init__(self, is_verbose):
        self.is_verbose = is_verbose
        self.distinct, self.failed, self.skipped = set(), [], []

    def add(self, config, found):
        if 'skip' in found:
            self.skipped.append(config.name)
            print(f'skipped: world {config.name}: {found["skip"]}')
            return
        wrong = () if 'error' in found else differences(found, config.rule)
        if 'error' in found or wrong:
            self.failed.append(config.name)
            show(config.name, wrong, found.get('error'), len(wrong) if self.is_verbose else MOST_SHOWN)
        self.distinct.update(found.get('queries', ()))
        if self.is_verbose and 'error' not in found:
            print(f'{config.name}: {found["seconds"]:.1f} s, {found["asked"]}')
            for query, answer in zip(found['queries'], found['plain']):
                print(f'{query!r}\n   {answer}')


def main():
    words = [word for word in sys.argv[1:] if word != '-v']
    chosen = [config for config in configs.all_configs() if not words or config.name in words]
    chosen.sort(key=lambda config: not config.slow)  # the longest first
    command, reason = world.unshare_command()
    if reason:
        world.skip(reason)
    zygotes = [Zygote(command) for _ in range(WORKERS)]
    tally = Tally('-v' in sys.argv)
    for blindness in check_lies(zygotes[0]):
        print('FAIL ' + blindness)
        tally.failed.append('lies')
    free = queue.SimpleQueue()
    for zygote in zygotes:
        free.put(zygote)

    def run(config):
        zygote = free.get()
        try:
            return zygote.run(config.name)
        finally:
            free.put(zygote)
    with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
        for config, found in zip(chosen, pool.map(run, chosen)):
            tally.add(config, found)
    for zygote in zygotes:
        zygote.close()
    print(f'{len(tally.distinct)} distinct queries in {len(chosen) - len(tally.skipped)} worlds,'
          f' {len(tally.failed)} failed')
    return 1 if tally.failed else 0


if __name__ == '__main__':
    if sys.argv[1:2] == ['--inside']:
        serve()
    else:
        sys.exit(main())
