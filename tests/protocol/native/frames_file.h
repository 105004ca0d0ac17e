// Frames as text: vectors.txt and the transcripts that docs/protocol.md quotes. The format stands in
// foreign/generate.py.
#pragma once

#include <string>
#include <vector>

#include "protocol/native/frame.h"

namespace sluice::native {

struct TextFrame {
  std::string who;  ///< the client whose connection it is
  bool from_client = true;
  std::string kind;  ///< its name
  std::uint32_t id = 0;
  std::vector<std::byte> prefix, header, payload;

  std::vector<std::byte> bytes() const;
  /// As a reader gives it.
  Frame parsed() const;
};

/// The text of a file of tests/protocol/native, or of the project with `path` from its root.
std::string read_text(const std::string& path_from_root);
std::vector<TextFrame> parse_frames(const std::string& text);
/// One frame of every kind, made by foreign code.
const std::vector<TextFrame>& foreign_vectors();
/// Names of the transcripts' files.
const std::vector<std::string>& transcript_files();

}  // namespace sluice::native
