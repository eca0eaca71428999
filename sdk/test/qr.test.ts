/** Texts as pictures. */

import { expect, test } from 'vitest'
import { drawQr, readQr } from '../src/manual/qr.ts'

const TEXT = `aldis1i.${'Zm9vYmFy'.repeat(24)}`

/** Paints a code as a browser would: each module so many pixels wide. */
function paint(svg: string, scale: number): ImageData {
  const modules = Number(/viewBox="0 0 (\d+)/.exec(svg)?.[1])
  const width = modules * scale
  const data = new Uint8ClampedArray(width * width * 4).fill(255)
  for (const [, x = '', y = ''] of svg.matchAll(/M(\d+) (\d+)h1v1h-1z/g)) {
    for (let dy = 0; dy < scale; dy += 1) {
      for (let dx = 0; dx < scale; dx += 1)
        data.fill(
          0,
          ((Number(y) * scale + dy) * width + Number(x) * scale + dx) * 4,
          ((Number(y) * scale + dy) * width + Number(x) * scale + dx) * 4 + 3,
        )
    }
  }
  return { data, width, height: width } as ImageData
}

test.each([2, 3, 8])('a code with modules of %i pixels is read as it was drawn', (scale) => {
  expect(readQr(paint(drawQr(TEXT), scale))).toBe(TEXT)
})

test('a picture without a code has none', () => {
  expect(readQr({ data: new Uint8ClampedArray(64 * 64 * 4).fill(255), width: 64, height: 64 } as ImageData)).toBeUndefined()
})

test('a text of 400 characters still makes modules that a camera tells apart', () => {
  expect(Number(/viewBox="0 0 (\d+)/.exec(drawQr('a'.repeat(400)))?.[1])).toBeLessThanOrEqual(73 + 8)
})
