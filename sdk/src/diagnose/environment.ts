/** What a diagnosis takes from the world around it, beyond what the client does. */

import { browserEnvironment, type Environment } from '../environment.ts'
import { checkObject, checkParts, refuse } from '../options.ts'

/**
 * What can be replaced with {@link DiagnoseOptions.environment}; by default the browser's own.
 *
 * @example
 * const environment: Partial<DiagnosisEnvironment> = { agent: 'the kiosk in the hall' }
 * show((await diagnose('https://rtc.example.org', { token, environment })).text)
 */
export interface DiagnosisEnvironment extends Environment {
  /** The time of day, as `Date.now`. */
  wallClock: () => number
  /** The page that asks; `undefined` where there is none, as under Node. */
  page: PageFacts | undefined
  /** The browser's name for itself. */
  agent: string
  /** As `navigator.mediaDevices.enumerateDevices`; `undefined` on a page that browsers give no camera. */
  enumerateDevices: (() => Promise<readonly Pick<MediaDeviceInfo, 'kind'>[]>) | undefined
  /** As `navigator.permissions.query`, of a camera or a microphone; rejects where the browser does not tell. */
  queryPermission: (name: 'camera' | 'microphone') => Promise<PermissionState>
}

/**
 * What counts of a page.
 *
 * @example
 * // A page in an application, whose own scheme is as good as https.
 * const page: PageFacts = { secure: true, protocol: 'app:' }
 * await diagnose('https://rtc.example.org', { token, environment: { page } })
 */
export interface PageFacts {
  /** Whether it came by a way that browsers trust: `https:`, or from this machine. */
  readonly secure: boolean
  /** As `location.protocol`. */
  readonly protocol: string
}

/** The browser's own, or what Node has of it. */
export function browserDiagnosis(): DiagnosisEnvironment {
  const { location, navigator, isSecureContext } = globalThis
  return {
    ...browserEnvironment(),
    wallClock: () => Date.now(),
    page: location === undefined ? undefined : { secure: isSecureContext, protocol: location.protocol },
    agent: navigator?.userAgent ?? 'no browser',
    enumerateDevices: navigator?.mediaDevices?.enumerateDevices.bind(navigator.mediaDevices),
    // Which names there are differs between browsers, and the types know none of these.
    queryPermission: async (name) => (await navigator.permissions.query({ name: name as PermissionName })).state,
  }
}

/** Refuses what is no such environment. */
export function checkDiagnosis(option: string, found: unknown): void {
  const { page, agent = '', ...functions } = checkObject(option, found as Partial<DiagnosisEnvironment>)
  checkParts(option, functions, browserDiagnosis())
  if (typeof agent !== 'string') refuse(`${option}.agent`, 'a string', agent)
  if (page !== undefined) checkObject(`${option}.page`, page)
}
