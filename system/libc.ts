/** The few functions of libc that Node lacks, through koffi: an optional package, since it is native code. */

/** A function by its C declaration. */
type LibcFunction = (...values: (number | Buffer)[]) => number;

export interface Libc {
  readonly socket: LibcFunction;
  readonly setsockopt: LibcFunction;
  readonly getsockopt: LibcFunction;
  readonly bind: LibcFunction;
  readonly sendto: LibcFunction;
  readonly recv: LibcFunction;
  readonly adjtimex: LibcFunction;
  readonly close: LibcFunction;
}

let libcPromise: Promise<Libc | undefined> | undefined;

/** Undefined without koffi. */
export function loadLibc(): Promise<Libc | undefined> {
  libcPromise ??= importLibc();
  return libcPromise;
}

async function importLibc(): Promise<Libc | undefined> {
  const koffi = await import('koffi').catch(() => undefined);
  if (koffi === undefined) return undefined;
  const library = koffi.load('libc.so.6');
  return {
    socket: library.func('int socket(int, int, int)'),
    setsockopt: library.func('int setsockopt(int, int, int, const void *, uint32_t)'),
    getsockopt: library.func('int getsockopt(int, int, int, void *, void *)'),
    bind: library.func('int bind(int, const void *, uint32_t)'),
    sendto: library.func('int64_t sendto(int, const void *, size_t, int, const void *, uint32_t)'),
    // recv, adjtimex and getsockopt write into the Buffers that they are given.
    recv: library.func('int64_t recv(int, void *, size_t, int)'),
    adjtimex: library.func('int adjtimex(void *)'),
    close: library.func('int close(int)'),
  };
}
