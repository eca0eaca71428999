/**
 * Every public symbol says what it is and shows it in use: what an entry exports, and each method of a class that it exports, needs a
 * description and an `@example`. The entries are those of the packages, and each of them is one of the reference.
 */
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

const here = (path) => fileURLToPath(new URL(path, import.meta.url))
const read = (path) => ts.parseConfigFileTextToJson(path, readFileSync(here(path), 'utf8')).config

const entries = entriesOf('../').concat(entriesOf('../react/'))
const inReference = read('typedoc.json').entryPoints.map(here)
const complaints = entries.filter(({ file }) => !inReference.includes(file)).map(({ name }) => `${name} is no entry point of typedoc.json`)

const { options } = ts.parseJsonConfigFileContent(read('../tsconfig.json'), ts.sys, here('../'), undefined, here('../tsconfig.json'))
const program = ts.createProgram(entries.map(({ file }) => file), options)
const checker = program.getTypeChecker()
const seen = new Set()
for (const { name, file } of entries) {
  const module = checker.getSymbolAtLocation(program.getSourceFile(file))
  for (const exported of checker.getExportsOfModule(module)) {
    const symbol = exported.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(exported) : exported
    if (isInternal(symbol)) complaints.push(`${name}: ${exported.name} is exported, and @internal`)
    // What several entries export is one symbol.
    if (seen.has(symbol)) continue
    seen.add(symbol)
    judge(`${name}: ${exported.name}`, symbol)
    if (symbol.flags & ts.SymbolFlags.Class) for (const method of methodsOf(symbol)) judge(`${name}: ${exported.name}.${nameOf(method)}`, method)
  }
}
for (const complaint of complaints.sort()) process.stderr.write(`api: ${complaint}\n`)
process.exitCode = complaints.length > 0 ? 1 : 0
if (complaints.length === 0) process.stdout.write(`api: ${seen.size} symbols of ${entries.length} entries are described and shown in use\n`)

/** What a package exports, and the source of each. */
function entriesOf(folder) {
  const { name, exports } = read(`${folder}package.json`)
  return Object.entries(exports).flatMap(([path, { types }]) => {
    if (types === undefined) return []
    const file = here(folder + types.replace('./dist/', 'src/').replace('.d.ts', '.ts'))
    if (!existsSync(file)) throw new Error(`${file} is not there`)
    return [{ name: path.replace('.', name), file }]
  })
}

/** The methods of a class, its own and what it inherits, and the fields that are functions. */
function methodsOf(symbol) {
  const members = [checker.getDeclaredTypeOfSymbol(symbol), checker.getTypeOfSymbol(symbol)].flatMap((type) => type.getProperties())
  return members.filter((member) => {
    const declaration = member.valueDeclaration
    if (declaration === undefined || program.isSourceFileFromExternalLibrary(declaration.getSourceFile())) return false
    if (declaration.getSourceFile().hasNoDefaultLib || isInternal(member) || !isPublic(declaration)) return false
    if (!(member.flags & (ts.SymbolFlags.Method | ts.SymbolFlags.Property))) return false
    return checker.getTypeOfSymbol(member).getCallSignatures().length > 0
  })
}

function isPublic(declaration) {
  const hidden = ts.getCombinedModifierFlags(declaration) & (ts.ModifierFlags.Private | ts.ModifierFlags.Protected)
  return !hidden && !(declaration.name && ts.isPrivateIdentifier(declaration.name))
}

function isInternal(symbol) {
  return symbol.getJsDocTags(checker).some(({ name }) => name === 'internal')
}

function judge(what, symbol) {
  const described = ts.displayPartsToString(symbol.getDocumentationComment(checker)).trim() !== ''
  const shown = symbol.getJsDocTags(checker).some(({ name, text }) => name === 'example' && ts.displayPartsToString(text).trim() !== '')
  if (!described) complaints.push(`${what} has no description`)
  if (!shown) complaints.push(`${what} has no @example`)
}

/** A name as one writes it: those of well-known symbols are made unique inside TypeScript. */
function nameOf({ name }) {
  return name.replace(/^__@(\w+)@\d+$/, '[Symbol.$1]')
}
