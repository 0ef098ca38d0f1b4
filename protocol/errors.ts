/**
 * Every foreseen error: what the admin reads, and the one action that helps.
 * The same text goes to the CLI, the API, the web and the audit log. docs/errors.md lists them; a test compares the two.
 * `{name}` in a text is filled from the values given to `knownError`.
 */
export const errorTable = {
  USAGE: { status: 400, message: '{problem}', next: 'See: fleetcast {command} --help' },
  INVALID_REQUEST: {
    status: 400,
    message: 'The request is not valid: {problem}',
    next: 'See the API document: fleetcast openapi',
  },
  INTERNAL: {
    status: 500,
    message: 'A bug in fleetcast, log id {logId}',
    next: 'Look for {logId} in the log of the daemon and report it',
  },
  DAEMON_UNREACHABLE: {
    status: 503,
    message: 'No daemon answers on {socket}: {reason}',
    next: 'Start it: fleetcast serve   (or name its socket: --socket PATH)',
  },
  ANSWER_UNREADABLE: {
    status: 502,
    message: 'The daemon on {socket} gave an answer that this fleetcast does not understand: {problem}',
    next: 'Restart the daemon, so that both are of the same version; compare: fleetcast --version, fleetcast status',
  },
  FOLDER_UNUSABLE: {
    status: 500,
    message: 'The folder {path} cannot be used: {reason}',
    next: 'Put that right (permission: run it as root), or name another folder: {setting}',
  },
  DENIED: {
    status: 403,
    message: 'Not allowed: {reason}',
    next: 'Run the command as root or as a member of the group that owns the socket',
  },
  NOT_ROOT: { status: 403, message: '{what} needs root', next: 'Run it again as root' },
  PROGRAM_MISSING: {
    status: 500,
    message: 'The program {program} is not installed',
    next: 'apt-get install {package}',
  },
  PROGRAM_FAILED: { status: 500, message: '{program} failed ({outcome}): {stderr}', next: 'Try it by hand: {command}' },

  CONFIG_UNREADABLE: {
    status: 500,
    message: 'The config file {path} cannot be read: {reason}',
    next: 'Put the file or its name right, then: fleetcast config check --config {path}',
  },
  CONFIG_UNKNOWN_KEY: {
    status: 500,
    message: 'Unknown key {key} in {path}',
    next: 'Did you mean {nearest}? All keys: fleetcast config show',
  },
  CONFIG_BAD_VALUE: {
    status: 500,
    message: '{key} = {value} in {path}: {problem}',
    next: 'All keys, units and ranges: fleetcast config show',
  },
  INTERFACE_MISSING: {
    status: 500,
    message: 'There is no network interface {interface}; there are: {known}',
    next: 'Set [network] interface in the config, or serve --interface NAME',
  },
  INTERFACE_NO_ADDRESS: {
    status: 500,
    message: 'The interface {interface} has no IPv4 address',
    next: 'ip address add ADDRESS/24 brd + dev {interface}',
  },
  INTERFACE_AMBIGUOUS: {
    status: 500,
    message: 'Several interfaces have an address: {known}',
    next: 'Name the one of the deployment network: serve --interface NAME',
  },
  PORT_TAKEN: {
    status: 500,
    message: 'Port {port} on {address} is taken by another program',
    next: 'See who: ss -lptn sport = :{port}   or set [network] agent_port',
  },
  BOOT_PORT_TAKEN: {
    status: 500,
    message: 'UDP port {port} on {address}, which network boot needs, is taken by {holder}',
    next: 'Stop that program, or set [boot] dhcp = "external" and tell it what fleetcast dhcp external prints, or [boot] dhcp = "off" (port 69: tftp = "off")',
  },
  BOOT_PORT_DENIED: {
    status: 500,
    message: 'UDP port {port} on {address}, which network boot needs, may not be opened',
    next: 'Run the daemon as root or with CAP_NET_BIND_SERVICE and CAP_NET_RAW, or without network boot: [boot] dhcp = "off" and tftp = "off"',
  },
  BOOT_SUBNET_MISSING: {
    status: 500,
    message: 'DHCP is to give addresses on {interface}, but no [[boot.subnet]] holds its address {address}',
    next: 'Add a [[boot.subnet]] with network, pool_first and pool_last for {interface}, or set its dhcp to "proxy"',
  },
  BOOT_INTERFACES_NEED_KOFFI: {
    status: 500,
    message: 'DHCP on several interfaces ({interfaces}) needs the npm package koffi, which is missing',
    next: 'Install it: npm install koffi   or leave one interface with dhcp other than "off"',
  },
  SOCKET_TAKEN: {
    status: 500,
    message: 'A daemon already answers on {socket}',
    next: 'Use that one, or stop it first',
  },
  DATABASE_NEWER: {
    status: 500,
    message: 'The database {path} was written by a newer fleetcast (migration {found}, this one knows {known})',
    next: 'Run the newer fleetcast, or restore the copy {path}.before-N',
  },
  DATABASE_CHANGED: {
    status: 500,
    message: 'Migration {name} was changed after it ran on {path}',
    next: 'Restore the released file of that migration',
  },
  DATABASE_DAMAGED: {
    status: 500,
    message: 'The database {path} is damaged, or is none: {reason}',
    next: 'Put a copy back ({path}.before-N, or a backup), or move it away: images are found again from the store, hosts and history are not',
  },
  DATABASE_BLOCKED: {
    status: 503,
    message: 'The database of the daemon cannot be written: {reason}',
    next: 'Free space on its disk (df), or end the program that holds it (fuser); sessions then go on by themselves',
  },
  STORE_LOCKED: {
    status: 500,
    message: 'The store {path} is in use by process {pid}',
    next: 'Stop that process first',
  },

  DOCTOR_BUSY: {
    status: 409,
    message: 'A doctor is looking at the network already',
    next: 'Wait until it has ended, and ask again: fleetcast doctor',
  },
  HOST_UNKNOWN: { status: 404, message: 'There is no host {host}', next: 'fleetcast host list' },
  HOST_EXISTS: {
    status: 409,
    message: 'There is already a host {host}',
    next: 'Choose another name, or: fleetcast host rename {host} NEW',
  },
  MAC_TAKEN: { status: 409, message: 'The MAC {mac} belongs to host {host}', next: 'fleetcast host show {host}' },
  MAC_INVALID: { status: 400, message: '{mac} is not a MAC address', next: 'Write it as 52:54:00:12:34:56' },
  NAME_INVALID: {
    status: 400,
    message: '{name} is not a valid {what} name',
    next: 'Use 1 to 63 letters, digits, dots, dashes or underscores, beginning with a letter or digit',
  },
  SECURE_ON_INVALID: {
    status: 400,
    message: '{password} is not a SecureOn password',
    next: 'Write its six bytes as 00:11:22:33:44:55, or none to remove it',
  },
  ADDRESS_INVALID: {
    status: 400,
    message: '{address} cannot be kept for {host}: {problem}',
    next: 'Choose a free IPv4 address of the deployment network, or none to remove it',
  },
  ADDRESS_TAKEN: {
    status: 409,
    message: 'The address {address} is kept for {owner}',
    next: 'Choose another, or: fleetcast host set {owner} --address none',
  },
  HOST_AWAY: {
    status: 409,
    message: '{host} is not in the agent',
    next: 'See where it is: fleetcast host show {host}; a host that is off: fleetcast wake {host}',
  },
  POWER_REFUSED: {
    status: 409,
    message: '{count} hosts were not told: {reasons}',
    next: 'See what they do: fleetcast host list',
  },
  HOSTS_NOT_AWAKE: {
    status: 504,
    message: 'Not up {seconds} s after they were woken: {hosts}',
    next: 'Check power, cable, and Wake-on-LAN and network boot in the setup of the firmware',
  },
  HOST_PENDING: { status: 409, message: 'The host {host} is not approved yet', next: 'fleetcast host approve {host}' },
  HOST_BUSY: {
    status: 409,
    message: 'The host {host} takes part in session {session}',
    next: 'Wait for it, or: fleetcast session cancel {session}',
  },
  HOST_NEVER_SEEN: {
    status: 409,
    message: 'The disks of {host} are not known: it has not booted the agent yet',
    next: 'Boot it once from the network, or wake it: it registers its disks by itself',
  },
  GROUP_UNKNOWN: { status: 404, message: 'There is no group {group}', next: 'fleetcast group list' },
  GROUP_EXISTS: { status: 409, message: 'There is already a group {group}', next: 'fleetcast group list' },
  GROUP_EMPTY: { status: 409, message: 'The group {group} has no hosts', next: 'fleetcast group add {group} HOST…' },
  SECRET_UNKNOWN: {
    status: 404,
    message: 'There is no secret {secret}',
    next: 'See: fleetcast secret list   or add it: fleetcast secret add {secret} --from-file FILE',
  },
  SECRET_EXISTS: {
    status: 409,
    message: 'There is already a secret {secret}',
    next: 'Choose another name, or first: fleetcast secret remove {secret}',
  },
  SECRET_INVALID: {
    status: 400,
    message: 'This cannot be the secret {secret}: {problem}',
    next: 'See: fleetcast secret add --help',
  },
  SECRET_IN_USE: {
    status: 409,
    message: 'Session {session} gives the secret {secret} to its hosts',
    next: 'Wait for its end: fleetcast session show {session}',
  },
  LUKS_SECRET_MISSING: {
    status: 409,
    message:
      '{image} carries what lies in LUKS containers ({count}), and nothing says what is to open them on the hosts',
    next: 'Say it: --luks-secret NAME   (fleetcast secret list; fleetcast secret add NAME --from-file FILE)',
  },
  LUKS_KEY_REFUSED: {
    status: 409,
    message: '{host}: no secret that was given opens the LUKS container on {where}',
    next: 'Add the right passphrase (fleetcast secret add NAME --from-file FILE) and name it: --luks-secret NAME. Without the option a capture carries the container as it is',
  },
  LUKS_FAILED: {
    status: 500,
    message: '{host}: a LUKS container on {disk} cannot be made or opened: {reason}',
    next: 'Look at the host: fleetcast host show {host}. What containers need is in docs/luks.md',
  },

  FINISHER_UNKNOWN: { status: 404, message: 'There is no finisher {finisher}', next: 'fleetcast finisher list' },
  FINISHER_EXISTS: {
    status: 409,
    message: 'There is already a finisher {finisher}',
    next: 'Choose another name, or first: fleetcast finisher remove {finisher}',
  },
  FINISHER_INVALID: {
    status: 400,
    message: '{finisher} is not a finisher: {problem}',
    next: 'See: fleetcast finisher add --help',
  },
  FINISHER_BUILT_IN: {
    status: 409,
    message: 'The finisher {finisher} is built in',
    next: 'Leave it out: fleetcast deploy … --finishers A,B   or none: --finishers none',
  },
  FINISHER_IN_USE: {
    status: 409,
    message: 'The finisher {finisher} is in use by {user}',
    next: 'Wait for the session, or choose others: fleetcast group set GROUP --finishers …   fleetcast image set IMAGE --finishers …',
  },
  FINISHERS_AMBIGUOUS: {
    status: 409,
    message: '{host} is in groups that choose different finishers: {groups}',
    next: 'Name them: fleetcast deploy … --finishers A,B',
  },
  FINISHER_DAMAGED: {
    status: 500,
    message: 'The file of the finisher {finisher} is gone or not what was uploaded',
    next: 'Add it again: fleetcast finisher remove {finisher}   fleetcast finisher add {finisher} FILE',
  },
  FINISHER_FAILED: {
    status: 500,
    message: '{host}: the finisher {finisher} failed: {reason}',
    next: 'Put it right, or leave it out (--finishers …), and deploy again: the disk has no partition table now and does not boot',
  },
  TEMPLATE_INVALID: {
    status: 400,
    message: '{where} has {placeholder}, which is no placeholder',
    next: 'Placeholders are {{hostname}}, {{serial}}, {{mac}}, {{n}} and {{n:3}} (three digits)',
  },
  CSV_INVALID: { status: 400, message: 'Line {line} of {path}: {problem}', next: 'A line is: name,mac[,group]' },

  IMAGE_UNKNOWN: { status: 404, message: 'There is no image {image}', next: 'fleetcast image list' },
  IMAGE_EXISTS: { status: 409, message: 'There is already an image {image}', next: 'Choose another name' },
  VERSION_UNKNOWN: {
    status: 404,
    message: 'Image {image} has no version {version}',
    next: 'fleetcast image show {image}',
  },
  IMAGE_IN_USE: {
    status: 409,
    message: 'Image {image} is used by session {session}',
    next: 'Wait for it, or: fleetcast session cancel {session}',
  },
  IMAGE_DAMAGED: {
    status: 409,
    message: 'Image {image} has {count} damaged or missing chunks',
    next: 'fleetcast image verify {image} names them; capture the image again to put them back',
  },
  IMAGE_FILE_DAMAGED: {
    status: 409,
    message: 'The image file {path} is damaged: {problem}',
    next: 'Put the file back from a copy, or mend it (docs/formats/image-file.md), and start the daemon again',
  },
  MANIFEST_NEWER: {
    status: 409,
    message: 'The manifest has format version {found}, this fleetcast reads up to {known}',
    next: 'Update fleetcast on this machine',
  },
  MANIFEST_CORRUPT: {
    status: 409,
    message: 'The manifest {manifest} is damaged: {problem}',
    next: 'Capture the image again, or put the file back from a copy',
  },
  CHUNK_CORRUPT: {
    status: 500,
    message: 'Chunk {chunk} in pack {pack} is damaged: {problem}',
    next: 'fleetcast image verify; capture the image again to put the chunk back',
  },
  CHUNK_MISSING: {
    status: 500,
    message: 'Chunk {chunk} is not in the store',
    next: 'fleetcast image verify; capture the image again to put the chunk back',
  },
  PACK_CORRUPT: { status: 500, message: 'Pack {pack} is damaged: {problem}', next: 'fleetcast image verify' },
  STORE_FULL: {
    status: 507,
    message: 'The disk of the store {path} is full ({freeBytes} bytes free)',
    next: 'fleetcast image remove and fleetcast image prune free space',
  },
  STORE_BUSY: {
    status: 409,
    message: 'The store cannot be pruned while session {session} runs',
    next: 'Wait for it, or: fleetcast session cancel {session}',
  },
  STORE_VERIFYING: {
    status: 409,
    message: 'The store cannot be pruned while it is being verified',
    next: 'Wait for the verifying to end, or interrupt it',
  },
  STORE_FITTING: {
    status: 409,
    message: 'The store cannot be pruned while an image is being fitted',
    next: 'Wait for the fitting to end, or interrupt it',
  },
  STORE_PRUNING: { status: 409, message: 'The store is being pruned', next: 'Try again in a minute' },
  STREAM_CORRUPT: {
    status: 400,
    message: 'The stream is damaged at byte {offset}: {problem}',
    next: 'The sender tries again by itself; if it stays, check the network card',
  },

  DISK_RULE_INVALID: {
    status: 400,
    message: '{rule} is not a disk rule',
    next: 'Use serial=…, wwn=…, path=…, size=256G, size>100G, transport=nvme, model=Samsung*, order=1 or each, joined with commas',
  },
  DISK_NONE: {
    status: 409,
    message: '{host} has no disk that fits the rule {rule}. Its disks: {disks}',
    next: 'Choose one: --disk serial=…',
  },
  DISK_AMBIGUOUS: {
    status: 409,
    message: '{host} has several disks that fit the rule {rule}: {disks}',
    next: 'Choose one: --disk serial=…',
  },
  DISK_CHOSEN_TWICE: {
    status: 409,
    message: '{host}: two of the rules {rule} choose the same disk, {disk}',
    next: "Give rules that each choose another one: --disk 'serial=…; serial=…'",
  },
  DISKS_UNMAPPED: {
    status: 409,
    message: '{host}: which of its disks takes which of the {count} disks of the image ({sizes}) is not clear: {disks}',
    next: "Give a rule for each, in the order of the image: --disk 'transport=nvme; transport=sata'",
  },
  IMAGE_HAS_DISKS: {
    status: 409,
    message: '{image} holds {count} disks, and {what} works with images of one',
    next: 'fleetcast image show {image}',
  },
  DISK_RULES_DIFFER: {
    status: 409,
    message: '{host}: its groups set different disk rules: {rules}',
    next: 'Set one for the host: fleetcast host set {host} --disk RULE, or give --disk',
  },
  DISK_IN_USE: {
    status: 409,
    message: '{host}: the disk {disk} is in use: {use}',
    next: 'Unmount or stop what uses it, or reboot the host, and run the command again',
  },
  DISK_READ_ONLY: {
    status: 409,
    message: '{host}: the disk {disk} is read-only',
    next: 'Remove its write protection, or choose another disk: --disk serial=…',
  },
  DISK_FROZEN: {
    status: 409,
    message: '{host}: the firmware has frozen the security of the disk {disk}, so that it cannot erase itself',
    next: 'Put the host to sleep and wake it again, or unplug and plug the disk while it runs, which thaws it; or wipe with --method zeros',
  },
  WIPE_IMPOSSIBLE: {
    status: 409,
    message: '{host}: the disk {disk} cannot be wiped this way: {why}',
    next: 'Wipe it with --method zeros',
  },
  WIPE_NOT_CLEAN: {
    status: 500,
    message: '{host}: after {method} {count} samples of the disk {disk} are not wiped, the first at byte {offset}',
    next: 'Wipe it again with --method zeros; if that fails too, the disk is broken: destroy it',
  },
  DISK_CHANGED: {
    status: 409,
    message: '{host}: the disk of the plan ({expected}) is not there any more. Its disks: {disks}',
    next: 'Make a new plan: run the deploy command again',
  },
  DISK_TOO_SMALL: {
    status: 409,
    message: '{host}: the disk {disk} has {haveBytes} bytes, the image needs {needBytes}',
    next: 'Choose a larger disk: --disk …',
  },
  IMAGE_NEEDS_FIT: {
    status: 409,
    message:
      '{host}: the disk {disk} has {haveBytes} bytes, the image as it is needs {needBytes}; made smaller, it fits',
    next: 'fleetcast image fit {image}@{version} --to {haveBytes}   then deploy the image that it makes',
  },
  FIT_IMPOSSIBLE: {
    status: 409,
    message: '{host}: the disk {disk} has {haveBytes} bytes, the image needs at least {needBytes}: {why}',
    next: 'Choose a larger disk: --disk …   or capture the image from a smaller one',
  },
  SHRINK_IMPOSSIBLE: {
    status: 409,
    message: 'The image {image} cannot be made to fit {toBytes} bytes; the least is {needBytes}: {why}',
    next: 'Fit it to a larger disk: fleetcast image fit {image} --to {needBytes}',
  },
  SHRINK_NEEDLESS: {
    status: 409,
    message: 'The image {image} fits a disk of {toBytes} bytes as it is',
    next: 'Deploy it: fleetcast deploy {image}',
  },
  SHRINK_FAILED: {
    status: 500,
    message: 'The {filesystem} could not be made smaller: {reason}',
    next: 'Check the filesystem on the machine that was captured, and capture it again',
  },
  FIT_NO_ROOM: {
    status: 507,
    message: 'Fitting needs {needBytes} bytes for a copy in {path}, where {freeBytes} are free',
    next: 'Make room there: fleetcast image prune   or remove other files',
  },
  GROW_IMPOSSIBLE: {
    status: 409,
    message: '{what} of {image} cannot grow: {why}',
    next: 'See its partitions: fleetcast image show {image}   then choose another: --grow P, --grow GROUP/VOLUME, or --grow last',
  },
  GROW_FAILED: {
    status: 500,
    message: '{host}: the {filesystem} of partition {where} could not be made larger: {reason}',
    next: 'Deploy without --grow; check the filesystem on the machine that was captured, and capture it again',
  },
  DISK_SECTOR_SIZE: {
    status: 409,
    message: '{host}: the disk {disk} has sectors of {have} bytes, the image was made with {need}',
    next: 'Capture an image from a disk with sectors of {have} bytes; an NVMe disk may offer the other size: nvme id-ns -H {disk}, then nvme format --lbaf=N (erases it)',
  },
  DISK_READ_FAILED: {
    status: 500,
    message: '{host}: reading {disk} at byte {offset} failed: {reason}',
    next: 'Check the disk: smartctl -a {disk}. To capture what can be read: fleetcast capture HOST --as IMAGE --rescue',
  },
  DISK_WRITE_FAILED: {
    status: 500,
    message: '{host}: writing {disk} at byte {offset} failed: {reason}',
    next: 'Check the disk: smartctl -a {disk}',
  },
  DISKS_FAILED: {
    status: 500,
    message: '{host}: {count} of {of} disks failed, {rest}: {problems}',
    next: 'Replace what is broken, then deploy to that disk alone: --disk serial={disk}',
  },
  LAYOUT_UNSUPPORTED: {
    status: 409,
    message: '{disk}: the partition table {label} is not supported',
    next: 'Supported are GPT, MBR, and disks without a table',
  },
  MAP_FAILED: {
    status: 500,
    message: '{disk}: the used blocks of {volume} cannot be read: {reason}',
    next: 'Check the filesystem on the host (fsck) and capture again',
  },
  VERIFY_FAILED: {
    status: 500,
    message: '{host}: {count} chunks on {disk} read back wrong even after {tries} repairs',
    next: 'The disk or its cable is failing: replace it and deploy again',
  },

  ONEWAY_NEEDS_RATE: {
    status: 400,
    message: 'A one-way cast needs a rate: no host says when it is too fast',
    next: 'Add --rate with less than the slowest link carries, such as --rate 300, or set cast.max_mbit',
  },
  PLAN_EMPTY: { status: 400, message: 'No host is named', next: 'Give --hosts A,B or --group G' },
  PLAN_CHANGED: {
    status: 409,
    message: 'The plan changed since it was shown: {what}',
    next: 'Run the command again and look at the new plan',
  },
  PLAN_REFUSED: {
    status: 409,
    message: '{what} cannot take part',
    next: 'Mend what the plan says, or leave them out: --skip-refused',
  },
  SESSION_UNKNOWN: { status: 404, message: 'There is no session {session}', next: 'fleetcast session list' },
  SESSION_ENDED: {
    status: 409,
    message: 'Session {session} is already {state}',
    next: 'fleetcast session show {session}',
  },
  SESSION_NOT_GATHERING: {
    status: 409,
    message: 'Session {session} is {state}, not gathering',
    next: 'fleetcast session show {session}',
  },
  SESSION_NOT_DEPLOY: {
    status: 409,
    message: 'Session {session} is a {kind}: its hosts and its start are fixed',
    next: 'fleetcast session show {session}',
  },
  SESSION_HAS_HOSTS: {
    status: 409,
    message: 'All these hosts are in session {session} already',
    next: 'fleetcast session show {session}',
  },
  HOST_NOT_IN_SESSION: {
    status: 409,
    message: '{host} has no running task in session {session}',
    next: 'fleetcast session show {session}',
  },
  WAVES_INVALID: {
    status: 400,
    message: '{waves} are no canary waves: {problem}',
    next: 'Write them as 1,5,rest (the last size holds for all after it), with --verify full',
  },
  WAVES_STOPPED: {
    status: 409,
    message: '{host} was not touched: {reason}',
    next: 'See why hosts failed: fleetcast session show {session}   then deploy to the others again',
  },
  HOST_REMOVED: {
    status: 409,
    message: '{host} was taken out of session {session}; on its disk: {content}',
    next: 'Put it back while the session runs: fleetcast session add {session} --hosts {host}',
  },
  START_INVALID: {
    status: 400,
    message: '{start} is not a start policy',
    next: 'Use all, now, a number of hosts, or deadline=10m[,N]',
  },
  TASK_STALE: {
    status: 409,
    message: 'Task {task} is {state}: this call belongs to an earlier order',
    next: 'Nothing to do: the agent asks for its present order by itself',
  },
  HOST_DID_NOT_COME: {
    status: 504,
    message: '{host} did not boot the agent within {seconds} s',
    next: 'Check power, cable and boot order (network first); then deploy to it again',
  },
  WAKE_FAILED: {
    status: 500,
    message: 'No magic packet for {host} could be sent: {reason}',
    next: 'Check the deployment interface of the server, or switch {host} on by hand',
  },
  HOST_LOST: {
    status: 504,
    message: '{host} has not been heard of for {seconds} s',
    next: 'Look at its screen; then deploy to it again',
  },
  CAST_FAILED: {
    status: 500,
    message: 'The cast could not run: {reason}',
    next: 'The session tries again over HTTP; see fleetcast session show {session}',
  },
  REPAIR_FAILED: {
    status: 500,
    message: '{host}: {count} chunks could not be fetched: {reason}',
    next: 'Check the network of this host, then deploy to it again',
  },
  AGENT_FAILED: {
    status: 500,
    message: '{host}: {reason}',
    next: 'See the screen of the host or fleetcast events --host {host}',
  },
  AGENT_OUTDATED: {
    status: 409,
    message: 'The agent speaks protocol {found}, the server {known}',
    next: 'Boot the host again from this server',
  },

  SCHEDULE_UNKNOWN: { status: 404, message: 'There is no schedule {schedule}', next: 'fleetcast schedule list' },
  SCHEDULE_EXISTS: {
    status: 409,
    message: 'There is already a schedule {schedule}',
    next: 'Choose another name, or: fleetcast schedule remove {schedule}',
  },
  SCHEDULE_INVALID: {
    status: 400,
    message: 'The schedule cannot be: {problem}',
    next: 'See: fleetcast schedule add --help',
  },
  SCHEDULE_RUNNING: {
    status: 409,
    message: 'A run of the schedule {schedule} has not ended',
    next: 'See it: fleetcast schedule history {schedule}   then wait, or cancel its session',
  },
  SCHEDULE_OVER: {
    status: 409,
    message: 'The only time of the schedule {schedule} has passed',
    next: 'Run it by hand: fleetcast schedule run {schedule}   or add another',
  },
  HOOK_MISSING: {
    status: 409,
    message: 'There is no hook {hook} in {folder}: {problem}',
    next: 'Put the program there, owned by root, executable, and writable by its owner alone',
  },
  WINDOW_CLOSED: {
    status: 409,
    message: '{host}: the window of the schedule {schedule} closed, and {what}',
    next: 'The next run takes it first; or at once: fleetcast schedule run {schedule}',
  },

  BOOT_NO_MIRROR: {
    status: 500,
    message: 'No Debian mirror is named in {folder}',
    next: 'Name one: fleetcast boot build --mirror URL',
  },
  BOOT_NOT_READY: {
    status: 500,
    message: 'There are no boot assets in {folder}',
    next: 'Build them: fleetcast boot build',
  },
  BOOT_LOCK_DIFFERS: {
    status: 409,
    message: 'Debian packages are not those of the lock ({count} differ): {first}',
    next: 'Take what the mirror has: fleetcast boot build   or make it the lock: fleetcast boot build --update-lock',
  },
  BOOT_BUILD_FAILED: {
    status: 500,
    message: 'The boot assets cannot be built: {problem}',
    next: 'Try again with another mirror: fleetcast boot build --mirror URL',
  },

  TOKEN_REFUSED: {
    status: 401,
    message: 'The token is not valid: {reason}',
    next: 'Boot the host again from the network',
  },
  NOT_FOUND: { status: 404, message: 'There is no {method} {path}', next: 'See the API document: fleetcast openapi' },
} as const satisfies Record<string, { status: number; message: string; next: string }>;

export type ErrorCode = keyof typeof errorTable;

/** The shape of an error on the wire (API answers, task rows, events). */
export interface ErrorBody {
  readonly code: ErrorCode;
  readonly message: string;
  readonly next: string;
}

/** A foreseen error. `message` and `next` are filled in; `status` is the HTTP status. */
export class KnownError extends Error {
  readonly code: ErrorCode;
  readonly next: string;
  readonly status: number;

  constructor(body: ErrorBody, options?: ErrorOptions) {
    super(body.message, options);
    this.name = 'KnownError';
    this.code = body.code;
    this.next = body.next;
    this.status = errorTable[body.code].status;
  }

  toBody(): ErrorBody {
    return { code: this.code, message: this.message, next: this.next };
  }
}

/** Makes a KnownError from the table. A value that the text needs and that is absent stays visible as `{name}`. */
export function knownError(
  code: ErrorCode,
  values: Readonly<Record<string, string | number>> = {},
  options?: ErrorOptions,
): KnownError {
  const { message, next } = errorTable[code];
  return new KnownError({ code, message: fill(message, values), next: fill(next, values) }, options);
}

/** Reads an error that came over the wire; undefined when it is not one of ours. */
export function readErrorBody(value: unknown): KnownError | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { code, message, next } = value as Record<string, unknown>;
  if (typeof code !== 'string' || typeof message !== 'string' || typeof next !== 'string') return undefined;
  return code in errorTable ? new KnownError({ code: code as ErrorCode, message, next }) : undefined;
}

function fill(text: string, values: Readonly<Record<string, string | number>>): string {
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => (name in values ? String(values[name]) : whole));
}
