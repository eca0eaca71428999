import { spawn } from 'node:child_process';
import { within } from './within.mjs';

const running = new Set();
// Whatever becomes of the tests, nothing that they started outlives them.
process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')));

/** A program that a test started, with everything it has said so far. */
export class Program {
  output = '';
  #child;
  #ended;
  #listeners = new Set();

  /** Starts it for the length of the test `t`. It gets no other environment than `env`. */
  constructor(t, command, args, { env = {}, cwd } = {}) {
    const child = spawn(command, args, { cwd, env: { PATH: process.env.PATH, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
    this.name = `${command} ${args[0] ?? ''}`;
    this.#child = child;
    running.add(child);
    this.#ended = new Promise((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (code, signal) => resolve(code ?? signal));
    }).finally(() => running.delete(child));
    this.#ended.catch(() => {}); // reported to whoever waits, and nobody has to
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => {
        this.output += text;
        this.#listeners.forEach((listen) => listen());
      });
    }
    t.after(() => this.stop());
  }

  /** Waits until it has said something that matches, and returns the match. */
  async says(pattern, ms = 10_000) {
    let listen;
    const said = new Promise((resolve) => {
      listen = () => {
        const match = this.output.match(pattern);
        if (match) resolve(match);
      };
      this.#listeners.add(listen);
      listen();
    });
    const ended = this.#ended.then((how) => {
      throw new Error(`it ended with ${how}`);
    });
    try {
      return await within(ms, `output of ${this.name} that matches ${pattern}`, Promise.race([said, ended]));
    } catch (error) {
      throw new Error(`${error.message}; ${this.name} said:\n${this.output}`, { cause: error });
    } finally {
      this.#listeners.delete(listen);
      ended.catch(() => {});
    }
  }

  /** Waits for its end and returns the exit code, or the signal that ended it. */
  end(ms = 10_000) {
    return within(ms, `the end of ${this.name}`, this.#ended);
  }

  kill(signal) {
    this.#child.kill(signal);
  }

  async stop() {
    this.kill('SIGKILL');
    await this.end();
  }
}
