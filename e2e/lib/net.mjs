/**
 * Networks of this machine: hosts on one public network, and hosts behind a NAT of their own, each in a network namespace.
 *
 * ```
 *   signaling 10.200.0.10 ──┐                      ┌── NAT 10.200.0.101 ── 192.168.1.2 host
 *                           ├── public (a bridge) ─┤
 *        TURN 10.200.0.20 ──┘                      └── NAT 10.200.0.102 ── 192.168.2.2 host
 * ```
 *
 * Nothing leads out of it. All of it is gone when its test is over, also where that failed.
 */
import { execFile, execFileSync } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** How long one command of a network may take. */
const COMMAND_MS = 10_000;

const PROGRAMS = [['ip', '-V'], ['iptables', '--version'], ['conntrack', '--version']];

/** What a host's router does; the public side of each drops what nobody inside has asked for. */
export const NAT = {
  /** Keeps the port of a socket, whoever it speaks to: as at home. */
  home: [],
  /** Another port for each destination. */
  symmetric: ['--random-fully'],
};

const namespaces = new Set();
// Whatever becomes of the tests, no network of theirs stays.
process.on('exit', () => namespaces.forEach((name) => execFileSync('ip', ['netns', 'del', name])));

let made = 0;

/** Makes an empty public network for the length of the test `t`. */
export async function startNetwork(t) {
  await assertPossible();
  const network = new Network(t, `aldis-${process.pid}-${++made}`);
  await network.begin();
  return network;
}

async function assertPossible() {
  const lacks = (what) => {
    throw new Error(`Tests of networks make network namespaces, which needs ${what}.`);
  };
  if (process.getuid() !== 0) lacks(`root; this is user ${process.getuid()}`);
  for (const [name, question] of PROGRAMS) {
    await run(name, [question]).catch(() => lacks(`the program ${name}; scripts/install.sh installs it`));
  }
  const probe = `aldis-${process.pid}-probe`;
  await run('ip', ['netns', 'add', probe]).catch(({ stderr }) => lacks(`CAP_SYS_ADMIN: ${stderr.trim()}`));
  await run('ip', ['netns', 'del', probe]);
}

/** A namespace, and what runs there. */
class Namespace {
  constructor(name) {
    this.name = name;
  }

  /** The command that runs another one here. */
  get enter() {
    return ['ip', 'netns', 'exec', this.name];
  }

  /** Configures its interfaces, addresses and routes. */
  ip(...args) {
    return command('ip', '-n', this.name, ...args);
  }

  exec(...args) {
    return command(...this.enter, ...args);
  }
}

class Network {
  #t;
  #prefix;
  #public;
  #hosts = 0;
  #homes = 0;

  constructor(t, prefix) {
    this.#t = t;
    this.#prefix = prefix;
  }

  async begin() {
    this.#public = await this.#namespace('public');
    await this.#public.ip('link', 'add', 'bridge', 'type', 'bridge');
    await this.#public.ip('link', 'set', 'bridge', 'up');
  }

  /** A host with a public address. */
  async host(name) {
    const host = await this.#namespace(name);
    host.address = `10.200.0.${10 * ++this.#hosts}`;
    await this.#plug(host, 'wan', host.address);
    // It leads nowhere; Chromium finds its own address by it.
    await host.ip('route', 'add', 'default', 'via', '10.200.0.254', 'dev', 'wan');
    return host;
  }

  /** A host behind a NAT of its own. */
  async home(name, nat = NAT.home) {
    const number = ++this.#homes;
    const [host, router] = [await this.#namespace(name), await this.#namespace(`${name}-nat`)];
    await command('ip', 'link', 'add', 'lan', 'netns', router.name, 'type', 'veth', 'peer', 'name', 'lan', 'netns', host.name);
    for (const [at, last] of [[router, 1], [host, 2]]) {
      await at.ip('addr', 'add', `192.168.${number}.${last}/24`, 'dev', 'lan');
      await at.ip('link', 'set', 'lan', 'up');
    }
    await host.ip('route', 'add', 'default', 'via', `192.168.${number}.1`);
    const home = new Home(host, router, number);
    await this.#plug(router, 'wan', home.address);
    await home.route(nat);
    return home;
  }

  async #namespace(name) {
    const namespace = new Namespace(`${this.#prefix}-${name}`);
    namespaces.add(namespace.name);
    this.#t.after(async () => {
      await command('ip', 'netns', 'del', namespace.name);
      namespaces.delete(namespace.name);
    });
    await command('ip', 'netns', 'add', namespace.name);
    await namespace.ip('link', 'set', 'lo', 'up');
    return namespace;
  }

  async #plug(namespace, device, address) {
    const port = `p${address.split('.').pop()}`;
    await command('ip', 'link', 'add', port, 'netns', this.#public.name, 'type', 'veth', 'peer', 'name', device, 'netns', namespace.name);
    await this.#public.ip('link', 'set', port, 'master', 'bridge', 'up');
    await namespace.ip('addr', 'add', `${address}/24`, 'dev', device);
    await namespace.ip('link', 'set', device, 'up');
  }
}

/** A host and its router. */
class Home {
  #router;
  #number;

  constructor(host, router, number) {
    this.host = host;
    this.#router = router;
    this.#number = number;
    this.address = `10.200.0.${100 + number}`;
  }

  /** Sets the router up. */
  async route(nat) {
    const rule = (...args) => this.#router.exec('iptables', '-w', ...args);
    await this.#router.exec('sysctl', '-qw', 'net.ipv4.ip_forward=1');
    await rule('-t', 'nat', '-A', 'POSTROUTING', '-o', 'wan', '-j', 'MASQUERADE', ...nat);
    // Else what comes too early takes the port that the host's own packet would have kept.
    await rule('-A', 'INPUT', '-i', 'wan', '-m', 'conntrack', '--ctstate', 'NEW', '-j', 'DROP');
    await rule('-P', 'FORWARD', 'DROP');
    await rule('-A', 'FORWARD', '-i', 'lan', '-j', 'ACCEPT');
    await rule('-A', 'FORWARD', '-m', 'conntrack', '--ctstate', 'ESTABLISHED,RELATED', '-j', 'ACCEPT');
  }

  /** Lets no UDP through any more, in either direction. */
  cutUdp() {
    return this.#router.exec('iptables', '-w', '-I', 'FORWARD', '-p', 'udp', '-j', 'DROP');
  }

  mendUdp() {
    return this.#router.exec('iptables', '-w', '-D', 'FORWARD', '-p', 'udp', '-j', 'DROP');
  }

  /** Gets another public address, as after a night's reconnect: the router forgets every connection there was. */
  async changeAddress() {
    const before = this.address;
    this.address = `10.200.0.${200 + this.#number}`;
    await this.#router.ip('addr', 'del', `${before}/24`, 'dev', 'wan');
    await this.#router.ip('addr', 'add', `${this.address}/24`, 'dev', 'wan');
    await this.#router.exec('conntrack', '-F');
  }
}

async function command(name, ...args) {
  await run(name, args, { timeout: COMMAND_MS });
}
