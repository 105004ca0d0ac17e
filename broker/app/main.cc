// sluiced: the broker. Reads its settings, starts a Node, and waits for a signal.
// Exit status: 0 after SIGTERM or SIGINT; 1 an error of the machine or the data; 2 a wrong setting; 3 the data
// directory or the address is in use by another process.
#include <fmt/core.h>
#include <google/protobuf/stubs/logging.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>

#include "broker/app/node.h"
#include "broker/app/settings.h"
#include "broker/app/version.h"

namespace {

using sluice::Errc;
using sluice::Error;
using sluice::LogLevel;
using sluice::broker::Node;
using sluice::broker::Settings;

void write_line(LogLevel level, std::string_view line) {
  static const auto logger = [] {
    auto made = spdlog::stderr_logger_mt("sluiced");
    made->set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %l %v", spdlog::pattern_time_type::utc);
    made->set_level(spdlog::level::trace);
    made->flush_on(spdlog::level::trace);
    return made;
  }();
  logger->log(static_cast<spdlog::level::level_enum>(level), "{}", line);
}

int exit_code(const Error& error) {
  if (error.code == Errc::config) return 2;
  if (error.code == Errc::in_use) return 3;
  return 1;
}

int complain(const Error& error) {
  fmt::print(stderr, "sluiced: {}\n", error.message);
  return exit_code(error);
}

std::string settings_help() {
  std::string help = "\nSettings (a TOML file with --config, or --set NAME=VALUE):\n";
  for (const auto& setting : sluice::broker::describe_settings())
    help += fmt::format("  {:<27} {} [{}]\n", setting.name, setting.help, setting.default_value);
  return help;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"sluiced: a log-structured message broker that Kafka clients talk to"};
  std::string config;
  std::vector<std::pair<std::string, std::string>> given;
  std::vector<std::string> sets;
  app.add_option("--config", config, "settings file (TOML)");
  const auto shorthand = [&](const char* flag, const char* name, const char* help) {
    app.add_option_function<std::string>(
        flag, [&given, name](const std::string& value) { given.emplace_back(name, value); }, help);
  };
  shorthand("--data-dir", "data_dir", "directory of everything the node keeps [data]");
  shorthand("--journal-dir", "journal_dir", "directory of the journals, if they are to be on another disk");
  shorthand("--kafka-listen", "kafka.listen", "HOST:PORT for Kafka clients; port 0 picks one [127.0.0.1:9092]");
  shorthand("--native-listen", "native.listen",
            "HOST:PORT for Sluice's own clients; port 0 picks one, none unless it is said");
  shorthand("--metrics-listen", "metrics.listen",
            "HOST:PORT that serves metrics to Prometheus; port 0 picks one [none]");
  shorthand("--shards", "shards", "threads, when the data directory is made; 0 is one a core");
  shorthand("--io-engine", "io_engine", "auto, uring or threads");
  shorthand("--journal-sync", "journal.sync", "auto, dsync or fdatasync");
  shorthand("--log-level", "log_level", "trace, debug, info, warn, error or off");
  app.add_option("--set", sets, "NAME=VALUE, any setting; given last, it wins")->take_all();
  app.set_version_flag("--version", fmt::format("sluiced {}", sluice::broker::kVersion));
  app.footer(settings_help());
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);
    return complain({Errc::config, fmt::format("{}; `sluiced --help` shows the flags", error.what())});
  }

  Settings settings;
  if (!config.empty())
    if (auto read = sluice::broker::read_settings_file(settings, config); !read) return complain(read.error());
  for (const std::string& set : sets) {
    const std::size_t equals = set.find('=');
    if (equals == std::string::npos)
      return complain({Errc::config, fmt::format("--set takes NAME=VALUE, not '{}'", set)});
    given.emplace_back(set.substr(0, equals), set.substr(equals + 1));
  }
  for (const auto& [name, value] : given)
    if (auto done = sluice::broker::set_setting(settings, name, value); !done) return complain(done.error());
  // Protobuf would tell stderr of every text from a peer that is not UTF-8.
  google::protobuf::SetLogHandler(nullptr);
  sluice::set_log_sink(write_line, settings.log_level);

  // Every thread starts with these blocked, so that they come to sigwait() alone.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);

  Node node(settings);
  if (auto started = node.start(); !started) return complain(started.error());
  fmt::print("sluiced ready kafka={} data={} shards={} io={}{}{}{}{}\n", node.kafka_address(), settings.data_dir,
             node.shards(), node.io_engine(), node.native_address().empty() ? "" : " native=", node.native_address(),
             node.metrics_address().empty() ? "" : " metrics=", node.metrics_address());
  std::fflush(stdout);
  int received = 0;
  sigwait(&signals, &received);
  node.stop();
  return 0;
}
