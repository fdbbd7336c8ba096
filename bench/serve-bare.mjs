// The peer of `bench serve`: hono on the same Node, which parses the same body and gives a JSON of the same size.
import { serve } from "@hono/node-server";
import { Hono } from "hono";

const answer = JSON.parse(process.argv[2]);
const app = new Hono();
app.post("/predict", async (context) => {
  await context.req.json();
  return context.json(answer);
});
serve({ fetch: app.fetch, port: 0, hostname: "127.0.0.1" }, ({ port }) => {
  process.stdout.write(`${JSON.stringify({ port })}\n`);
});
