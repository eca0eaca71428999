/** ICE servers, one by one. */

/** The ways to a TURN server. */
export type Transport = 'udp' | 'tcp' | 'tls'

/** How many URLs of a kind are tried. */
const MOST = 4

/** The servers for one way to TURN, each with one URL. */
export function turnServers(servers: readonly RTCIceServer[], transport: Transport): RTCIceServer[] {
  return single(servers)
    .filter(({ urls }) => transportOf(String(urls)) === transport)
    .slice(0, MOST)
}

/** The STUN servers. */
export function stunServers(servers: readonly RTCIceServer[]): RTCIceServer[] {
  return single(servers)
    .filter(({ urls }) => /^stuns?:/i.test(String(urls)))
    .slice(0, MOST)
}

/** Each URL as a server of its own. */
function single(servers: readonly RTCIceServer[]): RTCIceServer[] {
  return servers.flatMap((server) => [server.urls].flat().map((urls) => ({ ...server, urls })))
}

/** RFC 7065, section 3.1: UDP where the URL does not say. TLS over UDP is what no browser speaks. */
function transportOf(url: string): Transport | undefined {
  const [, scheme, named] = /^(turns?):[^?]*(?:\?transport=(\w+))?/.exec(url.toLowerCase()) ?? []
  if (scheme === 'turns') return named === 'udp' ? undefined : 'tls'
  if (scheme === 'turn') return named === 'tcp' ? 'tcp' : 'udp'
  return undefined
}
