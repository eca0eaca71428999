import { join } from 'node:path';
import { ROOT } from './aldis.mjs';
import { bundled } from './sdk-sources.mjs';

/** `aldis-client/testing` for Node. */
const code = await bundled(join(ROOT, 'sdk/src/testing/index.ts'));
export const { createTestServer } = await import(`data:text/javascript;base64,${Buffer.from(code).toString('base64')}`);
