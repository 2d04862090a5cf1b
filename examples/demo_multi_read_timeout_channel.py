# SPDX-License-Identifier: Apache-2.0
"""Three questions and one limit for all of them: syncless run demo_multi_read_timeout_channel.py [SECONDS]

By receive_with_timeout(): who asks sends the answers through a channel, and is
killed when nothing has come in SECONDS (3).
"""
import sys

from syncless import coio, stackless


def ask_all(channel):
    answers = []
    try:
        for question in 'name', 'quest', 'favourite colour':
            print(f'What is your {question}?', flush=True)
            answers.append(sys.stdin.readline().strip())
    finally:
        print(f'asked for {len(answers)} answers')
    channel.send(answers)


limit = float(sys.argv[1]) if len(sys.argv) > 1 else 3
channel = stackless.channel()
asker = stackless.tasklet(ask_all)(channel)
answers = coio.receive_with_timeout(limit, channel)
if asker.alive:
    asker.remove().kill()
print('too late' if answers is None else 'answers: ' + ', '.join(answers))
