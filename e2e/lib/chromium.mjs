import pw from 'playwright-core';
import { FAKE_DEVICES, PATIENCE_MS, newTab } from './tab.mjs';

/**
 * Nothing but a word to the local router about multicast leaves this machine, and nothing but loopback is needed. Chromium offers
 * loopback addresses only with the flag below, and only to pages that may use the camera: so even a browser without one is given the
 * permission.
 */
const ARGS = [
  '--allow-loopback-in-peer-connection',
  '--autoplay-policy=no-user-gesture-required',
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

/** It asks for its makers all the same: no name and no address leads anywhere but to this machine and to `hosts`. */
const resolve = (hosts) =>
  `--host-resolver-rules=${['MAP * ~NOTFOUND', ...['localhost', '127.*', '[::1]', ...hosts].map((host) => `EXCLUDE ${host}`)].join(', ')}`;

/** A tab in a Chromium process of its own, for the length of the test `t`. */
export async function openTab(t, name, devices, { prepare, flags = [], reach = [] } = {}) {
  const browser = await pw.chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: [...ARGS, resolve(reach), ...flags, ...(devices === FAKE_DEVICES ? ['--use-fake-device-for-media-stream'] : [])],
    timeout: PATIENCE_MS,
  });
  t.after(() => browser.close());
  return newTab(name, browser, { permissions: ['camera', 'microphone'] }, prepare);
}
