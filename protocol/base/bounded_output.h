// The output of a decompressor: a vector that grows in steps that the input has earned, and never past its bound.
// Invariants: used() <= the vector's size <= its bound; what lies before used() is kept when it grows.
// Owned by one call of decompress(); internal to this folder.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "protocol/base/bytes.h"

namespace sluice {

class BoundedOutput {
 public:
  BoundedOutput(std::vector<std::byte>& out, std::size_t max_bytes) : out_(out), max_bytes_(max_bytes) {}

  /// A first size for `compressed_bytes` of input: its own claim where it makes one (0 = none), but never more than
  /// is plausible for so little input. grow() serves whoever needs more.
  void start(std::size_t compressed_bytes, std::size_t claim) {
    constexpr std::size_t kPlausibleRatio = 64;
    const std::size_t plausible =
        compressed_bytes > max_bytes_ / kPlausibleRatio ? max_bytes_ : kPlausibleRatio * compressed_bytes;
    const std::size_t usual = compressed_bytes > max_bytes_ / 4 ? max_bytes_ : 4 * compressed_bytes;
    resize(std::max(claim != 0 ? std::min(claim, plausible) : usual, std::size_t{4096}));
  }
  /// Makes the buffer four times as large, as far as the bound lets it. False when it is at the bound already.
  bool grow() {
    if (out_.size() >= max_bytes_) return false;
    resize(out_.size() > max_bytes_ / 4 ? max_bytes_ : std::max(4 * out_.size(), std::size_t{4096}));
    return true;
  }
  /// Makes room for `bytes` more, or for as many as the bound leaves.
  void make_room(std::size_t bytes) {
    if (room() >= bytes) return;
    const std::size_t doubled = out_.size() > max_bytes_ / 2 ? max_bytes_ : 2 * out_.size();
    resize(std::max(doubled, bytes > max_bytes_ - used_ ? max_bytes_ : used_ + bytes));
  }

  std::byte* end() { return out_.data() + used_; }
  std::size_t room() const { return out_.size() - used_; }
  std::size_t used() const { return used_; }
  std::size_t max_bytes() const { return max_bytes_; }
  void advance(std::size_t bytes) {
    CHECK(bytes <= room());
    used_ += bytes;
  }
  /// Cuts the vector to what was used.
  void finish() { out_.resize(used_); }

 private:
  void resize(std::size_t size) {
    size = std::min(size, max_bytes_);
    out_.reserve(size);  // exactly: resize() alone would round up, past the bound
    out_.resize(size);
  }

  std::vector<std::byte>& out_;
  std::size_t max_bytes_;
  std::size_t used_ = 0;
};

}  // namespace sluice
