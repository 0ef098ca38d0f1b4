/** What may stand at a place of the command line. Pure: reads only the tree of commands. */
import type { Argument, Command, Option } from 'commander';

/** Names that only the daemon knows, and paths. */
export type DynamicKind = 'host' | 'group' | 'image' | 'session' | 'schedule' | 'file';

export interface Completion {
  /** Words that may come, already cut down to those that begin with the current word. */
  readonly words: readonly string[];
  /** Also names of this kind. */
  readonly dynamic?: DynamicKind;
  /** For lists joined with commas: what stands before the last comma, comma included. */
  readonly listPrefix: string;
}

const nothing: Completion = { words: [], listPrefix: '' };

/** `words`: what stands on the line after `fleetcast`; the last is the one being typed, maybe empty. */
export function completeWords(program: Command, words: readonly string[]): Completion {
  const current = words.at(-1) ?? '';
  let command = program;
  let place = 0;
  let expecting: Option | undefined;
  for (const word of words.slice(0, -1)) {
    if (expecting) {
      expecting = undefined;
      continue;
    }
    if (word.startsWith('-')) {
      const option = findOption(command, word);
      if (option?.required && !word.includes('=')) expecting = option;
      continue;
    }
    const next = command.commands.find((candidate) => candidate.name() === word);
    if (next) {
      command = next;
      place = 0;
    } else place++;
  }
  if (expecting) return valuesOf(expecting, current, '');
  const equals = /^(--[\w-]+=)(.*)$/s.exec(current);
  if (equals) {
    const option = findOption(command, current);
    return option ? valuesOf(option, equals[2]!, equals[1]!) : nothing;
  }
  if (current.startsWith('-'))
    return { words: flagsOf(command).filter((flag) => flag.startsWith(current)), listPrefix: '' };
  return placeOf(command, place, current);
}

function placeOf(command: Command, place: number, current: string): Completion {
  const names = command.commands.map((child) => child.name()).filter((name) => !name.startsWith('__'));
  const subcommands = place === 0 ? names.filter((name) => name.startsWith(current)) : [];
  const all = command.registeredArguments;
  const argument = all[place] ?? (all.at(-1)?.variadic ? all.at(-1) : undefined);
  const choices = (argument?.argChoices ?? []).filter((choice) => choice.startsWith(current));
  const dynamic = argument && kindOfArgument(argument);
  return { words: [...subcommands, ...choices], listPrefix: '', ...(dynamic ? { dynamic } : {}) };
}

function valuesOf(option: Option, current: string, prefix: string): Completion {
  const dynamic = kindOfOption[option.long ?? ''];
  if (dynamic === undefined) {
    const choices = (option.argChoices ?? []).filter((choice) => choice.startsWith(current));
    return { words: choices.map((choice) => `${prefix}${choice}`), listPrefix: prefix };
  }
  const isList = dynamic === 'host' || dynamic === 'group';
  const listPrefix = isList ? current.slice(0, current.lastIndexOf(',') + 1) : '';
  return { words: [], dynamic, listPrefix: prefix + listPrefix };
}

/** Arguments are told apart by their names; a name that is about to be given is not completed. */
function kindOfArgument(argument: Argument): DynamicKind | undefined {
  const name = argument.name();
  if (name === 'csv') return 'file';
  if (name === 'host' || name === 'group' || name === 'image' || name === 'session' || name === 'schedule') return name;
  return undefined;
}

const kindOfOption: Readonly<Record<string, DynamicKind>> = {
  '--hosts': 'host',
  '--host': 'host',
  '--group': 'group',
  '--as': 'image',
  '--session': 'session',
  '--config': 'file',
  '--socket': 'file',
  '--data-dir': 'file',
};

/** The option of a word like `--group`, `-g` or `--group=x`, of the command or of one above it. */
function findOption(command: Command, word: string): Option | undefined {
  const flag = word.split('=')[0];
  for (let at: Command | null = command; at; at = at.parent) {
    const option = at.options.find((candidate) => candidate.long === flag || candidate.short === flag);
    if (option) return option;
  }
  return undefined;
}

function flagsOf(command: Command): string[] {
  const flags: string[] = [];
  for (let at: Command | null = command; at; at = at.parent) {
    for (const option of at.options) if (option.long && !option.hidden) flags.push(option.long);
  }
  return [...new Set([...flags, '--help'])];
}
