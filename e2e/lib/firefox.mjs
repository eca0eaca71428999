import pw from 'playwright-core';
import { temporaryFolder } from './aldis.mjs';
import { FAKE_DEVICES, PATIENCE_MS, newTab } from './tab.mjs';

/**
 * Nothing leaves this machine: every name stands for loopback, so Firefox finds none of its makers' services. A page is offered
 * only the address that the default route goes out from; so there has to be one, and what is sent to that address stays here.
 */
const PREFERENCES = {
  'media.autoplay.default': 0, // all may play
  'media.navigator.permission.disabled': true,
  'media.peerconnection.ice.loopback': true, // for a TURN server on loopback
  'media.peerconnection.ice.obfuscate_host_addresses': false, // else it asks the local network for names, by multicast
  'network.dns.forceResolve': '127.0.0.1',
};

/** A tab in a Firefox process of its own, for the length of the test `t`. */
export async function openFirefoxTab(t, name, devices, { prepare } = {}) {
  let browser;
  // Registered before its folder, because hooks run in that order and Firefox writes there until it is closed.
  t.after(() => browser?.close());
  browser = await launchFirefox(t, { devices });
  return newTab(name, browser, {}, prepare);
}

/** A Firefox process; whoever starts it closes it. */
export async function launchFirefox(t, { devices, executablePath = process.env.FIREFOX ?? '/usr/bin/firefox-esr', preferences }) {
  return pw.firefox.launch({
    channel: 'moz-firefox', // the stock browser, through WebDriver BiDi
    executablePath,
    env: { PATH: process.env.PATH, HOME: await temporaryFolder(t) },
    firefoxUserPrefs: { ...PREFERENCES, 'media.navigator.streams.fake': devices === FAKE_DEVICES, ...preferences },
    timeout: 2 * PATIENCE_MS,
  });
}
