/** Chromium on a host of a network. */
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import pw from 'playwright-core';
import { temporaryFolder } from './aldis.mjs';
import { PATIENCE_MS, newTab } from './tab.mjs';

/** Its network leads nowhere, so there is nothing to keep it from; but it waits for its makers less if it does not ask. */
const ARGS = [
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-default-apps',
  '--disable-gpu',
  '--disable-quic',
  '--disable-sync',
  '--no-first-run',
  '--no-pings',
  '--no-sandbox', // it cannot start as root
];

/** A tab in a Chromium process of its own on `host`, for the length of the test `t`. */
export async function openTabOn(t, host, name) {
  let browser;
  // Registered before the folder, because hooks run in that order.
  t.after(() => browser?.close());
  const launcher = join(await temporaryFolder(t), 'chromium');
  await writeFile(launcher, `#!/bin/sh\nexec ${host.enter.join(' ')} ${process.env.CHROMIUM ?? '/usr/bin/chromium'} "$@"\n`);
  await chmod(launcher, 0o700);
  browser = await pw.chromium.launch({ executablePath: launcher, args: ARGS, timeout: PATIENCE_MS });
  return newTab(name, browser, {});
}
