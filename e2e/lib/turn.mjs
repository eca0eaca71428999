import { createHash, createHmac, randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';

const ALLOCATE = 0x0003;
const [USERNAME, MESSAGE_INTEGRITY, ERROR_CODE, REALM, NONCE, REQUESTED_TRANSPORT] = [0x0006, 0x0008, 0x0009, 0x0014, 0x0015, 0x0019];
const UDP = Buffer.from([17, 0, 0, 0]);

/**
 * Asks a TURN server for an allocation (RFC 8656, section 7.1) and returns 200 or its error code. An allocation stays until
 * the test `t` ends: `turnutils_uclient` gives its own back, and a quota is about those that stay.
 */
export async function allocate(t, { host, port }, { username, credential }) {
  const socket = createSocket('udp4');
  t.after(() => socket.close());
  socket.connect(port, host);
  await once(socket, 'connect');
  const ask = async (attributes, key) => {
    socket.send(request(attributes, key));
    const [answer] = await once(socket, 'message', { signal: AbortSignal.timeout(5_000) });
    return parse(answer);
  };
  const challenge = await ask([[REQUESTED_TRANSPORT, UDP]]);
  const [realm, nonce] = [challenge.get(REALM), challenge.get(NONCE)];
  const key = createHash('md5').update(`${username}:${realm}:${credential}`).digest();
  const attributes = [[REQUESTED_TRANSPORT, UDP], [USERNAME, Buffer.from(username)], [REALM, realm], [NONCE, nonce]];
  const answer = await ask(attributes, key);
  const error = answer.get(ERROR_CODE);
  return error ? error[2] * 100 + error[3] : 200;
}

function request(attributes, key) {
  const body = attributes.map(([type, value]) => attribute(type, value));
  if (!key) return message(Buffer.concat(body));
  // Section 14.5 of RFC 8489: the digest is over the message so far, its length as if the digest were there.
  const unsigned = message(Buffer.concat(body));
  unsigned.writeUInt16BE(unsigned.readUInt16BE(2) + 24, 2);
  return Buffer.concat([unsigned, attribute(MESSAGE_INTEGRITY, createHmac('sha1', key).update(unsigned).digest())]);
}

function message(body) {
  const header = Buffer.alloc(8);
  header.writeUInt16BE(ALLOCATE, 0);
  header.writeUInt16BE(body.length, 2);
  header.writeUInt32BE(0x2112a442, 4);
  return Buffer.concat([header, randomBytes(12), body]);
}

function attribute(type, value) {
  const header = Buffer.alloc(4);
  header.writeUInt16BE(type, 0);
  header.writeUInt16BE(value.length, 2);
  return Buffer.concat([header, value, Buffer.alloc(-value.length & 3)]);
}

function parse(message) {
  const attributes = new Map();
  for (let at = 20; at < message.length; ) {
    const [type, length] = [message.readUInt16BE(at), message.readUInt16BE(at + 2)];
    attributes.set(type, message.subarray(at + 4, at + 4 + length));
    at += 4 + length + (-length & 3);
  }
  return attributes;
}
