// The buffer behind Writer and how it becomes a gather list.
#include "protocol/kafka/writer.h"

namespace sluice::kafka {

FillingSink::FillingSink(std::size_t size) : buffer_(std::make_shared_for_overwrite<std::byte[]>(size)), size_(size) {}

void CountingSink::tells(ErrorCode code) {
  for (auto& [known, count] : errors_)
    if (known == code) {
      ++count;
      return;
    }
  errors_.emplace_back(code, 1U);
}

EncodedFrame FillingSink::finish() {
  CHECK(position_ == size_, "the writer writes what the sizer counted");
  const SharedBytes whole(buffer_, ByteSpan(buffer_.get(), size_), size_);
  EncodedFrame frame;
  std::size_t done = 0;
  const auto add_copied_until = [&](std::size_t end) {
    if (end > done) frame.pieces.push_back(whole.slice(done, end - done));
    done = end;
  };
  frame.size_bytes = size_;
  for (const Cut& cut : cuts_) {
    if (cut.records->pieces.empty()) continue;
    add_copied_until(cut.position);
    for (const SharedBytes& piece : cut.records->pieces) {
      if (piece.empty()) continue;
      frame.pieces.push_back(piece);
      frame.size_bytes += piece.size();
    }
  }
  add_copied_until(size_);
  return frame;
}

}  // namespace sluice::kafka
