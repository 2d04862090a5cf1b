/* SPDX-License-Identifier: Apache-2.0
 *
 * A model of the hand-off (shim/core/handoff.h), for spin.  scripts/model checks it: every order in which the
 * steps of all threads can follow one another, and that it fails with each M_... below, which changes a part
 * of it.
 *
 * A process is a flow of control, that is a stack: each coroutine, each seat's own flow, the monitor.  on[]
 * says which kernel thread runs it; only switch_to() changes that.  The processor's store buffer is modelled
 * for the one word whose order matters: a seat's write of `outside` is seen by the others at some later time,
 * by its next write or by the monitor's barrier at the latest.  One pending write is enough: the monitor looks
 * after its barrier alone, and between that and its look a seat that is outside gets no further than
 * coro_hold()'s own write.
 *
 *     here              in shim/core
 *     seat, current     sched.seat, sched.current (sched.host_tid goes with the first)
 *     wanted            sched.wanted
 *     outside[s]        struct seat's, which coro.outside points to, since hand_over()
 *     spare[s]          s is in seats.spare
 *     hosts[s]          struct seat's word is SEAT_HOSTS, not SEAT_RESTS
 *     came[s], heir[s]  struct seat's
 *     keeps[c]          KEEPS_ALONE in coro.keeps
 *     state[c]          coro.state
 *     saved[f]          the registers of the flow f lie at its coro.sp or seat.sp
 *     runq              now, fresh and later of sched.c, which differ in when their turn comes
 *     back, linked      the lists coming_back and sched_remote, as sets
 *     remote            coro.remote_state of each, as a set
 *     kicked            loop_kick() was called, and the loop has not been through on_kick() since
 *     hold, leave       coro_hold(), coro_leave()
 *     settle            handoff_settle()
 *     come_back         handoff_come_back()
 *     send_back         send_back(), sched_push_back()
 *     move_to_first     of the same name (fork); with -DMOVES
 *     park              sched_park(), pass_on() and, at any time with -DMOVES, go_home()
 *     idle              seat_live(): put_spare(), rest(), sched_take_over()
 *     monitor           try_now(), leave_alone(), make_host(), wake_host(); at any time, as with chaos
 *
 * The program: coroutines in a ring.  Each wakes the next, by a call that never parks, and waits for the one
 * before, by one that does.  Those below PIPES are in code of their own until the one before them has been in
 * its own, too: without hand-off the program would stop, unless by chance.  It needs no more kernel threads
 * than there are seats.
 *
 * Asserted: at most one kernel thread is in the scheduler, or the monitor in its place (`inside`); only that
 * one touches the run queue; a flow is on one kernel thread at most, and goes on from saved registers only;
 * each kernel thread runs one flow, and is the host, has one that is alone, or is the seat's own flow's.  And
 * that every coroutine comes round again and again, if each flow that can go on does so some time (weak
 * fairness): so nobody and no wake is lost.  Besides fairness this takes for granted that who waits in
 * handoff_settle() gets through before the monitor's next try; those are a millisecond apart.
 *
 * Not in it: signal handlers, the end and the beginning of threads, a forked child, and the order of all other
 * reads and writes on processors that keep it less than x86 does.
 *
 *     M_NO_BARRIER            the monitor does without membarrier()
 *     M_LOOKS_BEFORE_BARRIER  ... or reads `outside` too early
 *     M_LOOKS_THEN_WRITES     coro_hold() without its fence for the compiler
 *     M_KEEPS_UNSEEN          ... and without a look at `keeps`
 *     M_NO_SETTLE             ... and without waiting for the monitor
 *     M_WANTED_ENDS_EARLY     the monitor ends `wanted` before it says who is alone
 *     M_WAKES_EARLY           ... wakes the new host before
 *     M_PUSH_THEN_SWITCH      one that comes back queues for the host before it is off its stack
 *     M_PARKED_EARLY          ... counts as parked before the host takes it back: it is asked to drive the loop
 *     M_NOBODY_DRIVES         the new host relies on somebody who is not alone
 *     M_ALONE_LEAVES          coro_leave() does not look at `keeps`
 *     M_OLD_WORD              coro.outside is set for good, not at each switch
 *     M_NO_KICK               one that comes back does not wake the host
 *     M_RESTS_LATE            a seat is a spare one before its word says that it rests
 *
 * With -DTWICE calls end twice, as where one of ours calls another.  -DGLOBAL is the first design, which had
 * one word `outside` for all: there one that is alone hides what the host's says (somebody is stuck), and a
 * second end of a call, or an end of one that is alone, comes when others are inside.  (With a word for each
 * seat M_ALONE_LEAVES does no harm.)
 */
#ifndef COROS
#define COROS 2 /* 3 at most */
#endif
#ifndef SEATS
#define SEATS 2 /* 3 at most */
#endif
#define PIPES (SEATS - 1)
#define NEXT ((me + 1) % COROS)
#define FLOWS (COROS + SEATS)
#define OWN_FLOW(s) (COROS + (s))
#define NONE 15
#define MONITOR 14
#define BIT(c) (1 << (c))

#define RUNNING 0
#define READY 1
#define PARKED 2
#define ALONE 3

/* The word of a seat that is not the host is read by nobody before it is one again, before which the monitor's
 * barrier comes, or a lock: so its writes need no buffer. */
#ifdef GLOBAL
#define WORD(s) 0
#define IS_BUFFERED(s) true
#else
#define WORD(s) (s)
#define IS_BUFFERED(s) ((s) == seat)
#endif
#ifdef M_OLD_WORD
#define MY_WORD word_of[me]
byte word_of[COROS] = NONE;
#else
#define MY_WORD WORD(on[me])
#endif

byte on[FLOWS] = NONE;
bool saved[FLOWS] = true;
byte state[COROS] = READY;
bool keeps[COROS];
chan runq = [COROS] of { byte };
byte back, linked, remote;
bool kicked;

bool wanted;
byte seat, current;
bool outside[SEATS];
byte pending[SEATS], pending_at[SEATS]; /* in the store buffer: the value + 1, and of which word */
bool spare[SEATS], hosts[SEATS], heir[SEATS];
byte came[SEATS] = NONE;

byte token[COROS]; /* of the program: what the call that parks waits for, */
bool pipe[PIPES];  /* and what the application's code does */

byte inside = NONE; /* the kernel thread that is in the scheduler */
byte settling;	    /* how many wait for `wanted` to end */

/* --- The border. */

#ifdef M_KEEPS_UNSEEN
#define KEEPS false
#else
#define KEEPS keeps[me]
#endif

inline flush(s)
{
	if
	:: pending[s] -> outside[pending_at[s]] = pending[s] - 1; pending[s] = 0; pending_at[s] = 0
	:: else
	fi
}

inline write_outside(value)
{
	d_step {
#ifdef M_OLD_WORD
		if
		:: word_of[me] == NONE -> word_of[me] = on[me]
		:: else
		fi;
#endif
		flush(on[me]);
		if
		:: IS_BUFFERED(on[me]) -> pending[on[me]] = value + 1; pending_at[on[me]] = MY_WORD
		:: else -> outside[MY_WORD] = value
		fi
	}
}

inline settle()
{
#ifndef M_NO_SETTLE
	if
	:: d_step { wanted -> settling++ }
		d_step { !wanted -> settling-- }
	:: else
	fi
#else
	skip
#endif
}

inline enter()
{
	here = true;
	assert(inside == NONE);
	inside = on[me]
}

/* Answers in `here`, and is then inside. */
inline hold()
{
#ifdef M_LOOKS_THEN_WRITES
	here = wanted;
	write_outside(false);
#else
	write_outside(false);
	here = wanted;
#endif
	if
	:: d_step { !here && !KEEPS -> enter() }
	:: here || KEEPS ->
		settle();
		d_step {
			if
			:: !KEEPS -> enter()
			:: else -> here = false
			fi
		}
	fi
}

inline leave_once()
{
	if
	:: d_step {
			!keeps[me] ->
			assert(current == me);
			if
			:: inside == on[me] -> inside = NONE
			:: else
			fi
		}
		write_outside(true)
	:: else ->
#ifdef M_ALONE_LEAVES
		write_outside(true)
#else
		skip
#endif
	fi
}

inline leave()
{
	here = false;
	leave_once();
#ifdef TWICE
	leave_once()
#endif
}

/* --- The scheduler. */

inline switch_to(next_)
{
	saved[me] = true;
	d_step {
		assert(on[me] != NONE && on[next_] == NONE && saved[next_]);
		saved[next_] = false;
		on[next_] = on[me];
		on[me] = NONE;
		next_ = NONE
	}
	on[me] != NONE
}

inline make_ready(c)
{
	if
	:: state[c] == PARKED -> state[c] = READY; runq!c
	:: else
	fi
}

inline take_back(c)
{
	if
	:: back & BIT(c) ->
#ifndef M_PARKED_EARLY
		keeps[c] = false;
		state[c] = PARKED;
#endif
		make_ready(c)
	:: else
	fi
}

inline take_linked(c)
{
	if
	:: linked & BIT(c) -> remote = remote & ~BIT(c); make_ready(c)
	:: else
	fi
}

inline drain_remote()
{
	d_step {
		assert(inside == on[me]);
		take_back(0);
		take_back(1);
#if COROS > 2
		take_back(2);
#endif
		back = 0
	}
	d_step {
		take_linked(0);
		take_linked(1);
#if COROS > 2
		take_linked(2);
#endif
		linked = 0
	}
}

inline push_remote(c)
{
	if
	:: d_step { !(remote & BIT(c)) -> remote = remote | BIT(c) }
		linked = linked | BIT(c);
		kicked = true
	:: else
	fi
}

inline unpark(c)
{
	if
	:: d_step { here -> assert(inside == on[me]); make_ready(c) }
	:: else -> push_remote(c)
	fi
}

/* The loop has nothing to tell but that somebody kicked it. */
inline sleep_in_loop()
{
	d_step { kicked -> kicked = false }
	drain_remote()
}

inline park()
{
	state[me] = PARKED;
	drain_remote();
	do
	:: state[me] == RUNNING -> break
	:: d_step {
			state[me] != RUNNING && nempty(runq) ->
			assert(inside == on[me]);
			runq?next;
			state[next] = RUNNING;
			current = next
		}
		if
		:: next == me -> next = NONE
		:: else -> switch_to(next)
		fi
	:: state[me] != RUNNING && empty(runq) -> sleep_in_loop()
#ifdef MOVES
	:: d_step {
			state[me] != RUNNING && on[me] != 0 && spare[0] ->
			spare[0] = false;
			heir[on[me]] = true;
			next = OWN_FLOW(on[me])
		}
		switch_to(next)
#endif
	od
}

inline push_back(c)
{
#ifdef M_PARKED_EARLY
	keeps[c] = false;
	state[c] = PARKED;
#endif
	back = back | BIT(c);
#ifndef M_NO_KICK
	kicked = true
#endif
}

inline come_back()
{
#ifdef M_PUSH_THEN_SWITCH
	push_back(me);
#else
	came[on[me]] = me;
#endif
	next = OWN_FLOW(on[me]);
	switch_to(next);
	assert(state[me] == RUNNING && inside == on[me])
}

/* Of one that is inside, and whose seat is not the first. */
inline move_to_first()
{
	if
	:: d_step { on[me] != 0 && spare[0] -> spare[0] = false }
		d_step { keeps[me] = true; state[me] = ALONE; heir[on[me]] = true }
		come_back()
	:: else
	fi
}

/* --- The flows. */

proctype coroutine(byte me)
{
	byte next = NONE;
	bool here;

	on[me] != NONE;
	leave();
	do
	:: if
		:: NEXT < PIPES -> d_step { !pipe[NEXT] -> pipe[NEXT] = true }
		:: else
		fi;
		hold();
		token[NEXT]++;
		unpark(NEXT);
		leave();
		if
		:: me < PIPES -> d_step { pipe[me] -> pipe[me] = false }
		:: else
		fi;
		hold();
		if
		:: here
		:: else -> come_back()
		fi;
#ifdef MOVES
		move_to_first();
#endif
		do
		:: d_step { token[me] -> token[me]-- }
			break
		:: else -> park()
		od;
progress:	leave()
	od
}

#if COROS > 2
#define some_parked (state[0] == PARKED || state[1] == PARKED || state[2] == PARKED)
#define parked_one(c) c = (state[0] == PARKED -> 0 : (state[1] == PARKED -> 1 : 2))
#else
#define some_parked (state[0] == PARKED || state[1] == PARKED)
#define parked_one(c) c = (state[0] == PARKED -> 0 : 1)
#endif

/* A seat's own flow.  The first seat's has not run before its first comes back. */
proctype idle(byte s, me)
{
	byte next = NONE;

	if
	:: s == 0 -> on[me] != NONE; goto switched_to
	:: else
	fi;
	do
	:: hosts[s] ->
		drain_remote();
		do
		:: d_step { nempty(runq) -> runq?next; state[next] = RUNNING }
			break
		:: d_step { empty(runq) && some_parked -> parked_one(next) }
			break
		:: empty(runq) && !some_parked ->
#ifdef M_NOBODY_DRIVES
			assert(false)
#else
			sleep_in_loop()
#endif
		od;
		assert(inside == s);
		current = next;
		switch_to(next);
switched_to:	if
		:: heir[s] ->
			d_step { heir[s] = false; current = NONE; seat = 0; inside = 0 };
			next = 0
		:: else
		fi;
		if
		:: came[s] != NONE ->
#ifndef M_PUSH_THEN_SWITCH
			push_back(came[s]);
#endif
			came[s] = NONE
		:: else
		fi;
		if
		:: next == 0 -> hosts[0] = true; next = NONE
		:: else
		fi;
#ifdef M_RESTS_LATE
		spare[s] = true;
		hosts[s] = false
#else
		hosts[s] = false;
		spare[s] = true
#endif
	od
}

inline flows_on(s)
{
	n = (on[0] == s) + (on[1] == s) + (on[2] == s) + (on[3] == s);
#if FLOWS > 4
	n = n + (on[4] == s);
#endif
#if FLOWS > 5
	n = n + (on[5] == s);
#endif
	assert(n == 1);
	n = 0
}

inline check_coroutine(c)
{
	/* One that has moved to the first seat on its own accord is marked before it is off the old one. */
	assert(on[c] == NONE || (on[c] == seat && (!keeps[c] || heir[on[c]])) || (on[c] != seat && keeps[c]))
}

inline check_seats()
{
	flows_on(0);
	flows_on(1);
	check_coroutine(0);
	check_coroutine(1);
#if SEATS > 2
	flows_on(2);
#endif
#if COROS > 2
	check_coroutine(2);
#endif
	assert(!spare[seat])
}

inline barrier()
{
#ifdef M_NO_BARRIER
	skip
#else
	d_step {
		flush(0);
		flush(1);
#if SEATS > 2
		flush(2)
#endif
	}
#endif
}

inline take_spare()
{
	if
	:: d_step { spare[0] -> spare[0] = false; to = 0 }
	:: d_step { !spare[0] && spare[1] -> spare[1] = false; to = 1 }
#if SEATS > 2
	:: d_step { !spare[0] && !spare[1] && spare[2] -> spare[2] = false; to = 2 }
#endif
	fi
}

inline leave_alone()
{
#ifdef M_WANTED_ENDS_EARLY
	wanted = false;
#endif
#ifdef M_WAKES_EARLY
	hosts[to] = true;
#endif
	keeps[co] = true;
	state[co] = ALONE;
#ifdef GLOBAL
	outside[0] = false;
#endif
	d_step { current = NONE; seat = to; inside = to; co = 0 };
	wanted = false;
	d_step { hosts[to] = true; to = 0 }
}

proctype monitor()
{
	byte to, co, n;
	bool is_outside;

	do
	:: take_spare();
		d_step { settling == 0 -> check_seats(); wanted = true }
#ifdef M_LOOKS_BEFORE_BARRIER
		is_outside = outside[WORD(seat)];
		barrier();
#else
		barrier();
		is_outside = outside[WORD(seat)];
#endif
		if
		:: d_step {
				is_outside ->
				is_outside = false;
				assert(inside == NONE);
				inside = MONITOR;
				co = current
			}
			leave_alone()
		:: else ->
			wanted = false;
			d_step { spare[to] = true; to = 0 }
		fi
	od
}

/* What is in a store buffer gets out some time. */
proctype processor()
{
	do
	:: d_step { pending[0] -> flush(0) }
	:: d_step { pending[1] -> flush(1) }
#if SEATS > 2
	:: d_step { pending[2] -> flush(2) }
#endif
	od
}

init
{
	byte n = 1;

	atomic {
		do
		:: n < COROS -> runq!n; n++
		:: else -> break
		od;
		n = 1;
		do
		:: n < SEATS -> on[OWN_FLOW(n)] = n; saved[OWN_FLOW(n)] = false; spare[n] = true; n++
		:: else -> break
		od;
		on[0] = 0;
		saved[0] = false;
		state[0] = RUNNING;
		inside = 0;
		n = 0;
		do
		:: n < COROS -> run coroutine(n); n++
		:: else -> break
		od;
		n = 0;
		do
		:: n < SEATS -> run idle(n, OWN_FLOW(n)); n++
		:: else -> break
		od;
		run monitor();
		run processor()
	}
}
