// One frame of every kind with every field set, built with our code: the same ones that foreign/generate.py builds with
// foreign code.
#pragma once

#include <google/protobuf/message_lite.h>

#include <memory>
#include <vector>

#include "protocol/native/frame.h"

namespace sluice::native {

struct Sample {
  FrameKind kind{};
  std::uint32_t id = 0;
  std::unique_ptr<google::protobuf::MessageLite> header;
  std::vector<SharedBytes> payload;

  std::vector<SharedBytes> encoded() const { return encode_frame(kind, id, *header, payload); }
};
std::vector<Sample> samples();

}  // namespace sluice::native
