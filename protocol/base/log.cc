#include "protocol/base/log.h"

#include <algorithm>
#include <atomic>
#include <string>

namespace sluice {
namespace {
std::atomic<LogSink> sink{nullptr};
std::atomic<LogLevel> least_level{LogLevel::off};

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

/// Names in a line come from clients: what would begin a new line, or steer a terminal, is spelled out.
std::string spelled_out(std::string_view line) {
  std::string text;
  for (const char c : line) {
    if (is_control(c))
      text += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    else
      text += c;
  }
  return text;
}
}  // namespace

void set_log_sink(LogSink new_sink, LogLevel least) {
  sink = new_sink;
  least_level = least;
}
bool log_enabled(LogLevel level) { return level >= least_level.load(std::memory_order_relaxed); }
void log_line(LogLevel level, std::string_view line) {
  const LogSink to = sink.load(std::memory_order_relaxed);
  if (to == nullptr) return;
  if (std::any_of(line.begin(), line.end(), is_control)) return to(level, spelled_out(line));
  to(level, line);
}

}  // namespace sluice
