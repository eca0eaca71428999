import pw from 'playwright-core';
import { temporaryFolder } from './aldis.mjs';
import { Program } from './program.mjs';
import { FAKE_DEVICES, PATIENCE_MS, newTab, tabIn } from './tab.mjs';

const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';

/** It asks nobody for anything that a page did not ask for. */
export const QUIET = [
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-default-apps',
  '--disable-gpu',
  '--disable-quic',
  '--disable-sync',
  '--no-first-run',
  '--no-pings',
  '--no-sandbox', // it cannot start as root, which is who runs the tests in CI
];

/**
 * Nothing but a word to the local router about multicast leaves this machine, and nothing but loopback is needed. Chromium offers
 * loopback addresses only with the flag below, and only to pages that may use the camera: so even a browser without one is given the
 * permission.
 */
const ARGS = ['--allow-loopback-in-peer-connection', '--autoplay-policy=no-user-gesture-required', ...QUIET];

/** It asks for its makers all the same: no name and no address leads anywhere but to this machine and to `hosts`. */
const resolve = (hosts) =>
  `--host-resolver-rules=${['MAP * ~NOTFOUND', ...['localhost', '127.*', '[::1]', ...hosts].map((host) => `EXCLUDE ${host}`)].join(', ')}`;

/** A tab in a Chromium process of its own, for the length of the test `t`. */
export async function openTab(t, name, devices, { prepare, flags = [], reach = [] } = {}) {
  const browser = await pw.chromium.launch({
    executablePath: CHROMIUM,
    args: [...ARGS, resolve(reach), ...flags, ...(devices === FAKE_DEVICES ? ['--use-fake-device-for-media-stream'] : [])],
    timeout: PATIENCE_MS,
  });
  t.after(() => browser.close());
  return newTab(name, browser, { permissions: ['camera', 'microphone'] }, prepare);
}

/**
 * The same, but of a browser that nobody pretends to look at: a tab that another one of it covers is hidden. Playwright makes every tab
 * believe that it is seen, except in a browser that it did not start.
 */
export async function openHideableTab(t, name) {
  let program;
  // Registered before the folder, because hooks run in that order and Chromium writes there until its end.
  t.after(() => program?.stop());
  const flags = ['--headless', '--remote-debugging-port=0', `--user-data-dir=${await temporaryFolder(t)}`];
  program = new Program(t, CHROMIUM, [...ARGS, resolve([]), ...flags, 'about:blank']);
  const [endpoint] = await program.says(/ws:\/\/\S+/, PATIENCE_MS);
  const browser = await pw.chromium.connectOverCDP(endpoint, { noDefaults: true, timeout: PATIENCE_MS });
  const [context] = browser.contexts();
  await context.grantPermissions(['camera', 'microphone']);
  return tabIn(name, context);
}
