/** The texts that are carried by hand: what they keep, and what they survive. */

import { expect, test } from 'vitest'
import { describe, type Facts, factsOf } from '../src/manual/description.ts'
import { readText, writeText } from '../src/manual/text.ts'
import { CHROMIUM, FIREFOX } from './support/descriptions.ts'
import { seeded } from './support/random.ts'

function facts(sdp: string): Facts {
  const found = factsOf(sdp)
  if (found === undefined) throw new Error('The description has no facts.')
  return found
}

const { text, id } = writeText('invitation', facts(CHROMIUM))

/** The code of what reading throws. */
function fault(kind: 'invitation' | 'reply', given: string): string {
  try {
    readText(kind, given)
  } catch (error) {
    return (error as { code: string }).code
  }
  return 'none'
}

test.each([
  ['Chromium', CHROMIUM, 162],
  ['Firefox', FIREFOX, 170],
])('what %s says of itself survives the way', (_, sdp, most) => {
  const known = facts(sdp)
  const written = writeText('reply', known, 7)
  expect(written.text.length).toBeLessThanOrEqual(most)
  const read = readText('reply', written.text)
  expect([read.re, read.id, read.facts.ways.length]).toEqual([7, written.id, known.ways.length])
  const rebuilt = describe('answer', read.facts)
  for (const line of ['ice-ufrag', 'ice-pwd', 'fingerprint', 'mid', 'sctp-port']) {
    const find = (from: string): string | undefined => from.match(new RegExp(`^a=${line}:.*$`, 'm'))?.[0]
    expect(find(rebuilt), line).toBe(find(sdp))
  }
  expect(factsOf(rebuilt)).toEqual({ ...known, ways: read.facts.ways })
})

test('the best candidates come first, those that nobody can call are left out, and the rest keeps its order', () => {
  expect(readText('invitation', text).facts.ways).toEqual([
    { kind: 'host', protocol: 'udp', address: 'fd00:0:0:0:0:0:0:2', port: 33_853 },
    { kind: 'host', protocol: 'udp', address: '192.0.2.2', port: 43_970 },
    { kind: 'srflx', protocol: 'udp', address: '203.0.113.7', port: 43_970 },
  ])
  const lines = describe('offer', readText('invitation', text).facts).match(/^a=candidate.*$/gm) ?? []
  const priorities = lines.map((line) => Number(line.split(' ')[3]))
  expect(priorities).toEqual([...priorities].sort((one, other) => other - one))
  expect(priorities.every((priority) => priority < 2 ** 31)).toBe(true)
})

test('who invites speaks first: the other side may have waited for long', () => {
  expect(describe('offer', facts(CHROMIUM))).toContain('a=setup:active')
  expect(describe('answer', facts(FIREFOX))).toContain('a=setup:passive')
})

test.each([
  ['names', 'turn.example.org'],
  ['the names of browsers', '8f2d5a51-43c5-4d26-9f31-0c2f14c7d6b1.local'],
  ['IPv6', '2001:db8:0:0:8:800:200c:417a'],
  ['IPv4', '10.0.0.255'],
])('addresses may be %s', (_, address) => {
  const way = { kind: 'relay', protocol: 'tcp', address, port: 65_535 } as const
  const written = writeText('invitation', { ...facts(CHROMIUM), ways: [way] })
  expect(readText('invitation', written.text).facts.ways).toEqual([way])
})

test('many candidates are too many: the best of each kind are taken', () => {
  const host = (port: number): string => `a=candidate:${port} 1 udp ${port} 10.0.0.1 ${port} typ host`
  const relay = 'a=candidate:9 1 udp 5 203.0.113.9 9 typ relay raddr 0.0.0.0 rport 0'
  const all = [...Array.from({ length: 40 }, (_, at) => host(at + 1)), relay].join('\r\n')
  const { ways } = facts(`${CHROMIUM.replace(/^a=candidate.*\r\n/gm, '')}${all}\r\n`)
  expect(ways.map(({ port }) => port)).toEqual([40, 39, 38, 37, 36, 35, 9])
})

test.each([
  ['a mail around it', `Hi Bob,\n\nhere is my invitation: ${text}\n\nBest regards\nAlice`],
  ['quoted and broken lines', `> ${text.match(/.{1,40}/g)?.join('\n> ')}\n> Best regards`],
  ['soft breaks of mail', text.match(/.{1,50}/g)?.join('=\r\n') ?? ''],
  ['a capital at its beginning', text.replace('aldis', 'Aldis')],
  ['a link', `https://example.org/manual#${text}`],
  ['spaces and invisible characters', [...text].join('\u200b ')],
  ['an older one that is cut off before it', `${text.slice(0, 60)}! and again: ${text}`],
])('%s does not matter', (_, given) => {
  expect(readText('invitation', given)).toMatchObject({ id, facts: { ufrag: 'MNRq' } })
})

test('what is wrong with a text is said by name', () => {
  expect(fault('invitation', '')).toBe('text-invalid')
  expect(fault('invitation', 'hello, Bob')).toBe('text-invalid')
  expect(fault('reply', text)).toBe('text-misplaced')
  expect(fault('invitation', text.replace('aldis1', 'aldis0'))).toBe('text-outdated')
  expect(fault('invitation', text.replace('aldis1', 'aldis2'))).toBe('text-outdated')
  for (let length = text.length - 1; length >= 'aldis1i.'.length; length -= 1) {
    expect(fault('invitation', text.slice(0, length)), `${length} characters`).toBe('text-incomplete')
  }
})

test('no wrong character goes unnoticed', () => {
  for (let at = 'aldis1i.'.length; at < text.length; at += 1) {
    const wrong = `${text.slice(0, at)}${text[at] === 'A' ? 'B' : 'A'}${text.slice(at + 1)}`
    // The last character has bits to spare.
    if (at === text.length - 1 && fault('invitation', wrong) === 'none') continue
    expect(fault('invitation', wrong), `character ${at}`).toMatch(/^text-(damaged|incomplete)$/)
  }
})

test('whatever the bytes, reading ends with a text or with a fault that has a name', () => {
  const random = seeded(7)
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  for (let round = 0; round < 2_000; round += 1) {
    const length = Math.floor(random() * 200)
    const noise = Array.from({ length }, () => letters[Math.floor(random() * 64)]).join('')
    expect(fault('invitation', `aldis1i.AA${noise}`)).toMatch(/^(none|text-\w+)$/)
  }
})

test('a description that is no plain one has no facts', () => {
  expect(factsOf(CHROMIUM.replace('sha-256', 'sha-512'))).toBeUndefined()
  expect(factsOf(CHROMIUM.replace('a=mid:0', 'a=mid:data'))).toBeUndefined()
  expect(factsOf(`${CHROMIUM}m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n`)).toBeUndefined()
  expect(factsOf('')).toBeUndefined()
})
