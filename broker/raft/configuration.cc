// Encoding of memberships (libraft's format 1, little endian):
//
//   0 format u8 = 1 | 1 count u64 | count x { id u64, address (NUL-terminated), role u8 } | zeros up to 8 bytes
//
// Decoding is our own because libraft's reads past the end of a short buffer.
#include "broker/raft/configuration.h"

#include <algorithm>
#include <limits>
#include <string_view>
#include <utility>

#include "protocol/base/check.h"

namespace sluice::broker {
namespace {

constexpr std::uint8_t kFormat = 1;
constexpr std::size_t kLeastServerSize = 8 + 2 + 1;  // id, one character and its NUL, role
static_assert(static_cast<int>(ServerRole::standby) == RAFT_STANDBY &&
              static_cast<int>(ServerRole::voter) == RAFT_VOTER && static_cast<int>(ServerRole::spare) == RAFT_SPARE);

const RaftServer* find(const RaftConfiguration& configuration, NodeId id) {
  const auto at = std::ranges::find(configuration, id, &RaftServer::id);
  return at == configuration.end() ? nullptr : &*at;
}

}  // namespace

std::vector<std::byte> encode_configuration(const RaftConfiguration& configuration) {
  ByteWriter out;
  out.le<std::uint8_t>(kFormat);
  out.le<std::uint64_t>(configuration.size());
  for (const RaftServer& server : configuration) {
    out.le<std::uint64_t>(static_cast<std::uint64_t>(server.id.value));
    out.raw(as_bytes(server.address));
    out.le<std::uint8_t>(0);
    out.le<std::uint8_t>(static_cast<std::uint8_t>(server.role));
  }
  while (out.size() % 8 != 0) out.le<std::uint8_t>(0);
  return out.take();
}

Result<RaftConfiguration> decode_configuration(ByteSpan bytes) {
  ByteReader in(bytes);
  if (in.le<std::uint8_t>() != kFormat) return fail(Errc::malformed, "a Raft configuration of an unknown format");
  const auto count = in.le<std::uint64_t>();
  if (in.failed() || count == 0 || count > in.remaining() / kLeastServerSize)
    return fail(Errc::malformed, "a Raft configuration whose number of servers does not fit its size");
  RaftConfiguration configuration;
  configuration.reserve(count);
  for (std::uint64_t i = 0; i < count; ++i) {
    const auto id = in.le<std::uint64_t>();
    const std::string_view rest = as_text(bytes.subspan(in.position()));
    const std::size_t length = rest.find('\0');
    if (in.failed() || length == std::string_view::npos) return fail(Errc::malformed, "a Raft configuration cut short");
    in.skip(length + 1);
    const auto role = in.le<std::uint8_t>();
    if (in.failed() || id > static_cast<std::uint64_t>(std::numeric_limits<std::int32_t>::max()) || role > RAFT_SPARE)
      return fail(Errc::malformed, "a Raft configuration with a server id or role out of range");
    configuration.push_back(
        {NodeId(static_cast<std::int32_t>(id)), std::string(rest.substr(0, length)), ServerRole(role)});
  }
  const ByteSpan padding = in.take(in.remaining());
  if (padding.size() >= 8 || !std::ranges::all_of(padding, [](std::byte b) { return b == std::byte{0}; }))
    return fail(Errc::malformed, "a Raft configuration with bytes behind its end");
  if (auto fits = check_configuration(configuration); !fits) return fail(Errc::malformed, fits.error().message);
  return configuration;
}

Result<void> check_configuration(const RaftConfiguration& configuration) {
  bool voter = false;
  for (std::size_t i = 0; i < configuration.size(); ++i) {
    const RaftServer& server = configuration[i];
    if (server.id.value <= 0) return fail(Errc::invalid_argument, "a Raft configuration with a server id below 1");
    if (server.address.empty() || server.address.find('\0') != std::string::npos)
      return fail(Errc::invalid_argument, "a Raft configuration with an address that is empty or contains NUL");
    for (std::size_t j = 0; j < i; ++j) {
      if (configuration[j].id == server.id || configuration[j].address == server.address)
        return fail(Errc::invalid_argument, "a Raft configuration that names a server or an address twice");
    }
    voter = voter || server.role == ServerRole::voter;
  }
  if (!voter) return fail(Errc::invalid_argument, "a Raft configuration without a voter");
  return {};
}

Result<RaftConfiguration> ordered_change(const RaftConfiguration& current, const RaftConfiguration& next) {
  if (auto fits = check_configuration(next); !fits) return fail(fits.error());
  RaftConfiguration ordered;
  std::size_t differences = 0;
  // libraft keeps followers' progress by position when their number stays the same: those that stay keep their order.
  for (const RaftServer& server : current) {
    const RaftServer* kept = find(next, server.id);
    if (kept == nullptr || !(*kept == server)) ++differences;
    if (kept != nullptr) ordered.push_back(*kept);
  }
  for (const RaftServer& server : next) {
    if (find(current, server.id) != nullptr) continue;
    if (server.role == ServerRole::voter)
      return fail(Errc::invalid_argument,
                  "server " + std::to_string(server.id.value) +
                      " can't join as a voter: add it as a standby, and promote it when it has caught up");
    ++differences;
    ordered.push_back(server);
  }
  if (differences > 1)
    return fail(Errc::invalid_argument, "a Raft configuration that changes more than one server at once");
  return ordered;
}

bool is_sole_voter(const RaftConfiguration& configuration, NodeId self) {
  const RaftServer* own = find(configuration, self);
  return own != nullptr && own->role == ServerRole::voter &&
         std::ranges::count(configuration, ServerRole::voter, &RaftServer::role) == 1;
}

raft_configuration to_core(const RaftConfiguration& configuration) {
  raft_configuration core;
  raft_configuration_init(&core);
  for (const RaftServer& server : configuration) {
    const int rv = raft_configuration_add(&core, static_cast<raft_id>(server.id.value), server.address.c_str(),
                                          static_cast<int>(server.role));
    CHECK(rv == 0, "only checked configurations get here");
  }
  return core;
}

void ConfigurationLog::append(LogIndex index, RaftConfiguration configuration) {
  CHECK(items_.empty() || items_.back().index < index);
  items_.push_back({index, std::move(configuration)});
}

void ConfigurationLog::truncate(LogIndex index) {
  while (!items_.empty() && items_.back().index >= index) items_.pop_back();
}

void ConfigurationLog::trim(LogIndex index) {
  const Item* kept = at(index);
  if (kept != nullptr) items_.erase(items_.begin(), items_.begin() + (kept - items_.data()));
}

const ConfigurationLog::Item* ConfigurationLog::at(LogIndex index) const {
  const auto behind = std::ranges::upper_bound(items_, index, {}, &Item::index);
  return behind == items_.begin() ? nullptr : &*(behind - 1);
}

const ConfigurationLog::Item* ConfigurationLog::next_after(LogIndex index) const {
  const auto behind = std::ranges::upper_bound(items_, index, {}, &Item::index);
  return behind == items_.end() ? nullptr : &*behind;
}

}  // namespace sluice::broker
