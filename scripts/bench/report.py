# SPDX-License-Identifier: Apache-2.0
"""Collects what the benches measure: tables for people, a tree for programs.

A goal has three outcomes: ok, MISSED, and `not here` when it could not be
measured.  The last is not a success; --strict counts it as a failure, so that
a broken build cannot look like a good one.  Faults (a wrong answer, a
contestant that died, a "green" server with a kernel thread per connection)
are kept apart from missed goals: they make numbers meaningless, not slow.
"""
import sys


def number(value, digits=1):
    """A cell: `not here` for what could not be measured."""
    if value is None:
        return 'not here'
    return value if isinstance(value, str) else f'{value:.{digits}f}'


class Report:
    def __init__(self):
        self.tree = {'machine': {}, 'benches': {}, 'goals': [], 'faults': []}
        self.bench = None
        self.said = []

    def say(self, text=''):
        print(text, flush=True)
        self.said.append(text)

    def write_into(self, path, mark):
        """Puts all that was said into a file, in place of what is between the comments `begin MARK` and `end MARK`."""
        with open(path, encoding='utf-8') as file:
            before, begin, rest = file.read().partition(f'<!-- begin {mark} -->\n')
        _, end, after = rest.partition(f'<!-- end {mark} -->\n')
        if not end:
            raise ValueError(f'{path} has no comments `begin {mark}` and `end {mark}`')
        said = '\n'.join(self.said).strip()
        with open(path, 'w', encoding='utf-8') as file:
            file.write(f'{before}{begin}<!-- not run: it is what a run has printed -->\n```\n{said}\n```\n{end}{after}')

    def machine(self, facts):
        self.tree['machine'] = facts
        self.say('; '.join(f'{key} {value}' for key, value in facts.items()))

    def start(self, name, title):
        self.bench = self.tree['benches'].setdefault(name, {})
        self.say(f'\n== {name}: {title}')

    def note(self, text):
        self.say(text)

    def raw(self, key, value):
        """Keeps every single measurement for --json."""
        self.bench[key] = value

    def table(self, title, columns, rows):
        cells = [columns] + [[number(cell) for cell in row] for row in rows]
        widths = [max(len(row[i]) for row in cells) for i in range(len(columns))]
        self.say(f'\n{title}')
        for row in cells:
            first = row[0].ljust(widths[0])
            rest = (cell.rjust(width) for cell, width in zip(row[1:], widths[1:]))
            self.say('  ' + '  '.join([first, *rest]))

    def goal(self, what, value, limit, digits=2, at_least=False):
        if value is None:
            outcome = 'not here'
        else:
            outcome = 'ok' if (value >= limit if at_least else value <= limit) else 'MISSED'
        self.tree['goals'].append(
            {'what': what, 'value': value, 'limit': limit, 'at_least': at_least, 'outcome': outcome})
        self.say(f'  goal: {what} {number(value, digits)} {">=" if at_least else "<="} {limit:g}: {outcome}')

    def fault(self, text):
        self.tree['faults'].append(text)
        self.say(f'  FAULT: {text}')
        print(f'bench: {text}', file=sys.stderr)

    def summary(self):
        counts = {outcome: sum(g['outcome'] == outcome for g in self.tree['goals'])
                  for outcome in ('ok', 'MISSED', 'not here')}
        self.say(f"\ngoals: {counts['ok']} ok, {counts['MISSED']} missed, "
                 f"{counts['not here']} not here; faults: {len(self.tree['faults'])}")
        for goal in self.tree['goals']:
            if goal['outcome'] != 'ok':
                self.say(f"  {goal['outcome']}: {goal['what']}")

    def all_well(self):
        return not self.tree['faults'] and all(g['outcome'] == 'ok' for g in self.tree['goals'])

    def as_json(self):
        return self.tree
