// Lays out a core's memory: arrays of f64 one after the other above heapBase.

const PAGE_BYTES = 65536;
const ALIGNMENT = 16;

export class Arena {
  readonly #memory: WebAssembly.Memory;
  readonly #base: number;
  #next: number;

  constructor(memory: WebAssembly.Memory, base: number) {
    this.#memory = memory;
    this.#base = base;
    this.#next = base;
  }

  /**
   * Reserves `count` f64 values, 16-byte aligned, and grows the memory as needed. The values are whatever was there.
   *
   * @returns the address
   * @throws RangeError when the core's memory cannot grow that far
   */
  allocate(count: number): number {
    const address = this.#next;
    const end = address + Math.ceil((count * 8) / ALIGNMENT) * ALIGNMENT;
    const missing = end - this.#memory.buffer.byteLength;
    if (missing > 0) {
      try {
        this.#memory.grow(Math.ceil(missing / PAGE_BYTES));
      } catch (cause) {
        const mebibytes = Math.ceil(end / 2 ** 20);
        throw new RangeError(
          `Cannot give the core ${mebibytes} MiB of memory: the limit is 4096 MiB, or the machine has less to give`,
          { cause },
        );
      }
    }
    this.#next = end;
    return address;
  }

  /** A view of the current buffer. Use it at once: any allocation may detach it. */
  view(address: number, count: number): Float64Array {
    return new Float64Array(this.#memory.buffer, address, count);
  }

  /** The same as bytes. */
  bytes(address: number, count: number): Uint8Array {
    return new Uint8Array(this.#memory.buffer, address, count);
  }

  /** The same as 32-bit integers. */
  integers(address: number, count: number): Int32Array {
    return new Int32Array(this.#memory.buffer, address, count);
  }

  /** Runs `use` and gives back whatever it allocated. */
  scratch<T>(use: () => T): T {
    const mark = this.#next;
    try {
      return use();
    } finally {
      this.#next = mark;
    }
  }

  /** Gives back everything. */
  reset(): void {
    this.#next = this.#base;
  }
}
