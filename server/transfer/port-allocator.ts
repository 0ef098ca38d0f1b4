/**
 * Port bases and data groups of casts. udpcast takes an even port base P: receivers listen on P, the sender on P + 1.
 * A base rests as long as possible before it comes again: a sender or receiver that did not die in time still holds it
 * ("Address already in use").
 */
import { knownError } from '#protocol/errors.ts';

export interface PortRange {
  /** First and last base, both even. */
  readonly portFirst: number;
  readonly portLast: number;
  /** Multicast group of the first base; the others count up from it. */
  readonly dataAddressBase: string;
}

export interface CastPorts {
  readonly portBase: number;
  readonly dataAddress: string;
}

export class PortAllocator {
  #range: PortRange;
  #next: number;
  #taken = new Set<number>();

  /** `start` in [0, 1): where in the range to begin, so that a restarted daemon does not meet its own old casts. */
  constructor(range: PortRange, start: number) {
    this.#range = range;
    this.#next = Math.floor(start * this.#size);
  }

  /** The base that rested longest. Throws CAST_FAILED when every base is in use. */
  take(): CastPorts {
    for (let tries = 0; tries < this.#size; tries++) {
      const index = this.#next;
      this.#next = (index + 1) % this.#size;
      const portBase = this.#range.portFirst + 2 * index;
      if (this.#taken.has(portBase)) continue;
      this.#taken.add(portBase);
      return { portBase, dataAddress: addressAfter(this.#range.dataAddressBase, index) };
    }
    throw knownError('CAST_FAILED', { reason: `all ${this.#size} port bases are in use` });
  }

  /** The same, without those that another program uses. Throws CAST_FAILED when none is left. */
  async takeFree(isFree: (ports: CastPorts) => Promise<boolean>): Promise<CastPorts> {
    const passedOver: CastPorts[] = [];
    try {
      for (;;) {
        const ports = this.take();
        if (await isFree(ports)) return ports;
        passedOver.push(ports);
      }
    } finally {
      for (const ports of passedOver) this.giveBack(ports);
    }
  }

  /** May be repeated. */
  giveBack(ports: CastPorts): void {
    this.#taken.delete(ports.portBase);
  }

  get #size(): number {
    return (this.#range.portLast - this.#range.portFirst) / 2 + 1;
  }
}

/** The IPv4 address `steps` after `address`. */
function addressAfter(address: string, steps: number): string {
  const value = address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0) + steps;
  return [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join('.');
}
