#include "protocol/base/log.h"

#include <atomic>

namespace sluice {
namespace {
std::atomic<LogSink> sink{nullptr};
std::atomic<LogLevel> least_level{LogLevel::off};
}  // namespace

void set_log_sink(LogSink new_sink, LogLevel least) {
  sink = new_sink;
  least_level = least;
}
bool log_enabled(LogLevel level) { return level >= least_level.load(std::memory_order_relaxed); }
void log_line(LogLevel level, std::string_view line) {
  if (LogSink to = sink.load(std::memory_order_relaxed)) to(level, line);
}

}  // namespace sluice
