import { readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

import { items, picture } from "./items";

/** The built script, as a shop would host it. */
export const SCRIPT = new URL("../../dist/element/recsys-carousel.js", import.meta.url);

/** A request that reached the service. */
export interface Call {
  method: string;
  path: string;
  headers: IncomingMessage["headers"];
  body: string;
}

type Handler = (request: IncomingMessage, response: ServerResponse) => void | Promise<void>;

interface Listening {
  origin: string;
  close: () => Promise<void>;
}

/** What the service does with the n-th request of a test, counted from 0. */
export type Script = (call: number, response: ServerResponse, shop: string) => void | Promise<void>;

/** A shop's web server and, on another origin, a recommend service that does what the test says. */
export class Shop {
  readonly calls: Call[] = [];
  script: Script = answer(12);
  headers: Record<string, string> = {};
  html = "";
  /** Scripts and style sheets of the shop by path. */
  readonly files = new Map<string, string>();
  #servers: Listening[] = [];

  get origin(): string {
    return this.#servers[0]?.origin ?? "";
  }

  get endpoint(): string {
    return this.#servers[1]?.origin ?? "";
  }

  async open(): Promise<this> {
    this.#servers = [await listen(this.#serveShop), await listen(this.#serveService)];
    return this;
  }

  async close(): Promise<void> {
    await Promise.all(this.#servers.map((server) => server.close()));
  }

  /** Begins a test: nothing called yet, twelve items to come. */
  reset(): void {
    this.calls.length = 0;
    this.script = answer(12);
    this.headers = {};
  }

  #serveShop: Handler = ({ url = "/" }, response) => {
    const drawing = /^\/pictures\/(\d+)\.svg$/.exec(url);
    if (drawing) return send(response, 200, "image/svg+xml", picture(Number(drawing[1])));
    if (url === "/recsys-carousel.js") return send(response, 200, "text/javascript", readFileSync(SCRIPT));
    const file = this.files.get(url);
    if (file) return send(response, 200, url.endsWith(".css") ? "text/css" : "text/javascript", file);
    if (url.startsWith("/products/")) return send(response, 200, "text/html", "<title>Product</title>");
    if (url !== "/") return send(response, 404, "text/plain", "not found");
    for (const [name, value] of Object.entries(this.headers)) response.setHeader(name, value);
    send(response, 200, String(response.getHeader("Content-Type") ?? "text/html; charset=utf-8"), this.html);
  };

  #serveService: Handler = async (request, response) => {
    response.setHeader("Access-Control-Allow-Origin", this.origin);
    response.setHeader("Access-Control-Allow-Headers", "Authorization, Content-Type");
    if (request.method === "OPTIONS") return send(response, 204, "text/plain", "");
    const { method = "", url: path = "", headers } = request;
    const call = this.calls.push({ method, path, headers, body: await textOf(request) }) - 1;
    await this.script(call, response, this.origin);
  };
}

/** Answers with so many items; `change` may alter each. */
export function answer(count: number, change: (item: ReturnType<typeof items>[number]) => object = (item) => item): Script {
  return (_, response, shop) => {
    const document = { bundle_id: "b-2026", model: "als", items: items(count, shop).map(change) };
    send(response, 200, "application/json", JSON.stringify(document));
  };
}

/** Answers with a status and a problem document. */
export function fail(status: number): Script {
  return (_, response) => send(response, status, "application/problem+json", JSON.stringify({ status }));
}

/** Answers with exactly this text. */
export function say(text: string): Script {
  return (_, response) => send(response, 200, "application/json", text);
}

/** Never answers. */
export const silence: Script = () => undefined;

function send(response: ServerResponse, status: number, type: string, body: string | Buffer): void {
  response.writeHead(status, { "Content-Type": type }).end(body);
}

async function textOf(request: IncomingMessage): Promise<string> {
  let text = "";
  for await (const chunk of request) text += String(chunk);
  return text;
}

async function listen(handler: Handler): Promise<Listening> {
  const server: Server = createServer((request, response) => void handler(request, response));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    origin: `http://127.0.0.1:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}
