/** The examples of the README, as a reader would paste them into a page or a shell of their own. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { ROOT, built, startAldis } from './lib/aldis.mjs';
import { openTab } from './lib/chromium.mjs';
import { examples, plays, serve } from './lib/examples.mjs';
import { Program } from './lib/program.mjs';
import { FAKE_DEVICES, assertQuiet, receives } from './lib/tab.mjs';

test('with the ten lines of the README two pages of another port see and hear each other', async (t) => {
  const { port } = await startAldis(t, 'dev');
  const [{ text, ...only }] = await examples('README.md');
  assert.deepEqual(only, { heading: 'Ten lines in a browser', language: 'html' });
  const url = await serve(t, text, port);
  const tabs = [await openTab(t, 'first', FAKE_DEVICES), await openTab(t, 'second', FAKE_DEVICES)];
  for (const { page } of tabs) await page.goto(url);
  for (const tab of tabs) {
    await plays(tab, 2);
    const before = await receives(tab, { audio: 1, video: 1 });
    await receives(tab, { audio: before.audio + 1, video: before.video + 10 });
  }
  await tabs[1].page.close();
  await tabs[0].page.waitForFunction(() => document.querySelector('#you').srcObject === null);
  assertQuiet(...tabs);
});

test('the token that the README makes with a shell is one that a server takes', async (t) => {
  const readme = await readFile(join(ROOT, 'README.md'), 'utf8');
  const [, script] = readme.match(/# POSIX shell, with openssl\n([^]*?)```/);
  const key = { KID: 'k1', SECRET: 'a secret that is at least 32 bytes long' };
  const shell = new Program(t, 'sh', ['-c', `${script}\necho "$token"`], { env: key });
  assert.equal(await shell.end(), 0, shell.output);
  const verify = new Program(t, built('aldis'), ['token', 'verify', shell.output.trim()], {
    env: { ALDIS_AUTH_KEYS: `${key.KID}:${key.SECRET}` },
  });
  assert.equal(await verify.end(), 0, verify.output);
  assert.match(verify.output, /alice/);
});
