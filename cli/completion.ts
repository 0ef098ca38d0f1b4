/** `fleetcast completion` prints the shell's script; the script asks the hidden `fleetcast __complete` for words. */
import { Argument, Command } from 'commander';
import { completeWords, type DynamicKind } from './completion-words.ts';
import { apiPath, DaemonLink } from './daemon-link.ts';
import { type Cli, invocationOf, withExample } from './invocation.ts';

/** Who presses Tab does not wait longer for the daemon, in ms. */
const NAMES_LIMIT_MS = 1500;

export function completionCommand(cli: Cli): Command {
  const command = new Command('completion')
    .description('Print the completion script of a shell')
    .addArgument(new Argument('<shell>').choices(['bash', 'zsh', 'fish']))
    .action((shell: keyof typeof scripts) => cli.terminal.out(scripts[shell]));
  return withExample(command, 'source <(fleetcast completion bash)');
}

/** Prints the candidates for the last word, one a line; says nothing when anything is wrong. `:files` asks the shell for paths. */
export function completeCommand(cli: Cli, program: Command): Command {
  return new Command('__complete')
    .argument('[word...]')
    .allowUnknownOption()
    .helpOption(false)
    .action(async (words: string[], _options: object, self: Command) => {
      const { words: fixed, dynamic, listPrefix } = completeWords(program, words);
      const typed = (words.at(-1) ?? '').slice(listPrefix.length);
      const socket = socketIn(words);
      const link = socket === undefined ? invocationOf(cli, self).link : new DaemonLink(socket);
      const names = dynamic === undefined ? [] : await namesOf(dynamic, link);
      const fitting = names.filter((name) => name.startsWith(typed)).map((name) => `${listPrefix}${name}`);
      for (const line of [...fixed, ...fitting, ...(dynamic === 'file' ? [':files'] : [])]) cli.terminal.outLine(line);
    });
}

/** The socket that the line being typed names. */
function socketIn(words: readonly string[]): string | undefined {
  const place = words.findIndex((word) => word === '--socket' || word.startsWith('--socket='));
  const word = words[place];
  return word === '--socket' ? words[place + 1] : word?.slice('--socket='.length);
}

async function namesOf(kind: DynamicKind, link: DaemonLink): Promise<string[]> {
  const options = { limitMs: NAMES_LIMIT_MS };
  try {
    if (kind === 'host') return (await link.get('hosts', apiPath`/hosts`, options)).map((host) => host.name);
    if (kind === 'group') return (await link.get('groups', apiPath`/groups`, options)).map((group) => group.name);
    if (kind === 'image') return (await link.get('images', apiPath`/images`, options)).map((image) => image.name);
    if (kind === 'schedule') return (await link.get('schedules', apiPath`/schedules`, options)).map(({ name }) => name);
    if (kind === 'file') return [];
    const sessions = await link.get('sessions', apiPath`/sessions?limit=${50}`, options);
    return sessions.map((session) => String(session.sessionId));
  } catch {
    return [];
  }
}

// `--` keeps fleetcast from reading the words as its own options.
const bash = `# fleetcast completion for bash: source <(fleetcast completion bash)
_fleetcast() {
  local typed=\${COMP_LINE:0:COMP_POINT} current line strip=
  local -a words
  read -ra words <<<"$typed"
  [[ $typed == *[[:space:]] ]] && words+=("")
  current=\${words[-1]}
  # For bash the word begins after the =, for fleetcast before the option.
  [[ $COMP_WORDBREAKS == *=* && $current == *=* ]] && strip=\${current%=*}=
  COMPREPLY=()
  while IFS= read -r line; do
    if [[ $line == :files ]]; then
      compopt -o filenames 2>/dev/null
      while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -f -- "\${current#"$strip"}")
    else
      COMPREPLY+=("\${line#"$strip"}")
    fi
  done < <("\${words[0]}" __complete -- "\${words[@]:1}" 2>/dev/null)
}
complete -F _fleetcast fleetcast
`;

const zsh = `#compdef fleetcast
# fleetcast completion for zsh: source <(fleetcast completion zsh)
_fleetcast() {
  local -a candidates
  candidates=("\${(@f)$("\${words[1]}" __complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  if (( \${candidates[(Ie):files]} )); then
    _files
  elif [[ -n "\${candidates[1]}" ]]; then
    compadd -- "\${candidates[@]}"
  fi
}
compdef _fleetcast fleetcast
`;

const fish = `# fleetcast completion for fish: fleetcast completion fish | source
function __fleetcast_complete
  set -l words (commandline -opc) (commandline -ct)
  for line in (command $words[1] __complete -- $words[2..-1] 2>/dev/null)
    if test "$line" = :files
      __fish_complete_path (commandline -ct)
    else
      echo $line
    end
  end
end
complete -c fleetcast -f -a '(__fleetcast_complete)'
`;

const scripts = { bash, zsh, fish } as const;
