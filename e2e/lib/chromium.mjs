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
  '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.*, EXCLUDE [::1]', // else it looks for its makers
  '--no-first-run',
  '--no-pings',
  '--no-sandbox', // it cannot start as root, which is who runs the tests in CI
];

/** A tab in a Chromium process of its own, for the length of the test `t`. */
export async function openTab(t, name, devices, { prepare } = {}) {
  const browser = await pw.chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: devices === FAKE_DEVICES ? [...ARGS, '--use-fake-device-for-media-stream'] : ARGS,
    timeout: PATIENCE_MS,
  });
  t.after(() => browser.close());
  return newTab(name, browser, { permissions: ['camera', 'microphone'] }, prepare);
}
