import pw from 'playwright-core';

/**
 * Nothing leaves this machine, and nothing but loopback is needed. Chromium offers loopback addresses only with the flag below,
 * and only to pages that may use the camera: so even a browser without one is given the permission.
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

export const FAKE_DEVICES = ['--use-fake-device-for-media-stream'];
export const NO_DEVICES = [];

/** A tab in a browser process of its own, for the length of the test `t`. */
export async function openTab(t, name, devices, { prepare } = {}) {
  const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';
  const browser = await pw.chromium.launch({ executablePath, args: [...ARGS, ...devices], timeout: 60_000 });
  t.after(() => browser.close());
  const context = await browser.newContext({ permissions: ['camera', 'microphone'], viewport: { width: 900, height: 800 } });
  context.setDefaultTimeout(30_000);
  const page = await context.newPage();
  const tab = { name, page, complaints: [] };
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
