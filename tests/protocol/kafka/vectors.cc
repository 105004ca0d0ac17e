// Reads the vector files; their form is described in foreign/generate.py.
#include "tests/protocol/kafka/vectors.h"

#include <fmt/core.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "protocol/base/check.h"

namespace sluice::kafka::test {
namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  CHECK(c >= 'a' && c <= 'f');
  return c - 'a' + 10;
}

void read_file(const std::filesystem::path& path, std::vector<Vector>& out) {
  std::ifstream file(path);
  CHECK(file.good(), "a vector file can be read");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with('#')) continue;
    if (line.starts_with("  ")) {
      const std::size_t equals = line.find('=');
      CHECK(equals != std::string::npos && !out.empty());
      out.back().values[line.substr(2, equals - 2)] = line.substr(equals + 1);
      continue;
    }
    std::istringstream words(line);
    std::string kind, hex;
    int key = 0, version = 0;
    Vector& vector = out.emplace_back();
    words >> kind >> key >> version >> vector.variant >> hex;
    CHECK(!words.fail() && (kind == "request" || kind == "response"));
    vector.is_request = kind == "request";
    vector.key = static_cast<ApiKey>(key);
    vector.version = static_cast<std::int16_t>(version);
    vector.frame = from_hex(hex);
  }
}

}  // namespace

std::string Vector::name() const {
  const ApiInfo* api = find_api(key);
  return fmt::format("{} {} v{} {}", is_request ? "request" : "response", api ? api->name : "?", version, variant);
}

const std::vector<Vector>& foreign_vectors() {
  static const std::vector<Vector> all = [] {
    std::vector<Vector> vectors;
    const std::filesystem::path folder = SLUICE_SOURCE_DIR "/tests/protocol/kafka/foreign";
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      if (entry.path().extension() == ".txt") read_file(entry.path(), vectors);
    }
    return vectors;
  }();
  return all;
}

std::vector<std::byte> from_hex(std::string_view hex) {
  CHECK(hex.size() % 2 == 0);
  std::vector<std::byte> bytes;
  bytes.reserve(hex.size() / 2);
  for (std::size_t i = 0; i < hex.size(); i += 2) {
    bytes.push_back(static_cast<std::byte>(hex_digit(hex[i]) * 16 + hex_digit(hex[i + 1])));
  }
  return bytes;
}

std::string to_hex(std::span<const std::byte> bytes) {
  std::string hex;
  for (const std::byte b : bytes) hex += fmt::format("{:02x}", static_cast<unsigned>(b));
  return hex;
}

}  // namespace sluice::kafka::test
