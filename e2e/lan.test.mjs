/** `aldis dev --lan`: the demo over TLS with a certificate of its own, as a phone on the same network opens it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startAldis } from './lib/aldis.mjs';
import { openTab } from './lib/chromium.mjs';
import { chat, join, othersAre, plays } from './lib/demo.mjs';
import { FAKE_DEVICES, assertQuiet } from './lib/tab.mjs';

test('two browsers meet on the page of the local network', async (t) => {
  const { program, port } = await startAldis(t, 'dev', {}, { listen: '[::]:0', flags: ['--lan'] });
  const address = program.output.match(new RegExp(`https://[0-9.]+:${port}/`))?.[0] ?? `https://localhost:${port}/`;
  t.diagnostic(`the banner says ${address}`);
  // What a user does who chooses to proceed.
  const proceed = { flags: ['--ignore-certificate-errors'], reach: [new URL(address).hostname] };
  const tabs = await Promise.all(['computer', 'phone'].map((name) => openTab(t, name, FAKE_DEVICES, proceed)));
  await join(tabs[0], `https://localhost:${port}`);
  await join(tabs[1], new URL(address).origin);
  for (const tab of tabs) {
    await othersAre(tab, 'connected');
    await plays(tab, 'other');
    assert.ok(await tab.page.evaluate(() => isSecureContext), 'a page with a camera');
  }
  await chat(tabs[0], 'hello from the computer', tabs[1]);
  await chat(tabs[1], 'hello from the phone', tabs[0]);
  assertQuiet(...tabs);
});
