// How does one array become the bytes of a .npy file, and which array do such bytes hold?
//
// Design: headers of .npy 1.0 to 3.0 are read by a grammar, and the size is held against the header
// before a value is read; 1.0 is written.
import { unreadable, unwritable } from "./format-error.ts";

/** An array to be written. Values are in C order, as many as the product of the shape. */
export type NpyArray =
  | { readonly dtype: "<f8"; readonly shape: readonly number[]; readonly values: Float64Array }
  | { readonly dtype: "<U"; readonly shape: readonly number[]; readonly values: readonly string[] };

/** A member whose header is sound and whose size is what the header says; values not yet read. */
export interface Npy {
  readonly key: string;
  readonly dtype: "<f8" | "<U";
  readonly shape: readonly number[];
  /** Bytes of one value: 8, or 4 for every code point of a text. */
  readonly valueBytes: number;
  /** Where the values begin in `bytes`. */
  readonly valuesAt: number;
  /** The whole .npy file. Of a stored member a view of the file's bytes, not a copy. */
  readonly bytes: Uint8Array;
}

const MAX_HEADER_BYTES = 4096;
const MAX_DIMENSIONS = 32;
const MAGIC = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59]; // \x93NUMPY

/** Made of an array that may be a view of part of a buffer. */
export function toView(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** A shape as NumPy prints it. */
export function showShape(shape: readonly number[]): string {
  return shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(", ")})`;
}

// Writing

/**
 * An array as the bytes of a .npy file, version 1.0: the bytes that `numpy.save` writes for it.
 *
 * @throws ModelFormatError if a text has a lone surrogate or ends in NUL, which NumPy would drop
 * @throws RangeError if the values are not as many as the shape says
 */
export function encodeNpy(array: NpyArray): Uint8Array {
  const { dtype, shape, values } = array;
  const count = shape.reduce((product, size) => product * size, 1);
  if (count !== values.length) {
    throw new RangeError(
      `Cannot encode array as shape ${showShape(shape)} needs ${count} values: ` +
        `current count is ${values.length}`,
    );
  }
  if (array.dtype === "<f8") {
    const { bytes, view, valuesAt } = startNpy(dtype, shape, 8 * count);
    for (let i = 0; i < count; i++) view.setFloat64(valuesAt + 8 * i, array.values[i]!, true);
    return bytes;
  }
  const texts = array.values.map(toCodePoints);
  // NumPy has no texts of width 0: even the empty one takes a code point.
  const width = texts.reduce((widest, points) => Math.max(widest, points.length), 1);
  const { bytes, view, valuesAt } = startNpy(`<U${width}`, shape, 4 * width * count);
  texts.forEach((points, i) => {
    const at = valuesAt + 4 * width * i;
    for (let k = 0; k < points.length; k++) view.setUint32(at + 4 * k, points[k]!, true);
  });
  return bytes;
}

function startNpy(descr: string, shape: readonly number[], valuesBytes: number) {
  const text = `{'descr': '${descr}', 'fortran_order': False, 'shape': ${showShape(shape)}, }`;
  const valuesAt = Math.ceil((10 + text.length + 1) / 64) * 64;
  const bytes = new Uint8Array(valuesAt + valuesBytes);
  const view = toView(bytes);
  bytes.set(MAGIC);
  bytes[6] = 1;
  view.setUint16(8, valuesAt - 10, true);
  for (let i = 0; i < text.length; i++) bytes[10 + i] = text.charCodeAt(i);
  bytes.fill(0x20, 10 + text.length, valuesAt - 1);
  bytes[valuesAt - 1] = 0x0a;
  return { bytes, view, valuesAt };
}

function toCodePoints(text: string): number[] {
  const points = Array.from(text, (character) => character.codePointAt(0)!);
  if (points.some(isSurrogate)) {
    throw unwritable(`texts must be Unicode: ${JSON.stringify(text)} has a lone surrogate`);
  }
  if (points.at(-1) === 0) {
    throw unwritable(`texts must not end in NUL, which NumPy drops: ${JSON.stringify(text)}`);
  }
  return points;
}

function isSurrogate(point: number): boolean {
  return point >= 0xd800 && point <= 0xdfff;
}

// Reading

/**
 * A .npy file with its header read and held against its size.
 *
 * @param key what errors call it
 * @throws ModelFormatError if the header is not as NumPy writes it, or the file is longer or
 *   shorter than it says
 */
export function readNpy(key: string, bytes: Uint8Array): Npy {
  const { text, valuesAt } = readHeader(key, bytes);
  const fields = parseHeader(key, text);
  const { dtype, valueBytes } = parseDescr(key, fields.descr);
  if (fields.order !== "False") {
    throw unreadable(`"${key}" must be in C order: save numpy.ascontiguousarray of it`);
  }
  const sizes = parseShape(key, fields.shape);
  // BigInt, since sizes of a hostile file multiply to anything; nothing is made before they agree.
  const declared = sizes.reduce((product, size) => product * size, BigInt(valueBytes));
  if (declared !== BigInt(bytes.length - valuesAt)) {
    throw unreadable(
      `"${key}" has shape ${fields.shape.slice(0, 60)} and so must hold ${declared} bytes: ` +
        `it holds ${bytes.length - valuesAt}`,
    );
  }
  return { key, dtype, shape: sizes.map(Number), valueBytes, valuesAt, bytes };
}

function readHeader(key: string, bytes: Uint8Array): { text: string; valuesAt: number } {
  const version = bytes[6]!;
  const textAt = version === 1 ? 10 : 12;
  if (bytes.length < textAt || !MAGIC.every((byte, i) => bytes[i] === byte)) {
    throw unreadable(`"${key}" is no .npy file`);
  }
  if (version < 1 || version > 3 || bytes[7] !== 0) {
    throw unreadable(`"${key}" has .npy version ${version}.${bytes[7]}: must be 1.0, 2.0 or 3.0`);
  }
  const view = toView(bytes);
  const textBytes = version === 1 ? view.getUint16(8, true) : view.getUint32(8, true);
  if (textBytes > MAX_HEADER_BYTES) {
    throw unreadable(
      `"${key}" must have a header of at most ${MAX_HEADER_BYTES} bytes: it has ${textBytes}`,
    );
  }
  const valuesAt = textAt + textBytes;
  if (valuesAt > bytes.length) throw unreadable(`"${key}" has a header that passes its end`);
  // 64 since NumPy 1.14, 16 before; versions 2 and 3 were then padded as if they were version 1.
  if (valuesAt % 16 !== 0 && (10 + textBytes) % 16 !== 0) {
    throw unreadable(`"${key}" has a header that is not padded to a multiple of 16 bytes`);
  }
  const text = toText(bytes.subarray(textAt, valuesAt));
  if (!/^[ -~]*\n$/.test(text)) {
    throw unreadable(`"${key}" must have a header of ASCII text with a newline at its end`);
  }
  return { text, valuesAt };
}

const HEADER_ENTRY =
  / *'(descr|fortran_order|shape)' *: *('[^']*'|True|False|\([^()]*\)) *(?:,|(?=\}))/y;

/** NumPy evaluates the header as Python; here it is three literals by a grammar. */
function parseHeader(key: string, text: string) {
  const fields = new Map<string, string>();
  let at = text.startsWith("{") ? 1 : 0;
  while (at > 0) {
    HEADER_ENTRY.lastIndex = at;
    const match = HEADER_ENTRY.exec(text);
    if (match === null || fields.has(match[1]!)) break;
    fields.set(match[1]!, match[2]!);
    at = HEADER_ENTRY.lastIndex;
  }
  const rest = text.slice(at);
  if (/^ *'descr' *: *\[/.test(rest)) {
    throw unreadable(`"${key}" has a structured type: must be <f8 or <U`);
  }
  const descr = fields.get("descr");
  const order = fields.get("fortran_order");
  const shape = fields.get("shape");
  const isWhole = /^ *\} *\n$/.test(rest);
  if (!isWhole || descr === undefined || order === undefined || shape === undefined) {
    throw unreadable(
      `"${key}" must have a header of descr, fortran_order and shape as NumPy writes it: ` +
        `it has ${JSON.stringify(text.trimEnd().slice(0, 80))}`,
    );
  }
  return { descr, order, shape };
}

function parseDescr(key: string, descr: string): Pick<Npy, "dtype" | "valueBytes"> {
  if (descr === "'<f8'") return { dtype: "<f8", valueBytes: 8 };
  const width = /^'<U([1-9][0-9]{0,6})'$/.exec(descr)?.[1];
  if (width !== undefined) return { dtype: "<U", valueBytes: 4 * Number(width) };
  const shown = descr.slice(0, 40);
  if (descr.startsWith("'>")) {
    throw unreadable(
      `"${key}" is big-endian (${shown}): save array.astype(array.dtype.newbyteorder("<"))`,
    );
  }
  if (descr.startsWith("'|O")) {
    throw unreadable(`"${key}" holds Python objects, which are never loaded: save <f8 or <U`);
  }
  throw unreadable(`"${key}" has type ${shown}: must be <f8 or <U`);
}

function parseShape(key: string, shape: string): bigint[] {
  if (!/^\((?:|\d+,|\d+(?:, *\d+)+,?)\)$/.test(shape)) {
    throw unreadable(
      `"${key}" must have a shape like (), (7,) or (2, 3): it has ${shape.slice(0, 60)}`,
    );
  }
  const sizes = (shape.match(/\d+/g) ?? []).map(BigInt);
  if (sizes.length > MAX_DIMENSIONS) {
    throw unreadable(
      `"${key}" must have at most ${MAX_DIMENSIONS} dimensions: it has ${sizes.length}`,
    );
  }
  if (sizes.includes(0n)) throw unreadable(`"${key}" has shape ${shape.slice(0, 60)}: it is empty`);
  return sizes;
}

/** The values of an <f8 array, in C order. A copy. */
export function toNumbers(npy: Npy): Float64Array {
  if (npy.dtype !== "<f8") throw unreadable(`"${npy.key}" must be numbers (<f8): it is text`);
  const view = toView(npy.bytes);
  return new Float64Array(countValues(npy)).map((_, i) =>
    view.getFloat64(npy.valuesAt + 8 * i, true),
  );
}

/**
 * The values of a <U array, in C order.
 *
 * @throws ModelFormatError if the array is not text, or a value is no Unicode code point
 */
export function toStrings(npy: Npy): string[] {
  if (npy.dtype !== "<U") throw unreadable(`"${npy.key}" must be text (<U): it is numbers`);
  const view = toView(npy.bytes);
  return Array.from({ length: countValues(npy) }, (_, i) => {
    const from = npy.valuesAt + i * npy.valueBytes;
    let to = from + npy.valueBytes;
    while (to > from && view.getUint32(to - 4, true) === 0) to -= 4;
    return readText(npy.key, view, from, to);
  });
}

function countValues({ bytes, valuesAt, valueBytes }: Npy): number {
  return (bytes.length - valuesAt) / valueBytes;
}

// A call takes only so many arguments, so long texts are made in pieces.
const UNITS = new Uint16Array(4096);

function readText(key: string, view: DataView, from: number, to: number): string {
  let text = "";
  let count = 0;
  for (let at = from; at < to; at += 4) {
    const point = view.getUint32(at, true);
    if (point > 0x10ffff || isSurrogate(point)) {
      throw unreadable(`"${key}" holds ${point}, which is no Unicode code point`);
    }
    if (point > 0xffff) {
      UNITS[count++] = 0xd7c0 + (point >> 10);
      UNITS[count++] = 0xdc00 | (point & 0x3ff);
    } else {
      UNITS[count++] = point;
    }
    if (count >= UNITS.length - 1) {
      text += toText(UNITS.subarray(0, count));
      count = 0;
    }
  }
  return text + toText(UNITS.subarray(0, count));
}

function toText(units: Uint8Array | Uint16Array): string {
  // A typed array will do for the list of arguments, though the type of apply() asks for an array.
  return String.fromCharCode.apply(null, units as unknown as number[]);
}
