import assert from 'node:assert/strict';
import { within } from './within.mjs';

/** What a browser may be given to capture with. */
export const FAKE_DEVICES = 'fake devices';
export const NO_DEVICES = 'no devices';

/** How long to wait for anything in a browser: seconds where the machine is free, and it often is not. */
export const PATIENCE_MS = 60_000;

/** A tab in `browser`, whose context has these `options`. It runs `prepare` before each page. */
export async function newTab(name, browser, options, prepare) {
  return tabIn(name, await browser.newContext({ viewport: { width: 900, height: 800 }, ...options }), prepare);
}

/** A tab in this context. */
export async function tabIn(name, context, prepare) {
  context.setDefaultTimeout(PATIENCE_MS);
  const page = await context.newPage();
  const tab = { name, page, context, complaints: [] };
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) tab.complaints.push(`${name}: ${message.text()}`);
  });
  page.on('pageerror', (error) => tab.complaints.push(`${name}: ${error.stack}`));
  // A way to the connections' statistics that asks nothing of the page.
  await page.addInitScript(() => {
    window.connections = [];
    window.RTCPeerConnection = class extends RTCPeerConnection {
      constructor(...args) {
        super(...args);
        window.connections.push(this);
      }
    };
  });
  if (prepare) await page.addInitScript(prepare);
  return tab;
}

/** Waits until this many bytes of audio and frames of video have come from some peer, and returns how many it were. */
export function receives(tab, atLeast) {
  const got = tab.page.evaluate(async (atLeast) => {
    for (;;) {
      const reports = await Promise.all(window.connections.map((connection) => connection.getStats()));
      const inbound = reports.flatMap((report) => [...report.values()]).filter(({ type }) => type === 'inbound-rtp');
      const most = (kind, what) => Math.max(0, ...inbound.filter((rtp) => rtp.kind === kind).map((rtp) => rtp[what] ?? 0));
      const got = { audio: most('audio', 'bytesReceived'), video: most('video', 'framesDecoded') };
      if (got.audio >= atLeast.audio && got.video >= atLeast.video) return got;
      await new Promise(requestAnimationFrame);
    }
  }, atLeast);
  return within(PATIENCE_MS, `${JSON.stringify(atLeast)} at ${tab.name}`, got);
}

export function assertQuiet(...tabs) {
  assert.deepEqual(tabs.flatMap((tab) => tab.complaints), []);
}
