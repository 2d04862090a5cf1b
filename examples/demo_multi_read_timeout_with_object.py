# SPDX-License-Identifier: Apache-2.0
"""Questions and one limit for all of them: syncless run demo_multi_read_timeout_with_object.py [SECONDS]

By a Timeout: the program goes on behind its block, be it that the answers have
come or that the SECONDS (3) are over.  After the second answer there is no hurry
any more; after the third there is one second left.
"""
import sys

from syncless import coio, stackless, util

limit = float(sys.argv[1]) if len(sys.argv) > 1 else 3
answers = []


def ask(question):
    print(f'What is your {question}?', flush=True)
    answers.append(sys.stdin.readline().strip())


with util.Timeout(limit) as timeout:
    ask('name')
    ask('quest')
    timeout.cancel()
    ask('favourite colour')
    timeout.change(1)
    coio.sleep(1000)
    print('never reached')
print('answers: ' + ', '.join(answers))
print('runcount:', stackless.getruncount())  # main, and the stand-in for the main loop
