# SPDX-License-Identifier: Apache-2.0
"""Three questions and one limit for all of them: syncless run demo_multi_read_timeout.py [SECONDS]

By run_in_tasklet_with_timeout(): the questions are asked in a tasklet, which is
ended when the SECONDS (3) are over.
"""
import sys

from syncless import util


def ask_all():
    answers = []
    for question in 'name', 'quest', 'favourite colour':
        print(f'What is your {question}?', flush=True)
        answers.append(sys.stdin.readline().strip())
    return answers


limit = float(sys.argv[1]) if len(sys.argv) > 1 else 3
answers = util.run_in_tasklet_with_timeout(ask_all, limit)
print('too late' if answers is None else 'answers: ' + ', '.join(answers))
