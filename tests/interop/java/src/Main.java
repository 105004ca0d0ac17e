/** `Main ADDRESS [NAME]` runs the checks (whose name contains NAME); `Main ADDRESS stream TOPIC COUNT` writes. */
public final class Main {
  /** The client's major version. */
  static int kafka() {
    return Integer.parseInt(org.apache.kafka.common.utils.AppInfoParser.getVersion().split("\\.")[0]);
  }

  public static void main(String[] arguments) throws Exception {
    Clients clients = new Clients(arguments[0]);
    if (arguments.length > 3 && arguments[1].equals("stream")) {
      System.exit(Stream.run(clients, arguments[2], Integer.parseInt(arguments[3])));
    }
    Checks checks = new Checks(arguments.length > 1 ? arguments[1] : null);
    new DataChecks(clients).run(checks);
    new AdminChecks(clients).run(checks);
    new NotYetChecks(clients).run(checks);
    System.exit(checks.status());
  }
}
