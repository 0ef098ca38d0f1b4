/** What firmware and stage 1 fetch over HTTP: boot scripts of each machine, and the boot assets. No token can be asked for here. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import fastifyStatic from '@fastify/static';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import type { BootTarget } from '#protocol/agent-api.ts';
import { knownError } from '#protocol/errors.ts';
import type { BootAssets } from '../boot/boot-assets.ts';
import type { BootDirector } from '../boot/boot-director.ts';
import {
  agentImageFor,
  FILES_PATH,
  grubEntryScript,
  grubScript,
  ipxeScript,
  type ScriptOptions,
} from '../boot/boot-script.ts';
import { normalizeMac } from '../inventory/mac.ts';
import type { App } from './app.ts';
import { dropConnection } from './grub-connection.ts';
import { capitalizeHeaders } from './header-case.ts';

export interface BootServices {
  readonly director: BootDirector;
  readonly assets: BootAssets;
  /** Base URL of the agent API. */
  readonly agentUrl: string;
  readonly kernelArgs: string;
  readonly debugShell: boolean;
}

const route = {
  config: { isOpen: true },
  onRequest: async (_request: unknown, reply: { raw: ServerResponse }) => capitalizeHeaders(reply.raw),
  onResponse: async (request: FastifyRequest, reply: FastifyReply) => {
    const { method, url, ip: client } = request;
    const sent = { client, method, url, status: reply.statusCode, ms: Math.round(reply.elapsedTime) };
    request.log.debug(sent, 'boot: answered over HTTP');
  },
} as const;

export async function addBootRoutes(app: App, services: BootServices): Promise<void> {
  const { director, assets } = services;
  await app.register(fastifyStatic, { root: assets.dir, serve: false, etag: true, cacheControl: false });

  app.get(
    '/boot/v1/ipxe',
    {
      ...route,
      schema: {
        querystring: Type.Object({
          mac: Type.String(),
          uuid: Type.Optional(Type.String()),
          firmware: Type.Union(firmwares.map((name) => Type.Literal(name))),
        }),
      },
    },
    async ({ query, raw }, reply) => {
      const target = reachedAt(director.next({ mac: query.mac, uuid: query.uuid }), raw);
      return reply
        .type('text/plain')
        .send(ipxeScript(target, query.firmware, scriptOptions(query.mac, query.firmware)) as never);
    },
  );
  // GRUB that came over HTTP reads through the firmware, which asks for the length by HEAD first.
  app.route({
    method: ['GET', 'HEAD'],
    url: '/boot/v1/grub/:mac',
    ...route,
    schema: { params: Type.Object({ mac: Type.String() }) },
    handler: async ({ params, headers, raw }, reply) => {
      const target = reachedAt(director.next({ mac: params.mac }), raw);
      if (headers['user-agent']?.startsWith('GRUB')) reply.raw.once('finish', () => dropConnection(raw.socket));
      return reply.type('text/plain').send(grubScript(target, scriptOptions(params.mac, 'uefi-x64')) as never);
    },
  });
  // It looks beside its own folder or at the top.
  for (const url of ['/grub/grub.cfg', `${FILES_PATH}/grub/grub.cfg`]) {
    app.route({
      method: ['GET', 'HEAD'],
      url,
      ...route,
      handler: async ({ raw }, reply) =>
        reply.type('text/plain').send(grubEntryScript(urlReached(raw) ?? services.agentUrl) as never),
    });
  }
  // shim that came over HTTP asks for GRUB with two slashes.
  for (const url of [`${FILES_PATH}/:name`, `${FILES_PATH}//:name`]) {
    app.route({
      method: ['GET', 'HEAD'],
      url,
      ...route,
      schema: { params: Type.Object({ name: Type.String() }) },
      handler: async ({ params, method }, reply) => {
        // The index is the list of what may be read: nothing else in the folder can be named.
        if (assets.sha256Of(params.name) === undefined)
          throw knownError('NOT_FOUND', { method, path: `${FILES_PATH}/${params.name}` });
        return reply.type('application/octet-stream').sendFile(params.name);
      },
    });
  }

  function scriptOptions(mac: string, firmware: (typeof firmwares)[number]): ScriptOptions {
    const image = agentImageFor(firmware);
    return {
      mac: normalizeMac(mac),
      image,
      squashSha256: assets.sha256Of(image.squashfs) ?? '',
      kernelArgs: services.kernelArgs,
      isDebug: services.debugShell,
    };
  }
}

/** A machine goes on to the address at which it has reached us: on another interface that of the deployment network may be out of reach. */
export function reachedAt(target: BootTarget, request: IncomingMessage): BootTarget {
  const server = urlReached(request);
  return target.target === 'local' || server === undefined ? target : { ...target, server };
}

function urlReached({ socket }: IncomingMessage): string | undefined {
  const { localAddress, localPort } = socket;
  return localAddress === undefined || localPort === undefined ? undefined : `http://${localAddress}:${localPort}`;
}

const firmwares = ['bios', 'uefi-x86', 'uefi-x64', 'uefi-arm32', 'uefi-arm64', 'other'] as const;
