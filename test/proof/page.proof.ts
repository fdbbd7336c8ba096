// Does a sealed run verify in a browser, from a file on a disk, without a request, and show what was altered?

import { generateKeyPairSync } from "node:crypto";
import { cpSync, existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { PREFIX, SUFFIX } from "../../src/proof/shell.ts";
import { createRandom } from "../contract/bits.ts";
import { ROOT, type TrainAnswer, temporaryDirectory } from "../support/cli.ts";
import { endlessCore, exchangeCore } from "../support/foreign-cores.ts";
import { RAISINS, RAISINS_ARE_REAL, seal, trainAndSeal, writeChangedRaisins } from "./runs.ts";

const CHROMIUM = [
  process.env.CHROMIUM,
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
].find((path) => path !== undefined && existsSync(path));

/** A browser that asks nobody for anything of its own. */
const QUIET = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

describe.skipIf(CHROMIUM === undefined)("Chromium (skipped where it is not installed)", () => {
  const cwd = temporaryDirectory();
  const at = (name: string) => join(cwd, name);
  let browser: Browser;
  let trained: TrainAnswer;

  beforeAll(async () => {
    browser = await chromium.launch({ executablePath: CHROMIUM!, args: QUIET });
    trained = await trainAndSeal(cwd, "proof.html");
    writeChangedRaisins(at("changed.csv"));
    const { privateKey } = generateKeyPairSync("ed25519");
    writeFileSync(at("key.pem"), privateKey.export({ type: "pkcs8", format: "pem" }));
    await seal(cwd, trained.run_id, "whole.html", "--with-data", "--sign", "key.pem");
  });

  afterAll(() => browser?.close());

  /** A page, and every address that it asked for. */
  async function open(file: string) {
    const page = await browser.newPage();
    const requests: string[] = [];
    page.on("request", (request) => requests.push(request.url()));
    await page.goto(pathToFileURL(at(file)).href);
    return { page, requests };
  }

  async function verdictOf(page: Page): Promise<string> {
    const verdict = page.locator("#verdict");
    await verdict.filter({ hasText: /eproduced|Cannot verify|Not verified:/ }).waitFor();
    return `${await verdict.textContent()} ${await page.locator("#why").textContent()}`;
  }

  /** Drops a file on the page, as a mouse would. */
  async function drop(page: Page, path: string) {
    const transfer = await page.evaluateHandle(
      ([text, name]) => {
        const data = new DataTransfer();
        data.items.add(new File([text!], name!, { type: "text/csv" }));
        return data;
      },
      [readFileSync(path, "utf8"), "dropped.csv"],
    );
    await page.dispatchEvent("#drop", "drop", { dataTransfer: transfer });
  }

  test(`verifies the ${RAISINS_ARE_REAL ? "real" : "simulated"} raisins, and not with a changed cell`, async () => {
    const { page } = await open("proof.html");
    await page.locator("#drop").waitFor();
    expect(await page.title()).toContain("not verified yet");
    await drop(page, RAISINS);
    expect(await verdictOf(page)).toMatch(
      /^Reproduced All \d+ bytes of model\.npz and 219 metric values are equal\.$/,
    );
    expect(await page.title()).toBe(`Run ${trained.run_id}: Reproduced`);
    // The curve derived here lies on the recorded one.
    const curve = (style: string) => page.locator(`path.${style}`).first().getAttribute("d");
    expect(await curve("is")).toBe(await curve("was"));
    await drop(page, at("changed.csv"));
    await page.locator("#verdict", { hasText: "Not reproduced" }).waitFor();
    expect(await verdictOf(page)).toMatch(
      /^Not reproduced First difference: data: row 500 is not as recorded, in "Extent"/,
    );
    // Chosen instead of dropped.
    await page.setInputFiles("input", RAISINS);
    await page.locator("#verdict", { hasText: /^Reproduced/ }).waitFor();
    writeFileSync(at("picture.png"), Buffer.from([0x89, 0x50, 0x4e, 0x47, 1, 2, 3, 0, 9, 9]));
    await page.setInputFiles("input", at("picture.png"));
    expect(await verdictOf(page)).toMatch(/^Cannot verify /);
    await page.close();
  });

  test("lets no request out, whoever asks for one", async () => {
    let hits = 0;
    const server = createServer((_, answer) => {
      hits++;
      answer.end("hit");
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    const ask = (page: Page) =>
      page.evaluate(async (url) => {
        new Image().src = `${url}image`;
        navigator.sendBeacon(`${url}beacon`);
        const form = document.createElement("link");
        form.rel = "stylesheet";
        form.href = `${url}style`;
        document.head.append(form);
        return fetch(url, { mode: "no-cors" }).then(
          () => "answered",
          () => "refused",
        );
      }, address);
    try {
      const { page, requests } = await open("whole.html");
      await page.locator("button").click();
      expect(await verdictOf(page)).toMatch(/^Reproduced/);
      expect(requests.filter((url) => !/^(file|blob):/.test(url))).toEqual([]);
      expect(await ask(page)).toBe("refused");
      await page.waitForTimeout(300);
      expect(hits).toBe(0);
      await page.close();
      // Control: a page without the policy gets out, and is seen.
      const text = readFileSync(at("whole.html"), "utf8");
      writeFileSync(at("open.html"), text.replace(/<meta http-equiv=[^>]*>/, ""));
      const other = await open("open.html");
      expect(await ask(other.page)).toBe("answered");
      expect(hits).toBeGreaterThan(0);
      expect(other.requests).toContain(address);
      await other.page.close();
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });

  test("takes the table that was sealed with the run, and checks the signature", async () => {
    const { page } = await open("whole.html");
    await page.locator("button").click();
    expect(await verdictOf(page)).toMatch(/^Reproduced/);
    await page.getByText(/by the key ed25519:\S+: sound/).waitFor();
    await page.close();
  });

  test("shows altered bytes, wherever they are", async () => {
    const sealed = readFileSync(at("proof.html"));
    const random = createRandom(8);
    const places = Array.from({ length: 60 }, () => Math.floor(random.between(0, sealed.length)));
    const step = Number(process.env.RAISIN_EVERY_BYTE ?? 13);
    for (let place = 0; place < PREFIX.length; place += step) places.push(place);
    for (let place = 0; place < SUFFIX.length; place++) places.push(sealed.length - 1 - place);
    const start = sealed.indexOf("const SEAL=");
    for (let place = 0; place < 120; place += 3) places.push(start + place);
    const page = await browser.newPage();
    const missed: string[] = [];
    for (const place of places) {
      const copy = Buffer.from(sealed);
      copy[place]! ^= 1;
      writeFileSync(at("altered.html"), copy);
      await page.goto(pathToFileURL(at("altered.html")).href);
      const isShown = await page
        .locator("body", { hasText: /Not verified: |truncated or altered/ })
        .waitFor({ timeout: 2000 })
        .then(() => true)
        .catch(async () => !(await page.content()).includes("Drop the table here"));
      if (!isShown) missed.push(`${place}: ${copy.subarray(place - 20, place + 20)}`);
    }
    await page.close();
    expect(missed).toEqual([]);
  });

  const museum = join(ROOT, "test/museum");
  test.each(readdirSync(museum).filter((name) => name.endsWith(".html")))(
    "opens and verifies %s of the museum",
    async (name) => {
      const page = await browser.newPage();
      await page.goto(pathToFileURL(join(museum, name)).href);
      await page.locator("button").click();
      expect(await verdictOf(page)).toMatch(/^Reproduced/);
      await page.close();
    },
  );

  test("shows a file that was cut off", async () => {
    const sealed = readFileSync(at("proof.html"));
    for (const length of [60, 2000, PREFIX.length + 5000, sealed.length - 40]) {
      writeFileSync(at("cut.html"), sealed.subarray(0, length));
      const { page } = await open("cut.html");
      await page.waitForTimeout(100);
      expect(await page.content()).not.toContain("Drop the table here");
      await page.close();
    }
  });

  test("ends a core that never returns", async () => {
    cpSync(trained.run_dir, at("endless"), { recursive: true });
    exchangeCore(at("endless"), endlessCore());
    await seal(cwd, "endless", "endless.html", "--with-data", "--data", RAISINS);
    const page = await browser.newPage();
    await page.clock.install();
    await page.goto(pathToFileURL(at("endless.html")).href);
    await page.locator("button").click();
    await page.locator("#verdict", { hasText: "Training again" }).waitFor();
    await page.clock.fastForward(60_000);
    expect(await verdictOf(page)).toMatch(
      /^Not reproduced First difference: core: it did not return within \d+ s$/,
    );
    await page.close();
  });
});
