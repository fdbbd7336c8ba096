// Room for a newcomer: when too many connections are open, the oldest one goes that has no whole request under way.
//
// A fixed limit alone lets whoever opens that many and says nothing keep everybody out, probes included. A request that
// has come whole is never cut off.
import type { Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";

/** Connections from which on one has to go for each that comes. */
export const CONNECTIONS_MAX = 256;

/** @param onEvict told of each that went */
export function limitConnections(server: Server, onEvict: () => void): void {
  // In the order in which they came, with the answer to their last request. A Map's entry costs less than a listener.
  const open = new Map<Socket, ServerResponse | undefined>();
  server.on("connection", (socket: Socket) => {
    open.set(socket, undefined);
    socket.once("close", () => open.delete(socket));
    if (open.size <= CONNECTIONS_MAX) return;
    for (const [other, outgoing] of open) {
      if (other !== socket && isWaiting(outgoing)) {
        onEvict();
        open.delete(other);
        other.destroy();
        return;
      }
    }
  });
  server.on("request", ({ socket }, outgoing) => {
    open.set(socket, outgoing);
  });
}

/** Whether it is the client's turn: nothing was asked yet, the last answer is out, or a request is only half here. */
function isWaiting(outgoing: ServerResponse | undefined): boolean {
  return outgoing === undefined || outgoing.writableFinished || !outgoing.req.complete;
}
