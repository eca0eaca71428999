/** The one function of it that tests use; its types are a package of their own. */
declare module 'react-dom/server' {
  export function renderToString(node: import('react').ReactNode): string
}
