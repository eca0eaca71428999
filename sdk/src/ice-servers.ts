/** ICE servers, as a browser takes them: what it would refuse with words of its own, and only when there is somebody to connect to. */

import { checkObject, refuse } from './options.ts'

/** Refuses what is no list of ICE servers. */
export function checkIceServers(option: string, found: unknown): void {
  if (!Array.isArray(found)) refuse(option, 'a list of objects with `urls`', found)
  found.forEach((server, at) => {
    const name = `${option}[${at}]`
    const { urls, username, credential } = checkObject(name, server)
    const all: unknown[] = [urls].flat()
    for (const url of all.length > 0 ? all : [urls]) {
      if (typeof url !== 'string' || !/^(stun|turn)s?:./i.test(url)) {
        refuse(`${name}.urls`, 'URLs that begin with stun:, stuns:, turn: or turns:', url)
      }
      if (!/^turn/i.test(url)) continue
      for (const [key, secret] of Object.entries({ username, credential })) {
        if (typeof secret !== 'string') refuse(`${name}.${key}`, `a string, for ${url}`, secret)
      }
    }
  })
}
