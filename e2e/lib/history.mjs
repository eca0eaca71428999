/**
 * What several clients saw, in one order, and the rules that it must keep (`docs/protocol.md`, "What is promised").
 *
 * Everybody is known by name, over all stays; `peer` is the id of one stay. `n` counts what one says to another, from 1.
 *
 * | event | by whom | what |
 * |---|---|---|
 * | `sent` | sender | `to`, `n`, `peer`: was given to `send` |
 * | `resolved` | sender | `to`, `n`: its promise resolved |
 * | `rejected` | sender | `to`, `n`, `code`, `outcome`: it rejected; without a code, by something else than an `AldisError` |
 * | `heard` | receiver | `from`, `n`, `peer`: its listener ran |
 * | `appeared`, `left` | anybody | `peer`, `name`, and `previous` or `reason`: somebody else came, or left for good |
 * | `presence` | anybody | `peer`, `name`, `is`: somebody else is `here` or `away` |
 * | `status` | anybody | `is`: its own connection to the server |
 */
import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ROOT } from './aldis.mjs';
import { within } from './within.mjs';

/** How long the fate of a message may stay open. */
const SETTLED_MS = 31_000;

/** What is recorded of one test. */
export class History {
  events = [];
  #open = 0;
  #watching = new Set();

  note(by, what, details = {}) {
    this.events.push({ at: performance.now(), by, what, ...details });
    if (what === 'sent') this.#open += 1;
    if (what === 'resolved' || what === 'rejected') this.#open -= 1;
    for (const look of this.#watching) look();
  }

  /** The events of a kind, of somebody or of everybody. */
  of(what, by) {
    return this.events.filter((event) => event.what === what && (by === undefined || event.by === by));
  }

  /** What somebody saw of the others, in words. */
  seen(by) {
    const words = {
      appeared: ({ name, previous }) => `${name} appeared${previous ? ' again' : ''}`,
      left: ({ name, reason }) => `${name} left: ${reason}`,
      presence: ({ name, is }) => `${name} ${is}`,
    };
    return this.events.filter((event) => event.by === by && event.what in words).map((event) => words[event.what](event));
  }

  /** Waits for something that is to be seen after one of the events. */
  async until(ms, what, condition) {
    let look;
    try {
      await within(ms, what, new Promise((resolve) => {
        look = () => condition() && resolve();
        this.#watching.add(look);
        look();
      }));
    } finally {
      this.#watching.delete(look);
    }
  }

  /** Waits until everything that was sent has met its fate. */
  settled() {
    return this.until(SETTLED_MS + 1_000, 'that every message is settled', () => this.#open === 0);
  }

  /** Fails with every rule that was broken; then the whole history is in `e2e/out`. */
  async assertKept(t, options) {
    const broken = violations(this.events, options);
    t.diagnostic(summary(this.events));
    if (broken.length === 0) return;
    const file = join(ROOT, 'e2e/out', `history-${t.name.replace(/\W+/g, '-')}.jsonl`);
    await mkdir(join(ROOT, 'e2e/out'), { recursive: true });
    await writeFile(file, this.events.map((event) => `${JSON.stringify(event)}\n`).join(''));
    const lines = broken.slice(0, 20).map(({ rule, how }) => `\n${rule}: ${how}`);
    assert.fail(`${broken.length} violations; the history is in ${file}${lines.join('')}`);
  }
}

/** The rules that a history breaks, as `{ rule, how }`. To and from who speaks without streams less is promised. */
export function violations(events, { plain = [] } = {}) {
  const story = read(events, plain);
  return Object.entries(RULES).flatMap(([rule, check]) => [...check(story)].map((how) => ({ rule, how })));
}

const RULES = {
  *'every message is settled within 31 s'({ messages, end }) {
    for (const { key, sent, fate } of messages.values()) {
      const tookMs = (fate?.at ?? end) - sent?.at;
      if (sent && (!fate || tookMs > SETTLED_MS)) yield `${key} ${fate ? `took ${Math.round(tookMs)} ms` : 'never was'}`;
    }
  },
  *'what resolved was heard before'({ messages }) {
    for (const { key, fate, heard, plain } of messages.values()) {
      if (fate?.what === 'resolved' && !plain && !heard.some(({ at }) => at <= fate.at)) yield key;
    }
  },
  *'what rejected says by its name what became of it'({ messages }) {
    for (const { key, fate } of messages.values()) {
      if (fate?.what !== 'rejected') continue;
      if (typeof fate.code !== 'string' || !['not-delivered', 'unknown'].includes(fate.outcome)) {
        yield `${key}: ${fate.code}, ${fate.outcome}`;
      }
    }
  },
  *'what was not delivered was not heard'({ messages }) {
    for (const { key, fate, heard } of messages.values()) {
      if (fate?.outcome === 'not-delivered' && heard.length > 0) yield `${key}: ${fate.code}`;
    }
  },
  *'nothing is heard twice'({ messages }) {
    for (const { key, heard } of messages.values()) {
      if (heard.length > 1) yield `${key} ${heard.length} times`;
    }
  },
  *'nothing is heard that was not sent'({ messages }) {
    for (const { key, sent, heard } of messages.values()) {
      if (heard.some(({ at }) => !sent || at < sent.at)) yield key;
    }
  },
  *'what one says to another is heard in order'({ events }) {
    const last = new Map();
    for (const { what, by, from, n } of events) {
      if (what !== 'heard') continue;
      const way = `${from} → ${by}`;
      if (n < last.get(way)) yield `${way}: ${n} after ${last.get(way)}`;
      last.set(way, n);
    }
  },
  *'only who is in the room is heard'({ events }) {
    const here = new Set();
    for (const { what, by, peer, from, n } of events) {
      if (what === 'appeared') here.add(`${by} ${peer}`);
      if (what === 'left') here.delete(`${by} ${peer}`);
      if (what === 'heard' && !here.has(`${by} ${peer}`)) yield `${by} hears ${from} #${n} of ${peer}`;
    }
  },
};

/** The names of the rules, for those who prove that each of them bites. */
export const RULE_NAMES = Object.keys(RULES);

/** The events by message: when it was sent, what its sender was told, and when it was heard. */
function read(events, plain) {
  const messages = new Map();
  const message = (from, to, n) => {
    const key = `${from} → ${to} #${n}`;
    if (!messages.has(key)) messages.set(key, { key, heard: [], plain: plain.includes(from) || plain.includes(to) });
    return messages.get(key);
  };
  for (const event of events) {
    if (event.what === 'sent') message(event.by, event.to, event.n).sent = event;
    if (event.what === 'resolved' || event.what === 'rejected') message(event.by, event.to, event.n).fate = event;
    if (event.what === 'heard') message(event.from, event.by, event.n).heard.push(event);
  }
  return { events, messages, end: events.at(-1)?.at };
}

/** How much of what there was, and how long messages took: half of them, 99 of a hundred, and the last. */
export function summary(events) {
  const fates = [...read(events, []).messages.values()].filter(({ fate }) => fate);
  const took = fates.filter(({ fate }) => fate.what === 'resolved').map(({ sent, fate }) => fate.at - sent.at).sort((a, b) => a - b);
  const quantile = (share) => Math.round(took[Math.min(took.length - 1, Math.floor(took.length * share))] ?? 0);
  const counts = {};
  for (const { fate } of fates) {
    if (fate.what === 'rejected') counts[`${fate.code} (${fate.outcome})`] = (counts[`${fate.code} (${fate.outcome})`] ?? 0) + 1;
  }
  const rejected = Object.entries(counts).map(([why, count]) => `, ${count} ${why}`).join('');
  return `${took.length} delivered, p50 ${quantile(0.5)} ms, p99 ${quantile(0.99)} ms, at most ${quantile(1)} ms${rejected}`;
}
