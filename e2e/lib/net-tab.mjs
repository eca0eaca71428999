/** Browsers on a host of a network. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import pw from 'playwright-core';
import { temporaryFolder } from './aldis.mjs';
import { QUIET } from './chromium.mjs';
import { launchFirefox } from './firefox.mjs';
import { PATIENCE_MS, newTab } from './tab.mjs';

/** A tab in a Chromium process of its own on `host`, for the length of the test `t`. */
export async function openTabOn(t, host, name) {
  let browser;
  // Registered before the folder, because hooks run in that order.
  t.after(() => browser?.close());
  const launcher = await script(t, 'chromium', `exec ${host.enter.join(' ')} ${process.env.CHROMIUM ?? '/usr/bin/chromium'} "$@"`);
  // Its network leads nowhere, so there is nothing to keep it from; but it waits for its makers less if it does not ask.
  browser = await pw.chromium.launch({ executablePath: launcher, args: QUIET, timeout: PATIENCE_MS });
  return newTab(name, browser, {});
}

/**
 * The same in a Firefox. Its maker's protocol goes over a port of loopback, and the host has a loopback of its own: whoever comes to that
 * port here is led to the one there.
 */
export async function openFirefoxTabOn(t, host, name) {
  let browser;
  t.after(() => browser?.close());
  const port = await leadTo(t, host);
  // Of two ports the first one counts.
  const command = `exec ${host.enter.join(' ')} ${process.env.FIREFOX ?? '/usr/bin/firefox-esr'} --remote-debugging-port=${port} "$@"`;
  // Its network leads nowhere; here addresses stand for themselves.
  const preferences = { 'network.dns.forceResolve': '' };
  browser = await launchFirefox(t, { executablePath: await script(t, 'firefox', command), preferences });
  return newTab(name, browser, {});
}

/** A free port of this machine, from which everybody is led to the same port of the host's loopback. */
async function leadTo(t, host) {
  const server = createServer((socket) => {
    const there = `require('node:net').connect(${server.address().port}, '127.0.0.1', function () { process.stdin.pipe(this).pipe(process.stdout) }).on('error', () => process.exit(1))`;
    const [command, ...args] = [...host.enter, process.execPath, '-e', there];
    const way = spawn(command, args, { stdio: ['pipe', 'pipe', 'ignore'] });
    socket.pipe(way.stdin).on('error', () => {});
    way.stdout.pipe(socket).on('error', () => {});
    socket.on('close', () => way.kill());
    way.on('exit', () => socket.destroy());
  });
  t.after(() => server.close());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server.address().port;
}

async function script(t, name, command) {
  const path = join(await temporaryFolder(t), name);
  await writeFile(path, `#!/bin/sh\n${command}\n`);
  await chmod(path, 0o700);
  return path;
}
