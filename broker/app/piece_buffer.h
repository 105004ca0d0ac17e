// A stream buffer whose text becomes pieces of a bounded size, so that a text of any length makes no large allocation.
// Owner: one call that renders.
#pragma once

#include <cstddef>
#include <streambuf>
#include <utility>
#include <vector>

#include "protocol/base/bytes.h"

namespace sluice::broker {

class PieceBuffer final : public std::streambuf {
 public:
  explicit PieceBuffer(std::size_t piece_bytes) : piece_bytes_(piece_bytes) {}

  /// Everything written, in order.
  std::vector<SharedBytes> take() {
    cut();
    return std::exchange(pieces_, {});
  }

 protected:
  int_type overflow(int_type c) override {
    cut();
    current_.resize(piece_bytes_);
    auto* const begin = reinterpret_cast<char*>(current_.data());
    setp(begin, begin + current_.size());
    return traits_type::eq_int_type(c, traits_type::eof()) ? traits_type::not_eof(c)
                                                           : sputc(traits_type::to_char_type(c));
  }

 private:
  void cut() {
    const auto used = static_cast<std::size_t>(pptr() - pbase());
    setp(nullptr, nullptr);
    if (used == 0) return;
    current_.resize(used);
    if (used < piece_bytes_ / 2) current_.shrink_to_fit();
    pieces_.push_back(SharedBytes::take(std::exchange(current_, {})));
  }

  const std::size_t piece_bytes_;
  std::vector<std::byte> current_;
  std::vector<SharedBytes> pieces_;
};

}  // namespace sluice::broker
