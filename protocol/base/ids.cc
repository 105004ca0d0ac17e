#include "protocol/base/ids.h"

#include <cstring>

namespace sluice {

std::string TopicId::hex() const {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(32);
  for (std::uint8_t byte : bytes) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

std::string PartitionId::text() const { return topic.hex() + "-" + std::to_string(index.value); }

}  // namespace sluice

// Topic ids are random, so any eight of their bytes are a good hash.
std::size_t std::hash<sluice::TopicId>::operator()(const sluice::TopicId& id) const noexcept {
  std::size_t value;
  std::memcpy(&value, id.bytes.data() + 8, sizeof value);
  return value;
}
