import { createHash, createHmac, randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { isIPv4 } from 'node:net';

const [ALLOCATE, CREATE_PERMISSION, CHANNEL_BIND] = [0x0003, 0x0008, 0x0009];
const [USERNAME, MESSAGE_INTEGRITY, ERROR_CODE, XOR_PEER_ADDRESS, REALM, NONCE] = [0x0006, 0x0008, 0x0009, 0x0012, 0x0014, 0x0015];
const CHANNEL_NUMBER = 0x000c;
const [REQUESTED_ADDRESS_FAMILY, REQUESTED_TRANSPORT, SOFTWARE] = [0x0017, 0x0019, 0x8022];
const [UDP, TCP] = [17, 6].map((protocol) => Buffer.from([protocol, 0, 0, 0]));
const [V4, V6] = [1, 2];
const STALE_NONCE = 438;
const COOKIE = Buffer.from([0x21, 0x12, 0xa4, 0x42]);

/**
 * Asks a TURN server for an allocation (RFC 8656, section 7.1) and returns 200 or its error code. An allocation stays until
 * the test `t` ends: `turnutils_uclient` gives its own back, and a quota is about those that stay.
 */
export async function allocate(t, server, login, wishes) {
  return (await Relay.open(t, server, login, wishes)).code;
}

/** An allocation, or the refusal of one. */
export class Relay {
  #socket;
  #login;
  #channels = 0;

  /** Asks for one: over UDP, for IPv4, unless it is wished otherwise. `code` is 200 or the error's. */
  static async open(t, { host, port }, login, { transport = 'udp', family = 4 } = {}) {
    const relay = new Relay();
    relay.#socket = createSocket(isIPv4(host) ? 'udp4' : 'udp6');
    t.after(() => relay.#socket.close());
    relay.#socket.connect(port, host);
    await once(relay.#socket, 'connect');
    const wishes = [[REQUESTED_TRANSPORT, transport === 'udp' ? UDP : TCP]];
    if (family === 6) wishes.push([REQUESTED_ADDRESS_FAMILY, Buffer.from([V6, 0, 0, 0])]);
    const challenge = await relay.#ask(ALLOCATE, wishes);
    relay.software = challenge.get(SOFTWARE)?.toString();
    const [realm, nonce] = [challenge.get(REALM), challenge.get(NONCE)];
    const key = createHash('md5').update(`${login.username}:${realm}:${login.credential}`).digest();
    relay.#login = { key, named: [[USERNAME, Buffer.from(login.username)], [REALM, realm]], nonce };
    relay.code = codeOf(await relay.#ask(ALLOCATE, wishes));
    return relay;
  }

  /** Asks to be let send to an address (RFC 8656, section 10): 200 or the error's code. */
  async permit(address) {
    return codeOf(await this.#ask(CREATE_PERMISSION, [], address));
  }

  /** The same for a channel to it (RFC 8656, section 12), of which an address may have one. */
  async bind(address) {
    const number = 0x4000 + this.#channels++;
    return codeOf(await this.#ask(CHANNEL_BIND, [[CHANNEL_NUMBER, Buffer.from([number >> 8, number & 0xff, 0, 0])]], address));
  }

  async #ask(method, attributes, peer) {
    const answer = await this.#askOnce(method, attributes, peer);
    if (codeOf(answer) !== STALE_NONCE) return answer;
    // Section 9.2.5 of RFC 8489: once more, with the nonce of the answer.
    this.#login.nonce = answer.get(NONCE);
    return this.#askOnce(method, attributes, peer);
  }

  async #askOnce(method, attributes, peer) {
    const id = randomBytes(12);
    const about = peer === undefined ? [] : [[XOR_PEER_ADDRESS, xored(peer, id)]];
    const { key, named, nonce } = this.#login ?? {};
    const proof = key ? [...named, [NONCE, nonce]] : [];
    this.#socket.send(request(method, id, [...attributes, ...about, ...proof], key));
    const [answer] = await once(this.#socket, 'message', { signal: AbortSignal.timeout(5_000) });
    return parse(answer);
  }
}

function codeOf(answer) {
  const error = answer.get(ERROR_CODE);
  return error ? error[2] * 100 + error[3] : 200;
}

/** An address as XOR-PEER-ADDRESS has it (RFC 8489, section 14.2), with port 9. */
function xored(address, id) {
  const bytes = isIPv4(address) ? Buffer.from(address.split('.').map(Number)) : bytesOfV6(address);
  const mask = Buffer.concat([COOKIE, id]);
  const port = Buffer.from([0 ^ COOKIE[0], 9 ^ COOKIE[1]]);
  return Buffer.concat([Buffer.from([0, bytes.length === 4 ? V4 : V6]), port, bytes.map((byte, at) => byte ^ mask[at])]);
}

function bytesOfV6(address) {
  // `::ffff:127.0.0.1` too.
  const plain = address.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_, ...digits) =>
    [0, 2].map((at) => ((Number(digits[at]) << 8) | Number(digits[at + 1])).toString(16)).join(':'),
  );
  const [head, tail] = plain.split('::').map((half) => (half ? half.split(':') : []));
  const groups = tail === undefined ? head : [...head, ...Array(8 - head.length - tail.length).fill('0'), ...tail];
  return Buffer.from(groups.flatMap((group) => [parseInt(group, 16) >> 8, parseInt(group, 16) & 0xff]));
}

function request(method, id, attributes, key) {
  const body = attributes.map(([type, value]) => attribute(type, value));
  const unsigned = message(method, id, Buffer.concat(body));
  if (!key) return unsigned;
  // Section 14.5 of RFC 8489: the digest is over the message so far, its length as if the digest were there.
  unsigned.writeUInt16BE(unsigned.readUInt16BE(2) + 24, 2);
  return Buffer.concat([unsigned, attribute(MESSAGE_INTEGRITY, createHmac('sha1', key).update(unsigned).digest())]);
}

function message(method, id, body) {
  const header = Buffer.alloc(4);
  header.writeUInt16BE(method, 0);
  header.writeUInt16BE(body.length, 2);
  return Buffer.concat([header, COOKIE, id, body]);
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
