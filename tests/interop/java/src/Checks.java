import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.ExecutionException;

/** Runs named scenarios one after the other and says what came of each: `ok NAME (MS)` or `FAILED NAME: why`. */
final class Checks {
  interface Scenario {
    void run() throws Exception;
  }

  private final List<String> failed = new ArrayList<>();
  private final String only;

  Checks(String only) {
    this.only = only;
  }

  void run(String name, Scenario scenario) {
    if (only != null && !name.contains(only)) return;
    long start = System.nanoTime();
    try {
      scenario.run();
      System.out.println("ok " + name + " (" + (System.nanoTime() - start) / 1_000_000 + " ms)");
    } catch (Throwable error) {
      failed.add(name);
      System.out.println("FAILED " + name + ": " + error);
      error.printStackTrace(System.out);
    }
    System.out.flush();
  }

  int status() {
    return failed.isEmpty() ? 0 : 1;
  }

  static void equal(Object expected, Object got, String what) {
    if (!Objects.deepEquals(expected, got)) throw new AssertionError(what + ": expected " + expected + ", got " + got);
  }

  static void that(boolean holds, String what) {
    if (!holds) throw new AssertionError(what);
  }

  /** The scenario must end with that exception (or with one caused by it), within `limitMs`. */
  static Throwable fails(Class<? extends Throwable> kind, long limitMs, Scenario scenario) throws Exception {
    long start = System.nanoTime();
    try {
      scenario.run();
    } catch (Throwable error) {
      long took = (System.nanoTime() - start) / 1_000_000;
      for (Throwable cause = error; cause != null; cause = cause.getCause()) {
        if (!kind.isInstance(cause)) continue;
        that(took < limitMs, "it took " + took + " ms to say " + cause);
        return cause;
      }
      throw new AssertionError("expected " + kind.getSimpleName() + ", got " + error, error);
    }
    throw new AssertionError("expected " + kind.getSimpleName() + ", and nothing failed");
  }
}
