# SPDX-License-Identifier: Apache-2.0
"""Commands for gdb that show what a preloaded process has besides its kernel threads.

    gdb -p PID -x scripts/gdb.py        and likewise with a core: gdb PROGRAM CORE -x ...
    (gdb) syncless list                 all green threads, native coroutines and greenlets, and what they wait for
    (gdb) syncless bt [NUMBER]          the backtrace of one of them, or of all
    (gdb) syncless apply NUMBER COMMAND any command of gdb, where that one is: info locals, bt -full, py-bt

NUMBER is that of the list.  Nothing is written to the process, not even its registers: while a command runs, the
frame that the selected thread is in counts as called by the coroutine (Unwinder), where that has left its registers
(switch_x86_64.S).  So gdb's own numbers of such frames begin at 1 or more.

For x86-64 and a libsyncless.so that has its debugging information.  Greenlets are listed only: the greenlet
package keeps parts of their stacks elsewhere.
"""
import collections

import gdb
import gdb.unwinder

STATES = 'new', 'running', 'ready', 'parked', 'alone', 'dead'  # enum coro_state of coro.h
PARKED, ALONE, DEAD = 3, 4, 5
FRAME = 'r15', 'r14', 'r13', 'r12', 'rbx', 'rbp', 'rip'  # from switch_stack(), behind 8 bytes of control words
GREGS = {'r12': 4, 'r13': 5, 'r14': 6, 'r15': 7, 'rbp': 10, 'rbx': 11, 'rsp': 15, 'rip': 16}  # of a ucontext_t
WORD = 8

FrameId = collections.namedtuple('FrameId', 'sp pc')


def fail(text):
    raise gdb.GdbError('syncless: ' + text)


def read_scheduler():
    """The process's struct sched."""
    if gdb.selected_thread() is None:
        fail('there is no process: attach to one (gdb -p PID), or open a core')
    if gdb.selected_frame().architecture().name() != 'i386:x86-64':
        fail('only x86-64 is known here')
    for symtab in gdb.lookup_static_symbol, gdb.lookup_global_symbol:
        symbol = symtab('sched')
        if symbol is not None and symbol.type.tag == 'sched':
            break
    else:
        fail('no libsyncless.so with debugging information in this process (built with -g, and not stripped)')
    sched = symbol.value()
    if not sched['main']:
        fail('nothing in this process is green yet')
    return sched


class Coroutine:
    """co, the struct coro *; number; kind; state."""

    def __init__(self, number, co, sched, is_greenlet=False):
        self.number, self.co, self.is_greenlet = number, co, is_greenlet
        self.state = int(co['state'])
        self.is_current = not is_greenlet and co == sched['current']
        if is_greenlet:
            self.kind = 'greenlet'
        elif co['is_routine']:
            self.kind = 'native coroutine'
        else:
            self.kind = 'main thread' if co == sched['main'] else 'green thread'
        # One that waits may drive the loop on its own stack.
        self.kernel_tid = None
        if self.is_current:
            self.kernel_tid = int(sched['host_tid'])
        elif self.state == ALONE and co['seat']:
            self.kernel_tid = int(co['seat']['tid'])

    def __str__(self):
        co = self.co
        name = co['name'].string(errors='replace')
        words = [f'{self.number:4}  {self.kind}', '' if self.is_greenlet else str(int(co['tid'])), name and f'"{name}"']
        state = STATES[self.state]
        if self.state == PARKED and co['why']:
            state += f' in {co["why"].string()}'
            if int(co['why_fd']) >= 0:
                state += f', fd {int(co["why_fd"])}'
        if self.kernel_tid is not None:
            state += f', on kernel thread {self.kernel_tid}'
        return ' '.join(word for word in words if word) + ': ' + state

    def registers(self):
        """What a switch to it would load; None if there is nothing."""
        if self.co['in_ucontext']:
            gregs = self.co['ucontext']['uc_mcontext']['gregs']
            return {name: int(gregs[index]) for name, index in GREGS.items()}
        sp = int(self.co['sp'])
        if not sp:
            return None
        words = gdb.selected_inferior().read_memory(sp + WORD, WORD * len(FRAME)).tobytes()
        found = {name: int.from_bytes(words[WORD * i:WORD * (i + 1)], 'little') for i, name in enumerate(FRAME)}
        return dict(found, rsp=sp + WORD * (1 + len(FRAME))) if found['rip'] else None


def coroutines():
    """Main first, in the order of their making."""
    sched = read_scheduler()
    found, co = [], sched['main']
    while co and not (found and co == sched['main']):
        found.append(Coroutine(len(found) + 1, co, sched))
        co = co['all_next']
    carriers = gdb.lookup_global_symbol('carriers')
    carrier = carriers.value() if carriers else None
    while carrier:
        co = carrier['flows']
        while co:
            found.append(Coroutine(len(found) + 1, co, sched, is_greenlet=True))
            co = co['all_next']
        carrier = carrier['next']
    return found


class Unwinder(gdb.unwinder.Unwinder):
    """While it has registers, they are those of the caller of the selected thread's innermost frame."""

    def __init__(self):
        super().__init__('syncless')
        self.registers = self.live = None

    def __call__(self, pending):
        if self.registers is None:
            return None
        place = int(pending.read_register('rsp')), int(pending.read_register('rip'))
        if place != self.live:
            return None
        # gdb insists on stacks that grow: this frame pretends to lie below.
        values = {name: gdb.Value(value).cast(pending.read_register(name).type)
                  for name, value in self.registers.items()}
        info = pending.create_unwind_info(FrameId(values['rsp'] - WORD, values['rip']))
        for name, value in values.items():
            info.add_saved_register(name, value)
        return info

    def enter(self, registers):
        """Selects the coroutine's innermost frame; its level."""
        self.registers = None
        gdb.invalidate_cached_frames()
        frame = gdb.newest_frame()
        self.live = int(frame.read_register('rsp')), int(frame.read_register('rip'))
        self.registers = registers
        gdb.invalidate_cached_frames()
        frame = gdb.newest_frame()
        while frame is not None and int(frame.read_register('rsp')) != registers['rsp']:
            frame = frame.older()
        if frame is None:
            fail('gdb does not unwind from where that one is')
        frame.select()
        return frame.level()

    def leave(self):
        self.registers = None
        gdb.invalidate_cached_frames()


unwinder = Unwinder()


def thread_of(tid):
    for thread in gdb.selected_inferior().threads():
        if thread.ptid[1] == tid:
            return thread
    return None


def show(coroutine, command):
    """The output of a command of gdb, where that coroutine is."""
    if coroutine.is_greenlet:
        return '(a greenlet: parts of its stack are elsewhere)\n'
    before = gdb.selected_thread()
    first, registers, thread = 0, None, before
    if coroutine.kernel_tid is not None:
        thread = thread_of(coroutine.kernel_tid)
    elif coroutine.state != DEAD:
        registers = coroutine.registers()
    if thread is None or coroutine.kernel_tid is None and registers is None:
        return '(its stack is not here)\n'  # guard pages keep it out of cores that gdb itself makes
    try:
        thread.switch()
        if registers:
            first = unwinder.enter(registers)
        text = gdb.execute(command, to_string=True)
        if command.split()[0] in ('bt', 'backtrace', 'where'):
            text = text[text.find(f'#{first} '):]  # those before are of whoever has the kernel thread
        return text
    finally:
        unwinder.leave()
        before.switch()


def find(word):
    found = {str(coroutine.number): coroutine for coroutine in coroutines()}
    if word not in found:
        fail(f'no {word} in the list: 1 to {len(found)}')
    return found[word]


class Prefix(gdb.Command):
    """Green threads, coroutines and greenlets of libsyncless.so: list, bt, apply."""

    def __init__(self):
        super().__init__('syncless', gdb.COMMAND_STACK, prefix=True)


class List(gdb.Command):
    """syncless list: all green threads, coroutines and greenlets, and what they wait for."""

    def __init__(self):
        super().__init__('syncless list', gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        for coroutine in coroutines():
            gdb.write(f'{coroutine}\n')


class Backtrace(gdb.Command):
    """syncless bt [NUMBER]: the backtrace of one of the list, or of all."""

    def __init__(self):
        super().__init__('syncless bt', gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        for coroutine in [find(argument.strip())] if argument.strip() else coroutines():
            gdb.write(f'{coroutine}\n{show(coroutine, "bt")}\n')


class Apply(gdb.Command):
    """syncless apply NUMBER COMMAND: a command of gdb, in the innermost frame of one of the list."""

    def __init__(self):
        super().__init__('syncless apply', gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        number, _, command = argument.strip().partition(' ')
        if not command:
            fail('apply needs a number of the list and a command')
        gdb.write(show(find(number), command))


Prefix()
List()
Backtrace()
Apply()
gdb.unwinder.register_unwinder(None, unwinder, replace=True)
