/** Peers in networks as they are: each behind a NAT of its own, with a signaling server and a TURN server on the public side. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { goesDirectly, joinFrom, route } from './lib/counting-page.mjs';
import { NAT, startNetwork } from './lib/net.mjs';
import { startAldisOn, startCoturnOn } from './lib/net-servers.mjs';
import { openTabOn } from './lib/net-tab.mjs';
import { chat, connected } from './lib/sdk-page.mjs';
import { assertQuiet } from './lib/tab.mjs';
import { mint } from './lib/token.mjs';

/** Two hosts behind NATs of these kinds, connected and heard, as tabs. */
async function meet(t, nats, { transports = [], udp = 'open' } = {}) {
  const network = await startNetwork(t);
  const [signaling, turn] = [await network.host('signaling'), await network.host('turn')];
  const coturn = await startCoturnOn(t, turn);
  const { origin } = await startAldisOn(t, signaling, transports.length > 0 ? coturn.relay(...transports) : coturn.stun);
  const tabs = [];
  for (const [at, nat] of nats.entries()) {
    const name = ['ann', 'bob'][at];
    const home = await network.home(name, nat);
    if (udp === 'blocked') await home.cutUdp();
    tabs.push(await openTabOn(t, home.host, name));
  }
  const began = performance.now();
  for (const tab of tabs) await joinFrom(tab, origin, { room: 'net', token: mint('net', tab.name) });
  await Promise.all(tabs.map((tab) => connected(tab, 1)));
  t.diagnostic(`connected ${Math.round(performance.now() - began)} ms after the first page was opened`);
  await chat(tabs[0], 'hello from ann', tabs[1]);
  await chat(tabs[1], 'hello from bob', tabs[0]);
  assertQuiet(...tabs);
  return tabs;
}

for (const [relay, transports] of [['a relay that they do not need', ['udp']], ['no relay at all', []]]) {
  test(`two homes connect directly through both of their routers, with ${relay}`, async (t) => {
    const tabs = await meet(t, [NAT.home, NAT.home], { transports });
    // A relay may be faster for a moment.
    await Promise.all(tabs.map(goesDirectly));
  });
}

test('between two symmetric NATs a call goes by relay', async (t) => {
  const tabs = await meet(t, [NAT.symmetric, NAT.symmetric], { transports: ['udp'] });
  for (const { local, remote } of await Promise.all(tabs.map(route))) {
    assert.ok([local, remote].includes('relay'), `${local} to ${remote}`);
  }
});

test('between a home and a symmetric NAT a call goes by relay', async (t) => {
  const tabs = await meet(t, [NAT.home, NAT.symmetric], { transports: ['udp'] });
  for (const { local, remote } of await Promise.all(tabs.map(route))) {
    assert.ok([local, remote].includes('relay'), `${local} to ${remote}`);
  }
});

test('where no UDP goes through a call goes by relay over TCP', async (t) => {
  const tabs = await meet(t, [NAT.home, NAT.home], { transports: ['udp', 'tcp'], udp: 'blocked' });
  const routes = await Promise.all(tabs.map(route));
  assert.deepEqual(routes, Array(2).fill({ local: 'relay', remote: 'relay', relayProtocol: 'tcp' }));
});
