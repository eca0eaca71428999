import { seeded } from './random.mjs';

/**
 * Prepares a tab, before it joins, for what a wire can do to the messages of the other side: before the SDK sees them and below
 * everything that it does against it. `faults` says what happens from the start:
 *
 * - `drop`, `duplicate`, `garble`: so many messages of a type to come (`{ answer: 1 }`);
 * - `keep`: types that are kept until the test lets them through (`letThrough`), in the order that it chooses;
 * - `chance`: `{ seed, lost, doubled }`, the share of all descriptions, by chance.
 */
export async function prepareFaults(tab, faults = {}) {
  await tab.page.addInitScript(`window.seeded = ${seeded}`);
  await tab.page.addInitScript(installTampering, faults);
}

/** In the page. `faults` can be changed at any time, and `done` counts what has come of chance. */
function installTampering(faults) {
  const none = { drop: {}, duplicate: {}, garble: {}, keep: [], chance: undefined };
  window.faults = { ...none, ...faults };
  window.kept = [];
  window.done = { lost: 0, doubled: 0 };

  const dice = window.seeded(window.faults.chance?.seed ?? 0);
  const takes = (fault, type) => (window.faults[fault][type] ?? 0) > 0 && window.faults[fault][type]-- > 0;

  window.tamper = (data, hear) => {
    const message = JSON.parse(data);
    const { type } = message;
    if (!('from' in message)) return hear(data);
    if (takes('drop', type)) return void (window.done.lost += 1);
    if (takes('garble', type)) return hear(JSON.stringify({ ...message, sdp: 'no description at all' }));
    if (window.faults.keep.includes(type)) return void window.kept.push({ type, hear: () => hear(data) });
    const { chance } = window.faults;
    const luck = chance && ['offer', 'answer'].includes(type) ? dice() : 1;
    if (luck < chance?.lost) return void (window.done.lost += 1);
    hear(data);
    if (takes('duplicate', type) || (luck < 1 && luck < chance.lost + chance.doubled)) {
      window.done.doubled += 1;
      hear(data);
    }
  };
}

/** Changes what happens to messages from now on. */
export const tamperWith = (tab, faults) => tab.page.evaluate((faults) => void Object.assign(window.faults, faults), faults);

/** Lets through what was kept, types in the order of the list and those that are not in it at the end, and keeps nothing any more. */
export const letThrough = (tab, order) =>
  tab.page.evaluate((order) => {
    window.faults.keep = [];
    const rank = ({ type }) => (order.includes(type) ? order.indexOf(type) : order.length);
    for (const { hear } of window.kept.splice(0).sort((a, b) => rank(a) - rank(b))) hear();
  }, order);
