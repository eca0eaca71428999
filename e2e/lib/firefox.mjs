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
  // Registered before the folder, because hooks run in that order and Firefox writes there until it is closed.
  t.after(() => browser?.close());
  const home = await temporaryFolder(t);
  browser = await pw.firefox.launch({
    channel: 'moz-firefox', // the stock browser, through WebDriver BiDi
    executablePath: process.env.FIREFOX ?? '/usr/bin/firefox-esr',
    env: { PATH: process.env.PATH, HOME: home },
    firefoxUserPrefs: { ...PREFERENCES, 'media.navigator.streams.fake': devices === FAKE_DEVICES },
    timeout: 2 * PATIENCE_MS,
  });
  return newTab(name, browser, {}, prepare);
}
