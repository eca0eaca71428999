/** What a user does on the page of `web/demo`, and sees there. */

/** Opens the page and joins the room that it proposes. */
export async function join(tab, server, query = {}) {
  await open(tab, server, query);
  await tab.page.click('#join button');
}

/** Opens the page, of a server on this machine or at an origin. A token is in the fragment. */
export async function open(tab, server, { token, ...query } = {}) {
  const origin = typeof server === 'number' ? `http://localhost:${server}` : server;
  const fragment = token === undefined ? '' : `#${new URLSearchParams({ token })}`;
  // Another fragment alone is no other page.
  if (fragment !== '') await tab.page.goto('about:blank');
  await tab.page.goto(`${origin}/?${new URLSearchParams({ room: 'e2e', ...query })}${fragment}`);
}

/** Waits until the line about the server holds `words`. */
export async function says(tab, words) {
  await tab.page.locator('#words', { hasText: words }).waitFor();
}

/** Waits for a card with this code, and returns its text. */
export async function complaint(tab, code) {
  const card = tab.page.locator(`.notice[data-code="${code}"]`);
  await card.waitFor();
  return card.innerText();
}

/** Waits until the tile of somebody else shows `state`. */
export async function othersAre(tab, state) {
  await tab.page.locator('figure[data-kind="other"] .state', { hasText: state }).waitFor();
}

/** Waits until `count` tiles of a kind are there, and no more. */
export async function tiles(tab, kind, count) {
  await tab.page.waitForFunction(
    ([kind, count]) => document.querySelectorAll(`figure[data-kind="${kind}"]`).length === count,
    [kind, count],
  );
}

/** Waits until the video of a tile has a picture: any, or one of the shape of a screen. A busy browser makes both smaller. */
export async function plays(tab, kind, shape = 'any') {
  await tab.page.waitForFunction(
    ([kind, shape]) => {
      const video = document.querySelector(`figure[data-kind="${kind}"] video`);
      return video && !video.hidden && video.videoWidth > 0 && (shape === 'any' || video.videoWidth > 1.5 * video.videoHeight);
    },
    [kind, shape],
  );
}

/** What the timeline says of the only handshake there is. */
export function fact(tab, kind) {
  return tab.page.locator(`#timeline dd[data-kind="${kind}"]`).innerText();
}

/** Says something in one tab and waits until the other shows it. */
export async function chat(from, text, to) {
  await from.page.fill('#text', text);
  await from.page.click('#say button');
  await to.page.locator('#lines p', { hasText: text }).waitFor();
}
