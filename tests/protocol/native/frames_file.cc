// See frames_file.h.
#include "tests/protocol/native/frames_file.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "tests/protocol/base/hex.h"

namespace sluice::native {
namespace {

constexpr const char* kFolder = "tests/protocol/native/";

void append(std::vector<std::byte>& to, const std::vector<std::byte>& bytes) {
  to.insert(to.end(), bytes.begin(), bytes.end());
}

/// `WHO -> KIND id N`.
TextFrame begin_frame(const std::string& line) {
  TextFrame frame;
  std::string arrow, word;
  std::istringstream words(line);
  words >> frame.who >> arrow >> frame.kind >> word >> frame.id;
  EXPECT_TRUE(words && word == "id" && (arrow == "->" || arrow == "<-")) << line;
  frame.from_client = arrow == "->";
  return frame;
}

}  // namespace

std::vector<std::byte> TextFrame::bytes() const {
  std::vector<std::byte> all = prefix;
  append(all, header);
  append(all, payload);
  return all;
}

Frame TextFrame::parsed() const {
  FrameReader frames;
  frames.feed(bytes());
  auto frame = frames.next();
  EXPECT_TRUE(frame && *frame) << kind << ": it is a whole frame";
  EXPECT_EQ(frames.pending(), 0U) << kind;
  Result<Frame> parsed = parse_frame(std::move(**frame));
  EXPECT_TRUE(parsed) << kind;
  return std::move(*parsed);
}

std::string read_text(const std::string& path_from_root) {
  std::ifstream file(std::string(SLUICE_SOURCE_DIR) + "/" + path_from_root);
  EXPECT_TRUE(file) << path_from_root;
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::vector<TextFrame> parse_frames(const std::string& text) {
  std::vector<TextFrame> frames;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.empty() || line[0] == '#') continue;
    if (line[0] != ' ') {
      frames.push_back(begin_frame(line));
      continue;
    }
    std::istringstream words(line);
    std::string name, digits;
    words >> name >> digits;
    const bool is_bytes = line[2] != ' ';
    if (!is_bytes) continue;  // fields, for people
    TextFrame& frame = frames.at(frames.size() - 1);
    if (name == "prefix") append(frame.prefix, from_hex(digits));
    if (name == "header") append(frame.header, from_hex(digits));
    if (name == "payload") append(frame.payload, from_hex(digits));
  }
  return frames;
}

const std::vector<TextFrame>& foreign_vectors() {
  static const std::vector<TextFrame> vectors = parse_frames(read_text(std::string(kFolder) + "foreign/vectors.txt"));
  return vectors;
}

const std::vector<std::string>& transcript_files() {
  static const std::vector<std::string> files = {
      std::string(kFolder) + "transcripts/handshake.txt", std::string(kFolder) + "transcripts/publish.txt",
      std::string(kFolder) + "transcripts/subscribe.txt", std::string(kFolder) + "transcripts/request.txt"};
  return files;
}

}  // namespace sluice::native
