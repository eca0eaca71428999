import { createHmac } from 'node:crypto';

const KID = 'e2e';
const SECRET = '0123456789abcdef0123456789abcdef';

/** What a server that takes these tokens has in its environment. */
export const KEYS = { ALDIS_AUTH_KEYS: `${KID}:${SECRET}` };

/** What an application's backend does: signs a token for somebody, which lives for so many seconds and says other things too. */
export function mint(room, identity, seconds = 600, claims = {}) {
  const encode = (part) => Buffer.from(JSON.stringify(part)).toString('base64url');
  const exp = Math.floor(Date.now() / 1_000) + seconds;
  const signed = `${encode({ alg: 'HS256', kid: KID })}.${encode({ sub: identity, room, exp, ...claims })}`;
  return `${signed}.${createHmac('sha256', SECRET).update(signed).digest('base64url')}`;
}
