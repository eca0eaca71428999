/**
 * The way to the server where no WebSocket comes through: its messages are events of one long answer, and this side's go up in POSTs. It
 * is a {@link Socket} like any other: the first message that is sent, `hello`, opens it.
 *
 * One POST is under way at a time, and what is said meanwhile goes with the next one, so nothing can overtake anything. A POST whose fate
 * is not known is sent again with the same number until the server has said that it is handled; it handles each once.
 */

import type { backoff } from './backoff.ts'
import type { SignalingEnvironment } from './environment.ts'
import type { AldisError } from './errors.ts'
import type { WelcomeMessage } from './generated/wire.ts'
import type { refusalOf } from './problem.ts'
import type { Scope } from './scope.ts'
import type { OpenSocket, Socket, SocketEvents } from './socket.ts'
import type { TokenSource } from './token.ts'

/** The codes of connections that broke, of one in whose place there is another, and of a goodbye. */
const BROKEN = 1006
const SUPERSEDED = 4419
const BYE = 1000

/** Why there is nothing to hear, and what to do about it. */
export const SILENCE = {
  message: 'Nothing comes by the event stream.',
  hint: 'A proxy may hold it back; it must not buffer.',
} as const

/** How long the stream may take to say why it has ended, after a POST was told that it has, in milliseconds. */
const LAST_WORD_MS = 1_000

/** How long a goodbye may take, in milliseconds. */
const BYE_MS = 10_000

/** Browsers let requests of at most 64 KiB outlive their page. */
const OUTLIVES_BYTES = 60_000

/** After how many failures a POST is tried no less often: the stream may well be there. */
const SLOWEST = 3

/** How much the wrapping of a POST may weigh, in bytes. */
const WRAPPING_BYTES = 64

/** What it shares with the first chunk, handed in: importing it would make bundlers cut it out of that one. */
export interface StreamTools {
  readonly Scope: typeof Scope
  readonly backoff: typeof backoff
  readonly refusalOf: typeof refusalOf
  readonly unreachable: (url: string, cause: unknown) => AldisError
}

/** Opens event streams with one token; `tokens` has another where it has expired. */
export function eventStreams(
  token: string,
  tokens: TokenSource,
  environment: SignalingEnvironment,
  tools: StreamTools,
): OpenSocket {
  return (url, _, events) => new EventStream(url, token, tokens, environment, tools, events)
}

class EventStream implements Socket {
  readonly #url: string
  readonly #tokens: TokenSource
  readonly #environment: SignalingEnvironment
  readonly #tools: StreamTools
  readonly #events: SocketEvents
  readonly #scope: Scope
  readonly #abort = new AbortController()
  #token: string
  #greeted = false
  /** Where messages go, and how many bytes of them at once; known by `welcome`. */
  #post: string | undefined
  #most = 0
  readonly #queue: string[] = []
  #seq = 0
  /** What is under way. */
  #body: string | undefined

  constructor(
    url: string,
    token: string,
    tokens: TokenSource,
    environment: SignalingEnvironment,
    tools: StreamTools,
    events: SocketEvents,
  ) {
    this.#url = url
    this.#token = token
    this.#tokens = tokens
    this.#environment = environment
    this.#tools = tools
    this.#events = events
    this.#scope = new tools.Scope(environment.clock)
    queueMicrotask(() => this.#scope.live && events.onOpen())
  }

  send(text: string): void {
    if (this.#greeted) {
      this.#queue.push(text)
      // What is said in one breath goes in one POST; and a goodbye goes once, as one that outlives the page.
      queueMicrotask(() => void this.#flush())
    } else {
      this.#greeted = true
      void this.#listen(text)
    }
  }

  close(code: number): void {
    if (!this.#scope.live) return
    this.#scope.end()
    // The server has to hear a goodbye while the stream still is.
    if (code === BYE && this.#post) this.#bye()
    else this.#abort.abort()
  }

  #end(code: number, refusal?: AldisError): void {
    if (!this.#scope.live) return
    this.#scope.end()
    this.#abort.abort()
    this.#events.onClose(code, refusal)
  }

  async #listen(hello: string): Promise<void> {
    try {
      const answer = await this.#ask(this.#url, hello, { accept: 'text/event-stream' })
      if (!answer.ok || !answer.headers.get('content-type')?.startsWith('text/event-stream') || !answer.body) {
        return this.#end(BROKEN, await this.#tools.refusalOf(answer))
      }
      const reader = answer.body.getReader()
      const decoder = new TextDecoder()
      const parse = eventParser((name, data) => this.#scope.live && this.#hear(name, data))
      for (let part = await reader.read(); !part.done; part = await reader.read()) {
        parse(decoder.decode(part.value, { stream: true }))
      }
      this.#end(BROKEN)
    } catch (cause) {
      this.#end(BROKEN, this.#post ? undefined : this.#tools.unreachable(this.#url, cause))
    }
  }

  #hear(name: string, data: string): void {
    if (name === 'close') return this.#end(codeOf(data))
    // Any POST answers it; one that the server answers in its turn saves asking whether the stream is still heard.
    if (name === 'ping') return this.send('{"type":"ping"}')
    if (name) return
    if (!this.#post) this.#settle(data)
    this.#events.onMessage(data)
  }

  #settle(data: string): void {
    try {
      const { post, limits } = JSON.parse(data) as Partial<WelcomeMessage>
      if (!post || !limits) return
      // A proxy may have put the server below another path.
      this.#post = `${this.#url.split('?')[0]}/${post.split('/').pop()}`
      this.#most = limits.postBytes - WRAPPING_BYTES
    } catch {
      // Whoever hears it says so.
    }
  }

  /** Sends what is queued, in one POST after the other. */
  async #flush(): Promise<void> {
    const scope = this.#scope
    if (this.#body) return
    while (scope.live && this.#queue.length > 0) {
      this.#body = this.#wrap()
      for (let times = 1; scope.live && this.#body; times += 1) await this.#try(this.#body, times)
    }
  }

  /** As many messages as one POST may hold. */
  #wrap(): string {
    const encoder = new TextEncoder()
    let bytes = 0
    let count = 0
    for (const text of this.#queue) {
      bytes += encoder.encode(text).length + 1
      if (count > 0 && bytes > this.#most) break
      count += 1
    }
    return `{"seq":${++this.#seq},"messages":[${this.#queue.splice(0, count)}]}`
  }

  /** Sends a POST, and returns when it was handled, or may be sent again. */
  async #try(body: string, times: number): Promise<void> {
    let retryAfterMs: number | undefined
    // Nobody answered: its fate is not known.
    let status = 0
    try {
      const answer = await this.#ask(String(this.#post), body)
      status = answer.status
      if (answer.ok) {
        this.#body = undefined
        return
      }
      retryAfterMs = (await this.#tools.refusalOf(answer)).retryAfterMs
      if (status === 401 && this.#tokens.renewable) this.#token = await this.#tokens.get()
    } catch {
      // As above; and there may be a token after the pause.
    }
    if (status >= 400 && status < 500 && ![401, 408, 425, 429].includes(status)) {
      // It is over. If the server has ended it, the stream says why.
      this.#scope.after(LAST_WORD_MS, () => this.#end(status === 409 ? SUPERSEDED : BROKEN))
      return new Promise(() => undefined)
    }
    return new Promise((resolve) => {
      this.#scope.after(this.#tools.backoff(Math.min(times, SLOWEST), this.#environment.random(), retryAfterMs), resolve)
    })
  }

  /** Says the last words in requests that outlive the page, with what may not have arrived. */
  #bye(): void {
    const bodies = [this.#body, this.#queue.length > 0 && this.#wrap()].filter((body): body is string => !!body)
    const sent = bodies.map((body) => this.#ask(String(this.#post), body, {}, body.length < OUTLIVES_BYTES))
    const cancel = this.#environment.clock.after(BYE_MS, () => this.#abort.abort())
    void Promise.allSettled(sent).then(() => {
      cancel()
      this.#abort.abort()
    })
  }

  #ask(url: string, body: string, headers: Record<string, string> = {}, keepalive = false): Promise<Response> {
    return this.#environment.fetch(url, {
      method: 'POST',
      headers: { ...headers, authorization: `Bearer ${this.#token}`, 'content-type': 'application/json' },
      body,
      cache: 'no-store',
      keepalive,
      signal: this.#abort.signal,
    })
  }
}

function codeOf(data: string): number {
  try {
    return (JSON.parse(data) as { code: number }).code
  } catch {
    return BROKEN
  }
}

/**
 * Takes a stream of events apart, as browsers do it (HTML, section 9.2.6): `emit` is called with the name of each, empty where it has none,
 * and its data.
 */
export function eventParser(emit: (name: string, data: string) => void): (text: string) => void {
  let rest = ''
  let halfEnd = false
  let name = ''
  let data: string[] = []
  return (text) => {
    if (!text) return
    // A line may end with CR, LF or both, and the two may come apart.
    const more = halfEnd && text[0] === '\n' ? text.slice(1) : text
    halfEnd = text.endsWith('\r')
    const lines = (rest + more).split(/\r\n|\r|\n/)
    rest = lines.pop() ?? ''
    for (const line of lines) {
      const [, field, value = ''] = /^([^:]*)(?:: ?(.*))?$/s.exec(line) ?? []
      if (field === 'data') data.push(value)
      else if (field === 'event') name = value
      if (line) continue
      if (data.length > 0) emit(name, data.join('\n'))
      name = ''
      data = []
    }
  }
}
