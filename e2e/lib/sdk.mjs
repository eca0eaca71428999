import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ROOT } from './aldis.mjs';

/** The SDK for Node, from the very file that the server gives out to browsers. */
const source = await readFile(join(ROOT, 'crates/server/assets/sdk.js'), 'base64');
export const { AldisError, joinRoom } = await import(`data:text/javascript;base64,${source}`);
