/** The checker that judges what clients saw: it accepts a history that keeps the rules, and finds each rule that one breaks. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RULE_NAMES, violations } from './lib/history.mjs';

/** Ann and bob: one message each way, one that nobody heard, and bob comes back as a new peer. */
const GOOD = [
  { at: 0, by: 'ann', what: 'appeared', peer: 'b1', name: 'bob' },
  { at: 0, by: 'bob', what: 'appeared', peer: 'a1', name: 'ann' },
  { at: 1, by: 'ann', what: 'sent', to: 'bob', n: 1, peer: 'b1' },
  { at: 2, by: 'ann', what: 'sent', to: 'bob', n: 2, peer: 'b1' },
  { at: 3, by: 'bob', what: 'sent', to: 'ann', n: 1, peer: 'a1' },
  { at: 4, by: 'bob', what: 'heard', from: 'ann', n: 1, peer: 'a1' },
  { at: 5, by: 'bob', what: 'heard', from: 'ann', n: 2, peer: 'a1' },
  { at: 6, by: 'ann', what: 'resolved', to: 'bob', n: 1 },
  { at: 7, by: 'ann', what: 'heard', from: 'bob', n: 1, peer: 'b1' },
  { at: 8, by: 'bob', what: 'resolved', to: 'ann', n: 1 },
  { at: 9, by: 'ann', what: 'sent', to: 'bob', n: 3, peer: 'b1' },
  { at: 10_000, by: 'ann', what: 'left', peer: 'b1', name: 'bob', reason: 'timeout' },
  { at: 10_001, by: 'ann', what: 'rejected', to: 'bob', n: 3, code: 'peer-gone', outcome: 'not-delivered' },
  { at: 10_002, by: 'ann', what: 'rejected', to: 'bob', n: 2, code: 'peer-gone', outcome: 'unknown' },
  { at: 20_000, by: 'ann', what: 'appeared', peer: 'b2', name: 'bob', previous: 'b1' },
  { at: 20_001, by: 'bob', what: 'sent', to: 'ann', n: 2, peer: 'a1' },
  { at: 20_002, by: 'ann', what: 'heard', from: 'bob', n: 2, peer: 'b2' },
  { at: 51_001, by: 'bob', what: 'resolved', to: 'ann', n: 2 },
];

const without = (moment) => GOOD.filter((event) => event.at !== moment);
const inOrder = (events) => events.sort((one, other) => one.at - other.at);
const changed = (moment, change) => inOrder(GOOD.map((event) => (event.at === moment ? { ...event, ...change } : event)));
const and = (event) => inOrder([...GOOD, event]);

const DOCTORED = {
  'every message is settled within 31 s': [without(10_001), changed(51_001, { at: 51_002 })],
  'what resolved was heard before': [without(4), changed(7, { at: 8.5 })],
  'what rejected says by its name what became of it': [
    changed(10_001, { code: undefined }),
    changed(10_001, { outcome: undefined }),
    changed(10_001, { outcome: 'delivered' }),
  ],
  'what was not delivered was not heard': [changed(10_002, { outcome: 'not-delivered' })],
  'nothing is heard twice': [and({ at: 5.5, by: 'bob', what: 'heard', from: 'ann', n: 2, peer: 'a1' })],
  'nothing is heard that was not sent': [
    and({ at: 12, by: 'bob', what: 'heard', from: 'ann', n: 9, peer: 'a1' }),
    changed(3, { at: 7.5 }),
  ],
  'what one says to another is heard in order': [changed(5, { at: 3.5 })],
  'only who is in the room is heard': [without(20_000), changed(7, { peer: 'b0' }), changed(20_002, { peer: 'b1' })],
};

test('a history that keeps the rules is accepted', () => {
  assert.deepEqual(violations(GOOD), []);
});

test('there is a doctored history for every rule', () => {
  assert.deepEqual(Object.keys(DOCTORED), RULE_NAMES);
});

for (const [rule, histories] of Object.entries(DOCTORED)) {
  test(`a history that breaks it is caught: ${rule}`, () => {
    for (const history of histories) assert.deepEqual(violations(history).map((found) => found.rule), [rule]);
  });
}

test('to who speaks without streams, a message that resolved has only been written', () => {
  assert.deepEqual(violations(without(4), { plain: ['bob'] }), []);
});
