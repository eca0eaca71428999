import { openTab } from './chromium.mjs';
import { installFakeMedia } from './fake-media.mjs';
import { openFirefoxTab } from './firefox.mjs';
import { FAKE_DEVICES, newTab } from './tab.mjs';

export const CHROMIUM = 'Chromium';
export const FIREFOX = 'Firefox';

const OPEN = { [CHROMIUM]: openTab, [FIREFOX]: openFirefoxTab };
const OPTIONS = { [CHROMIUM]: { permissions: ['camera', 'microphone'] }, [FIREFOX]: {} };

/** A browser process for the length of the test `t`, in which any number of tabs are opened one after the other. */
export async function launch(t, kind) {
  const browser = (await OPEN[kind](t, kind, FAKE_DEVICES)).context.browser();
  return { kind, browser, version: `${kind} ${browser.version()}` };
}

/** A fresh tab for the length of the test `t`, which can make tracks (`fake-media.mjs`). */
export async function freshTab(t, { kind, browser }, name) {
  const tab = await newTab(name, browser, OPTIONS[kind], installFakeMedia);
  t.after(() => tab.context.close());
  return tab;
}
