// Logging for people: one line an event, with what happened, to what, and what to do. A thin façade
// over fmt; broker/app installs the sink (spdlog), tests leave it silent or capture it.
#pragma once

#include <fmt/core.h>

#include <string_view>
#include <utility>

namespace sluice {

enum class LogLevel { trace, debug, info, warn, error, off };

using LogSink = void (*)(LogLevel, std::string_view line);

/// Called once, before any shard runs. The sink may be called from every thread.
void set_log_sink(LogSink sink, LogLevel least);
bool log_enabled(LogLevel level);
void log_line(LogLevel level, std::string_view line);

template <class... Args>
void log(LogLevel level, fmt::format_string<Args...> format, Args&&... args) {
  if (log_enabled(level)) log_line(level, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void log_debug(fmt::format_string<Args...> format, Args&&... args) {
  log(LogLevel::debug, format, std::forward<Args>(args)...);
}
template <class... Args>
void log_info(fmt::format_string<Args...> format, Args&&... args) {
  log(LogLevel::info, format, std::forward<Args>(args)...);
}
template <class... Args>
void log_warn(fmt::format_string<Args...> format, Args&&... args) {
  log(LogLevel::warn, format, std::forward<Args>(args)...);
}
template <class... Args>
void log_error(fmt::format_string<Args...> format, Args&&... args) {
  log(LogLevel::error, format, std::forward<Args>(args)...);
}

}  // namespace sluice
