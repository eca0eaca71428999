/** What a user does on the page of `examples/raw`, and sees there. */

/** Where the page goes. */
export const ROOM = 'e2e';

/** Opens the page and waits until its status holds `words`. */
export async function enter(tab, port, words) {
  await tab.page.goto(`http://localhost:${port}/raw?room=${ROOM}`);
  await status(tab, words);
}

export async function status(tab, words) {
  await tab.page.locator('#status', { hasText: words }).waitFor();
}

/** Waits until the page shows `count` connected peers. */
export async function connected(tab, count) {
  await tab.page.locator('figcaption', { hasText: /: connected$/ }).nth(count - 1).waitFor();
}

/** Says something in one tab and waits until all the others show it. */
export async function chat(from, text, ...others) {
  await from.page.fill('input', text);
  await from.page.click('button');
  await Promise.all(others.map(({ page }) => page.locator('#lines li', { hasText: text }).waitFor()));
}
