// Room for a newcomer: when too many connections are open, the one that has kept the server waiting longest goes.
//
// A fixed limit alone lets whoever opens that many and says nothing keep everybody out, probes included. A request that
// has come whole is never cut off.
import type { IncomingMessage, Server } from "node:http";
import type { Socket } from "node:net";

/** Connections from which on one has to go for each that comes. */
export const CONNECTIONS_MAX = 256;

/** @param onEvict told of each that went */
export function limitConnections(server: Server, onEvict: () => void): void {
  // In the order in which they last had a request answered, or came; the request under way, if there is one.
  const open = new Map<Socket, IncomingMessage | undefined>();
  server.on("connection", (socket: Socket) => {
    open.set(socket, undefined);
    socket.once("close", () => open.delete(socket));
    if (open.size <= CONNECTIONS_MAX) return;
    for (const [other, incoming] of open) {
      if (other !== socket && (incoming === undefined || !incoming.complete)) {
        onEvict();
        open.delete(other);
        other.destroy();
        return;
      }
    }
  });
  server.on("request", (incoming, outgoing) => {
    const { socket } = incoming;
    open.set(socket, incoming);
    outgoing.once("close", () => {
      if (!open.delete(socket) || socket.destroyed) return;
      open.set(socket, undefined);
    });
  });
}
