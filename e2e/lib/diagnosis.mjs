/** What `/diagnose.js` finds, asked from an almost empty page. */
import assert from 'node:assert/strict';
import { createServer, request } from 'node:http';
import { once } from 'node:events';

/**
 * Opens a page at `from` and has it diagnose the server at `url`, by default its own, with what a page would pass to `diagnose`. Returns
 * the report, and how often each check was heard of.
 */
export async function diagnose(tab, from, { url = from, ...options } = {}) {
  await tab.page.route('**/favicon.ico', (route) => route.fulfill({ status: 204 }));
  await tab.page.goto(`${from}/livez`);
  return tab.page.evaluate(
    async ({ url, options }) => {
      const { diagnose } = await import('/diagnose.js');
      const heard = [];
      const report = await diagnose(url, { ...options, onProgress: ({ id, status }) => heard.push(`${id} ${status}`) });
      return { ...report, heard };
    },
    { url, options },
  );
}

/** What is wrong: the code of each check that is neither well nor skipped. */
export function wrong({ checks }) {
  const bad = checks.filter(({ status }) => ['failed', 'warning'].includes(status));
  return Object.fromEntries(bad.map(({ id, code }) => [id, code]));
}

/** One check of a report. */
export function of({ checks }, id) {
  return checks.find((check) => check.id === id);
}

/** Asserts what holds for every report, and shows it where a test fails. */
export function assertGood(t, report) {
  t.diagnostic(report.text);
  assert.ok(report.durationMs <= 15_500, `it took ${report.durationMs} ms`);
  for (const { id, durationMs } of report.checks) assert.ok(durationMs <= 5_500, `${id} took ${durationMs} ms`);
  assert.doesNotMatch(report.text, /\d+\.\d+\.\d+\.\d+|eyJ|candidate:|v=0/);
  for (const { id, todo, status } of report.checks) {
    if (['failed', 'warning'].includes(status)) assert.notEqual(todo, '', `${id} says what to do`);
  }
}

/** A proxy as some companies have it, for the length of the test `t`: it passes requests on, and knows nothing of `Upgrade`. */
export async function startProxyWithoutUpgrade(t, targetPort) {
  const proxy = createServer((asked, answer) => {
    const { method, url, headers } = asked;
    const passed = request({ host: 'localhost', port: targetPort, method, path: url, headers }, (given) => {
      answer.writeHead(given.statusCode, given.headers);
      given.pipe(answer);
    });
    asked.pipe(passed);
    passed.on('error', () => answer.destroy());
  });
  proxy.on('upgrade', (_, socket) => socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n'));
  proxy.listen(0, 'localhost');
  await once(proxy, 'listening');
  t.after(() => {
    proxy.closeAllConnections();
    proxy.close();
  });
  return proxy.address().port;
}
