/** What the operating system of a bootable disk says on the serial console when it is up. */
const WORD = 'RESTORED-OS-IS-UP';

/** Finds it on a console. */
export const UP_LINE = new RegExp(`${WORD} \\S+`);

/** `name`: what the operating system calls itself. */
export function upLine(name: string): string {
  return `${WORD} ${name}`;
}
