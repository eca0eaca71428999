/** A server of event streams that says what the test tells it to. */

import type { ServerMessage } from '../../src/generated/wire.ts'
import { problem, welcome } from './server.ts'

/** A POST with messages, as it came. */
export interface FakePost {
  readonly url: string
  readonly token: string
  readonly seq: number
  readonly messages: readonly { readonly type: string }[]
  readonly keepalive: boolean
}

/** One event stream, seen from the server. */
export class FakeStream {
  readonly url: string
  readonly token: string
  readonly hello: unknown
  /** Whether the client has dropped it. */
  dropped = false
  readonly body: ReadableStream<Uint8Array>
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined

  constructor(url: string, init: RequestInit) {
    this.url = url
    this.token = tokenOf(init)
    this.hello = JSON.parse(String(init.body))
    this.body = new ReadableStream({
      start: (controller) => {
        this.#controller = controller
      },
    })
    init.signal?.addEventListener('abort', () => {
      this.dropped = true
      this.#controller?.error(new DOMException('Aborted.', 'AbortError'))
      this.#controller = undefined
    })
  }

  bytes(bytes: Uint8Array): void {
    this.#controller?.enqueue(bytes)
  }

  write(text: string): void {
    this.bytes(new TextEncoder().encode(text))
  }

  say(...messages: ServerMessage[]): void {
    for (const message of messages) this.write(`data: ${JSON.stringify(message)}\n\n`)
  }

  event(name: string, data: object): void {
    this.write(`event: ${name}\ndata: ${JSON.stringify(data)}\n\n`)
  }

  welcome(): void {
    this.say(welcome({ post: '/v1/signal/n1.secret' }))
  }

  end(): void {
    this.#controller?.close()
    this.#controller = undefined
  }
}

/** Answers requests to it: streams, POSTs, and probes. */
export class FakeStreams {
  readonly streams: FakeStream[] = []
  readonly posts: FakePost[] = []
  probes = 0
  /** The answer to the next POSTs; then 204. */
  readonly answers: (() => Response | Promise<Response>)[] = []
  /** The answer to whoever wants a stream, if it is none. */
  refusal: (() => Response) | undefined

  readonly fetch = async (url: string, init: RequestInit): Promise<Response> => {
    if (init.method !== 'POST') {
      this.probes += 1
      return new Response('{}')
    }
    if (new Headers(init.headers).get('accept') === 'text/event-stream') {
      if (this.refusal) return this.refusal()
      const stream = new FakeStream(url, init)
      this.streams.push(stream)
      return new Response(stream.body, { headers: { 'content-type': 'text/event-stream' } })
    }
    this.posts.push({ url, token: tokenOf(init), keepalive: init.keepalive === true, ...JSON.parse(String(init.body)) })
    return (this.answers.shift() ?? (() => new Response(null, { status: 204 })))()
  }

  get stream(): FakeStream {
    const stream = this.streams.at(-1)
    if (stream === undefined) throw new Error('There is no stream.')
    return stream
  }
}

/** A refusal of this status. */
export function refused(status: number, code: string, retryAfterMs?: number): () => Response {
  return () => problem(status, { code, message: 'No.', ...(retryAfterMs && { retryAfterMs }) })
}

function tokenOf(init: RequestInit): string {
  return String(new Headers(init.headers).get('authorization')).replace('Bearer ', '')
}
