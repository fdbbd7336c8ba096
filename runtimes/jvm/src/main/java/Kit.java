// Runs the kit on Endive: java Kit core.scalar.wasm kit.txt (runtimes/kit/README.md; the interface: assembly/README.md).
import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import run.endive.runtime.Instance;
import run.endive.wasm.Parser;
import run.endive.wasm.WasmModule;

public final class Kit {
  private final Instance core;
  private final int base;

  /** A core with that many bytes for the host. */
  private Kit(WasmModule module, long bytes) {
    core = Instance.builder(module).build();
    long abi = core.export("abi").apply()[0];
    if (abi != 1) throw new IllegalArgumentException("this host knows interface 1, the core has " + abi);
    base = (int) core.export("heapBase").apply()[0];
    long missing = base + bytes - 65536L * core.memory().pages();
    if (missing > 0 && core.memory().grow((int) ((missing + 65535) / 65536)) < 0) {
      throw new IllegalStateException("there is no memory for " + bytes + " bytes");
    }
  }

  private static long word(String hex) {
    return Long.parseUnsignedLong(hex, 16);
  }

  private long argument(String text) {
    if (text.startsWith("@")) return base + Long.parseLong(text.substring(1));
    return text.startsWith("=") ? word(text.substring(1)) : Long.parseLong(text);
  }

  private void write(String what, String address, List<String> words, boolean isNumber) {
    int at = base + Integer.parseInt(address);
    for (String hex : words) {
      if (isNumber && !Double.isFinite(Double.longBitsToDouble(word(hex)))) {
        throw new IllegalArgumentException(what + ": a value is not finite");
      }
      core.memory().writeLong(at, word(hex));
      at += 8;
    }
  }

  private void call(String what, String function, List<String> words) {
    long status = core.export(function).apply(words.stream().mapToLong(this::argument).toArray())[0];
    if (status != 0) throw new IllegalStateException(what + ": status " + status);
  }

  /** Nothing, or the first word that differs. */
  private String difference(String address, List<String> words) {
    int at = base + Integer.parseInt(address);
    for (int k = 0; k < words.size(); k++) {
      long got = core.memory().readLong(at + 8 * k);
      if (got != word(words.get(k))) return String.format(" %d %016x %s", k, got, words.get(k));
    }
    return null;
  }

  private static int run(String path, String kit, long start) throws Exception {
    WasmModule module = Parser.parse(new File(path));
    Kit host = null;
    String name = "";
    boolean isFirst = true;
    int code = 0;
    for (String line : Files.readAllLines(Path.of(kit))) {
      List<String> words = Arrays.asList(line.split(" "));
      String what = words.size() > 1 ? name + " " + words.get(1) : "";
      switch (words.get(0)) {
        case "case":
          name = words.get(1);
          host = new Kit(module, Long.parseLong(words.get(2)));
          break;
        case "put":
        case "raw":
          host.write(what, words.get(2), words.subList(3, words.size()), words.get(0).equals("put"));
          break;
        case "call":
          host.call(what, words.get(1), words.subList(2, words.size()));
          break;
        case "expect":
          double ms = (System.nanoTime() - start) / 1e6;
          if (isFirst) System.out.println(String.format(Locale.ROOT, "first %.1f", ms));
          isFirst = false;
          String difference = host.difference(words.get(2), words.subList(3, words.size()));
          System.out.println((difference == null ? "equal " : "different ") + what + (difference == null ? "" : difference));
          if (difference != null) code = 1;
          break;
        default:
      }
    }
    return code;
  }

  public static void main(String[] args) {
    long start = System.nanoTime();
    try {
      System.exit(run(args[0], args[1], start));
    } catch (Exception error) {
      System.err.println("error: " + error.getMessage());
      System.exit(2);
    }
  }
}
