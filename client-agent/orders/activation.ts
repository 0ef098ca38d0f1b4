/**
 * Activates the containers of a disk that was just laid, each for a moment and behind an overlay, so that nothing is written to the
 * disk, and has the filesystems in them checked by their own programs. docs/decisions/0014-activation.md
 */
import type { Activation, CheckedVolume } from '#protocol/activation.ts';
import type { Disk } from '#protocol/disk.ts';
import { KnownError, knownError } from '#protocol/errors.ts';
import type { ManifestHead, VolumeHead } from '#protocol/manifest.ts';
import { howEnded } from '#system/run.ts';
import { probeBlock } from '../disk/block-probe.ts';
import { isContainer } from '../disk/container-map.ts';
import { DirectFile } from '../disk/direct-file.ts';
import { hasDeviceMapper, withOverlay } from '../disk/disk-overlay.ts';
import { diskSizeOf } from '../disk/disk-size.ts';
import { checkerOf, checkFilesystem } from '../disk/filesystem-checker.ts';
import { findDistrust } from '../disk/filesystem-state.ts';
import { readGroup, sectionsOf } from '../disk/lvm-metadata.ts';
import { hasMirrors, withMirror } from '../disk/mirror.ts';
import { type ActiveVolume, isGroupActive, whyNotActivated, withActiveGroup } from '../disk/volume-group.ts';
import { containersOn, type LaidContainer, lookAt, volumeIn } from './laid-container.ts';
import { LUKS_TYPE } from './source-containers.ts';

/** For all checkers of a disk together, in ms. They read what a filesystem says of its files, not the files. */
const CHECK_LIMIT_MS = 600_000;
const WITHOUT_MAPPER = 'this kernel has no device-mapper';

type Target = Pick<Disk, 'path' | 'sectorBytes'>;

/** What all containers of a disk share. */
interface Looker {
  readonly disk: Target;
  readonly volumes: readonly VolumeHead[];
  readonly signal: AbortSignal;
  /** Of performance.now(). */
  readonly deadlineMs: number;
}

/**
 * What became of each container on `disk`, which is given as it lies there in the clear; `head` is placed on it. Writes nothing to the
 * disk; may be repeated. Throws CONTAINER_BROKEN, VOLUME_DAMAGED (with `{host}` left open), PROGRAM_MISSING, AbortError.
 */
export async function activateContainers(
  disk: Target,
  head: Pick<ManifestHead, 'layout' | 'volumes' | 'containers'>,
  signal: AbortSignal,
): Promise<Activation[]> {
  const { places, others } = containersOn(head);
  if (places.length === 0) return [...others];
  if (!(await hasDeviceMapper())) return [...places.map((place) => notActivated(place, WITHOUT_MAPPER)), ...others];
  const looker = { disk, volumes: head.volumes, signal, deadlineMs: performance.now() + CHECK_LIMIT_MS };
  const found: Activation[] = [];
  // The physical volumes of a group come up together, or not at all.
  const together = Map.groupBy(places, ({ kind, name }, i) => (kind === 'lvm' ? name : i));
  for (const own of together.values()) {
    signal.throwIfAborted();
    const [place] = own as [LaidContainer];
    found.push(await (place.kind === 'lvm' ? activateGroup(own, looker) : activateWhole(place, looker)));
  }
  return [...found, ...others];
}

/** A mirror, or a LUKS container that is open: what it holds is one volume, or a container with a line of its own. */
async function activateWhole(place: LaidContainer, looker: Looker): Promise<Activation> {
  const volume = volumeIn(looker.volumes, place);
  return whileThere([place], looker, async ([overlay]) => {
    const check = (node: string) => checkVolume(node, undefined, volume ?? 'none', place, looker);
    if (place.kind === 'luks') return activated(place, await check(overlay!));
    try {
      return activated(place, await withMirror(overlay!, check));
    } catch (error) {
      if (isProgramFailure(error) && !hasMirrors()) return notActivated(place, 'this kernel has no software mirrors');
      return asActivation(error, place);
    }
  });
}

async function activateGroup(places: readonly LaidContainer[], looker: Looker): Promise<Activation> {
  const [place] = places as [LaidContainer];
  return whileThere(places, looker, async (devices) => {
    const texts = devices.map(readGroupOn);
    const groups = texts.filter((text) => typeof text !== 'string');
    const [group] = groups;
    if (group === undefined) throw broken(place, String(texts[0]));
    const { content } = group;
    if (groups.some((other) => other.content.id !== content.id)) {
      return notActivated(place, 'there are two groups of that name');
    }
    const whyNot = whyNotActivated(place.name, content, devices.length);
    if (whyNot !== undefined) return notActivated(place, whyNot);
    try {
      if (await isGroupActive(place.name, String(content.id))) {
        return notActivated(place, 'a group of that name is active on this host already');
      }
      const own = { name: place.name, systemId: content.system_id?.toString(), devices };
      return await withActiveGroup(own, async (volumes) => {
        const checked: CheckedVolume[] = [];
        for (const volume of volumes) checked.push(...(await checkLogicalVolume(volume, place, looker)));
        return activated(place, checked);
      });
    } catch (error) {
      return asActivation(error, place);
    }
  });
}

/** Runs `use` with a device for each place. One that cannot be made says nothing about what lies there. */
async function whileThere(
  places: readonly LaidContainer[],
  { disk: { path, sectorBytes } }: Looker,
  use: (nodes: readonly string[]) => Promise<Activation>,
): Promise<Activation> {
  let areThere = false;
  const withNodes = (rest: readonly LaidContainer[], nodes: readonly string[]): Promise<Activation> => {
    const [next, ...others] = rest;
    if (next === undefined) {
      areThere = true;
      return use(nodes);
    }
    const { startBytes, sizeBytes, mirror } = next;
    const goOn = (node: string) => withNodes(others, [...nodes, node]);
    return withOverlay({ path, startBytes, sizeBytes, sectorBytes }, (overlay) =>
      mirror === undefined ? goOn(overlay) : withMirror(overlay, goOn),
    );
  };
  try {
    return await withNodes(places, []);
  } catch (error) {
    if (areThere || !isProgramFailure(error)) throw error;
    return notActivated(places[0]!, error.message);
  }
}

function readGroupOn(device: string) {
  const read = (offset: number, length: number) => DirectFile.readSpan(device, offset, length);
  const text = readGroup(read, diskSizeOf(device, 512));
  return typeof text === 'string' ? text : sectionsOf(text);
}

function checkLogicalVolume(
  { name, node, isPool }: ActiveVolume,
  place: LaidContainer,
  looker: Looker,
): Promise<CheckedVolume[]> {
  const head = looker.volumes.find(({ within }) => within?.kind === 'lvm' && within.name === name);
  if (node !== undefined) return checkVolume(node, name, isPool ? 'none' : head, place, looker);
  const left = { name, filesystem: head?.filesystem ?? 'unknown', why: 'LVM leaves it inactive' };
  return Promise.resolve([left]);
}

/** None: there is nothing to be checked in it. Throws VOLUME_DAMAGED. */
async function checkVolume(
  node: string,
  name: string | undefined,
  head: VolumeHead | 'none' | undefined,
  place: LaidContainer,
  { signal, deadlineMs }: Looker,
): Promise<CheckedVolume[]> {
  const look = head === 'none' ? 'none' : lookAt(head);
  const filesystem = look === 'probe' ? (await probeBlock(node)).type : (head as VolumeHead).filesystem;
  const isNothing =
    filesystem === undefined || filesystem === 'swap' || isContainer(filesystem) || filesystem === LUKS_TYPE;
  if (look === 'none' || isNothing) return [];
  const one = { ...(name === undefined ? {} : { name }), filesystem };
  const why = typeof look === 'object' ? look.why : look === 'probe' ? await findUnclean(filesystem, node) : undefined;
  if (why !== undefined) return [{ ...one, why }];
  const limitMs = Math.ceil(deadlineMs - performance.now());
  const checked = await checkFilesystem(filesystem, node, { limitMs, signal });
  if (!('damage' in checked)) return [{ ...one, ...checked }];
  const where = [whereOf(place), name].filter(Boolean).join(', ');
  throw knownError('VOLUME_DAMAGED', { filesystem, where, reason: checked.damage });
}

/** Why a checker would find fault with a filesystem that only was in use when it was captured. */
async function findUnclean(filesystem: string, node: string): Promise<string | undefined> {
  if (checkerOf(filesystem) === undefined) return undefined;
  const read = (offset: number, length: number) => DirectFile.readSpan(node, offset, length);
  return findDistrust(filesystem, { read, withDevice: (use) => use(node) });
}

function activated(place: LaidContainer, volumes: readonly CheckedVolume[]): Activation {
  return { ...nameOf(place), volumes: [...volumes] };
}

function notActivated(place: LaidContainer, whyNot: string): Activation {
  return { ...nameOf(place), whyNot, volumes: [] };
}

function nameOf({ kind, name, partition }: LaidContainer): Pick<Activation, 'kind' | 'name' | 'partition'> {
  return { kind, ...(kind === 'lvm' ? { name } : {}), ...(partition === undefined ? {} : { partition }) };
}

/** What it means that LVM or md has failed. Throws CONTAINER_BROKEN, and whatever is no program's failure. */
function asActivation(error: unknown, place: LaidContainer): Activation {
  if (!isProgramFailure(error)) throw error;
  if (howEnded(error) !== undefined) return notActivated(place, error.message);
  throw broken(place, error.message, error);
}

function broken({ kind, name, ...place }: LaidContainer, reason: string, cause?: unknown): KnownError {
  const container = { lvm: `LVM group ${name}`, md: 'software mirror', luks: 'LUKS container' }[kind];
  return knownError('CONTAINER_BROKEN', { container, where: whereOf(place), reason }, { cause });
}

function whereOf({ partition }: Pick<LaidContainer, 'partition'>): string {
  return partition === undefined ? 'the disk' : `partition ${partition}`;
}

function isProgramFailure(error: unknown): error is KnownError {
  return error instanceof KnownError && error.code === 'PROGRAM_FAILED';
}
