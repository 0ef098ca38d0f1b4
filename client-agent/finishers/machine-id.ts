/** The machine-id: emptied, so that systemd makes a new one at the next boot (machine-id(5)). */
import { onLinux } from './finisher.ts';

export const resetMachineId = onLinux(async (root, { say }) => {
  const old = (await root.read('etc/machine-id'))?.trim();
  // `uninitialized` would make systemd take it for a first boot, and ask for a locale and a password (systemd-firstboot(1)).
  await root.write('etc/machine-id', '', 0o444);
  const names = (await root.exists('var/lib/dbus')) ? ['var/lib/dbus/machine-id'] : [];
  for (const name of names) {
    const own = (await root.read(name))?.trim();
    // A link to /etc/machine-id is empty now; a copy would be taken for the system's id by systemd-machine-id-setup(1).
    if (own !== undefined && own !== '') await root.remove(name);
  }
  say(old ? `${old} is emptied: the first boot makes a new one` : 'it was empty already');
});
