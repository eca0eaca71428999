// Generated from crates/protocol; do not edit: `ALDIS_BLESS=1 cargo test -p aldis-protocol --test typescript`

import type { ClientMessage, Relayed, ServerEvent, WireError } from '../../src/generated/wire.ts'

/** The `json client` blocks of docs/protocol.md. */
export const client: readonly ClientMessage[] = [
  { "type": "hello", "protocol": 1, "features": ["captions"] },
  { "type": "hello", "protocol": 1, "resume": "cmVzdW1lLXRva2VuLWV4YW1wbGU" },
  { "type": "offer", "to": "k7nq2vx5m4wzt3jy6rbhcdfpea", "sdp": "v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\n" },
  { "type": "answer", "to": "bq3tz6m2c5xw4nrhd7ykvj2eua", "sdp": "v=0\r\n", "msg": "7", "receipt": true },
  {
    "type": "ice-candidate",
    "to": "k7nq2vx5m4wzt3jy6rbhcdfpea",
    "candidate": {
      "candidate": "candidate:1 1 udp 2122260223 192.0.2.7 54321 typ host",
      "sdpMid": "0",
      "sdpMLineIndex": 0,
      "usernameFragment": "w2Xy"
    }
  },
  { "type": "ice-candidate", "to": "k7nq2vx5m4wzt3jy6rbhcdfpea", "candidate": null },
  { "type": "hangup", "to": "k7nq2vx5m4wzt3jy6rbhcdfpea", "reason": "bye" },
  { "type": "message", "data": { "text": "hello, everybody" } },
  { "type": "ack", "to": "k7nq2vx5m4wzt3jy6rbhcdfpea", "x": { "a": { "e": 2718281828, "n": 14 } } },
  { "type": "nack", "to": "k7nq2vx5m4wzt3jy6rbhcdfpea", "x": { "re": 3 } },
  { "type": "restart", "to": "k7nq2vx5m4wzt3jy6rbhcdfpea", "msg": "9" },
  { "type": "rebuild", "to": "k7nq2vx5m4wzt3jy6rbhcdfpea", "x": { "g": 2 } },
  { "type": "update", "attributes": { "muted": true } },
  { "type": "ice-servers" },
  { "type": "auth", "token": "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.e30.c2lnbmF0dXJl" },
  { "type": "check", "id": "k7nq2vx5m4wzt3jy6rbhcdfpea" },
  { "type": "frozen" },
  { "type": "leave" },
  { "type": "ping", "t": 1792368000123 },
  { "type": "remove", "id": "k7nq2vx5m4wzt3jy6rbhcdfpea", "reason": "spam" },
  { "type": "remove", "id": "k7nq2vx5m4wzt3jy6rbhcdfpea", "reason": "spam", "forMs": 600000 },
  {
    "type": "offer",
    "to": "k7nq2vx5m4wzt3jy6rbhcdfpea",
    "sdp": "v=0\r\n",
    "msg": "1.2718281828.1",
    "x": { "g": 1, "d": 1, "s": { "e": 2718281828, "n": 1 } }
  },
  { "type": "ack", "to": "k7nq2vx5m4wzt3jy6rbhcdfpea", "x": { "a": { "e": 16180338, "reset": true } } },
]

/** The `json relayed` blocks of docs/protocol.md. */
export const relayed: readonly Relayed[] = [
  {"type":"offer","from":"bq3tz6m2c5xw4nrhd7ykvj2eua","sdp":"v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\n"},
  {"type":"answer","from":"k7nq2vx5m4wzt3jy6rbhcdfpea","sdp":"v=0\r\n","msg":"7","receipt":true},
  {"type":"ice-candidate","from":"bq3tz6m2c5xw4nrhd7ykvj2eua","candidate":{"candidate":"","sdpMid":"0"}},
  {"type":"hangup","from":"bq3tz6m2c5xw4nrhd7ykvj2eua","reason":"bye"},
  {"type":"message","from":"bq3tz6m2c5xw4nrhd7ykvj2eua","data":{"text":"hello, everybody"}},
  {"type":"ack","from":"bq3tz6m2c5xw4nrhd7ykvj2eua","x":{"a":{"e":2718281828,"n":14}}},
  {"type":"nack","from":"bq3tz6m2c5xw4nrhd7ykvj2eua","x":{"re":3}},
  {"type":"restart","from":"bq3tz6m2c5xw4nrhd7ykvj2eua","msg":"9"},
  {"type":"rebuild","from":"bq3tz6m2c5xw4nrhd7ykvj2eua","x":{"g":2}},
  {"type":"answer","from":"k7nq2vx5m4wzt3jy6rbhcdfpea","sdp":"v=0\r\n","msg":"4.16180339.9","x":{"g":1,"d":1,"re":1,"s":{"e":16180339,"n":9},"a":{"e":2718281828,"n":1}}},
]

/** The `json server` blocks of docs/protocol.md. */
export const server: readonly ServerEvent[] = [
  {
    "type": "welcome",
    "protocol": 1,
    "features": ["resume", "receipts", "check", "frozen", "broadcast", "remove", "sse"],
    "node": "w5yq7c3mxk2vz4tnbj6rhdfpga",
    "peer": { "id": "k7nq2vx5m4wzt3jy6rbhcdfpea", "identity": "bob", "presence": "here", "polite": false, "features": ["captions"] },
    "room": { "id": "standup", "maxPeers": 100 },
    "peers": [
      {
        "id": "bq3tz6m2c5xw4nrhd7ykvj2eua",
        "identity": "auth0|5f7c8ec7c33c6c004bbafe82",
        "name": "Alice",
        "metadata": { "role": "host" },
        "attributes": { "muted": true },
        "presence": "here",
        "polite": true,
        "features": []
      }
    ],
    "left": [],
    "resumed": false,
    "resume": { "token": "cmVzdW1lLXRva2VuLWV4YW1wbGU", "windowMs": 30000 },
    "iceServers": [
      { "urls": ["stun:turn.example.org:3478"] },
      {
        "urls": ["turn:turn.example.org:3478?transport=udp", "turns:turn.example.org:5349?transport=tcp"],
        "username": "1792454400:n4c2k7vq",
        "credential": "mGJ0bG9va3MgbGlrZSB0aGlzPQ=="
      }
    ],
    "iceExpiresAt": 1792454400000,
    "iceCutsAtExpiry": false,
    "heartbeat": { "intervalMs": 15000, "timeoutMs": 10000 },
    "limits": {
      "messageBytes": 65536,
      "smallMessageBytes": 8192,
      "postBytes": 131072,
      "jsonDepth": 32,
      "xBytes": 1024,
      "attributesBytes": 1024,
      "messagesPerSecond": 50,
      "messageBurst": 300,
      "messageBurstPerPeer": 20,
      "bytesPerSecond": 262144,
      "byteBurst": 1048576,
      "acksPerSecond": 200,
      "acksPerSecondPerPeer": 5,
      "updatesPerSecond": 2,
      "pairsOpening": 8
    },
    "tokenExpiresAt": 1792371600000,
    "post": "/v1/signal/w5yq7c3mxk2vz4tnbj6rhdfpga.0f3b62c84e9d4d7a8c15b2a9e07f6d31"
  },
  {
    "type": "peer-joined",
    "peer": {
      "id": "d2vm6kx4q7zwt5nyjc3rbhfpea",
      "identity": "carol",
      "name": "Carol",
      "presence": "here",
      "polite": false,
      "features": [],
      "previous": "t6xq3wz7k2mv5njyb4rchdfpea"
    }
  },
  {
    "type": "peer-updated",
    "peer": {
      "id": "d2vm6kx4q7zwt5nyjc3rbhfpea",
      "identity": "carol",
      "name": "Carol",
      "attributes": { "hand": "up" },
      "presence": "here",
      "polite": false,
      "features": []
    }
  },
  { "type": "peer-away", "id": "d2vm6kx4q7zwt5nyjc3rbhfpea" },
  { "type": "peer-back", "id": "d2vm6kx4q7zwt5nyjc3rbhfpea" },
  { "type": "peer-left", "id": "d2vm6kx4q7zwt5nyjc3rbhfpea", "reason": "timeout", "final": true },
  {
    "type": "ice-servers",
    "iceServers": [
      {
        "urls": ["turn:turn.example.org:3478?transport=udp"],
        "username": "1792519200:n4c2k7vq",
        "credential": "YW5vdGhlciBleGFtcGxlIQ=="
      }
    ],
    "iceExpiresAt": 1792519200000,
    "iceCutsAtExpiry": false
  },
  { "type": "ice-servers", "iceServers": [], "iceCutsAtExpiry": false },
  { "type": "resume", "token": "YW5vdGhlci1yZXN1bWUtdG9rZW4" },
  { "type": "receipt", "re": "7", "status": "written" },
  { "type": "receipt", "re": "8", "status": "parked" },
  {
    "type": "error",
    "code": "unknown-peer",
    "message": "No such peer is in this room.",
    "hint": "Send to an id from `welcome.peers` or `peer-joined`; after a reconnect it may still appear.",
    "to": "t6xq3wz7k2mv5njyb4rchdfpea",
    "re": "7",
    "outcome": "not-delivered"
  },
  {
    "type": "error",
    "code": "rate-limited",
    "message": "More messages or bytes than `welcome.limits` allows.",
    "retryAfterMs": 400
  },
  { "type": "auth-ok", "tokenExpiresAt": 1792375200000 },
  { "type": "token-expiring", "tokenExpiresAt": 1792371600000 },
  { "type": "checked", "id": "k7nq2vx5m4wzt3jy6rbhcdfpea", "presence": "away" },
  { "type": "reconnect", "reason": "drain", "withinMs": 12500 },
  { "type": "notice", "code": "backplane-degraded" },
  { "type": "notice", "code": "backplane-restored" },
  { "type": "notice", "code": "turn-delayed" },
  { "type": "pong", "t": 1792368000123 },
]

/** The `json problem` blocks of docs/protocol.md. */
export const problem: readonly WireError[] = [
  {
    "code": "room-full",
    "message": "The room has 2 peers, and 2 is the most for this token.",
    "hint": "Try again when somebody has left, or raise `maxPeers`."
  },
  {
    "code": "draining",
    "message": "The server is shutting down.",
    "hint": "Connect again after `Retry-After`.",
    "retryAfterMs": 3000
  },
]
