/** What a token says of itself. Nobody here can tell whether it is true. */

/** The claims that a diagnosis looks at. */
export interface Claims {
  readonly room?: unknown
  readonly iat?: unknown
}

/** The claims of a JSON Web Token; none where it is not one. */
export function claimsOf(token: string | undefined): Claims {
  try {
    const payload = token?.split('.')[1]?.replaceAll('-', '+').replaceAll('_', '/') ?? ''
    return JSON.parse(new TextDecoder().decode(Uint8Array.from(atob(payload), (char) => char.charCodeAt(0)))) as Claims
  } catch {
    return {}
  }
}
