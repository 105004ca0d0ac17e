// The reading archive. Strings and bytes decode to views into the frame, so a message lives no longer than the frame.
// Invariants: nothing is read past the end, and nothing is allocated that a length merely claims: an array's count is
// held against the bytes left divided by the smallest encoding of its element, and against a budget of elements for the
// whole message. After the first field that does not fit the reader has failed and every further read yields zeros.
// Unknown tagged fields are skipped. Bytes behind the last field are left alone, as Apache Kafka does.
// Owner: protocol/kafka.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "protocol/base/error.h"
#include "protocol/kafka/writer.h"

namespace sluice::kafka {

/// Bounds on what one message may make us allocate.
struct DecodeLimits {
  /// Array elements of all arrays together: a node's partitions, each in a topic of its own, and some. What a service
  /// makes of an element is up to a KiB.
  std::size_t max_elements = 50'000;
};

class Reader {
 public:
  /// `owner` keeps the frame alive in the `Records` that are read; without one they are views like the strings.
  Reader(ByteSpan bytes, std::int16_t version, bool flexible, DecodeLimits limits = {},
         std::shared_ptr<const void> owner = nullptr)
      : bytes_(bytes),
        end_(bytes.size()),
        elements_left_(limits.max_elements),
        owner_(std::move(owner)),
        version_(version),
        flexible_(flexible) {}

  std::int16_t version() const { return version_; }
  bool flexible() const { return flexible_; }
  bool failed() const { return failed_; }
  std::size_t position() const { return position_; }
  /// Why it failed and at which byte; only after `failed()`. Errc::malformed.
  Error error() const;

  /// One field, in the words of field.h; what an `io` function calls.
  template <class T, class... Options>
  void operator()(T& field, Options... options) {
    if constexpr (!kHasTag<Options...>) {
      const FieldSpec spec = field_spec(options...);
      if (failed_ || !spec.in(version_)) return;
      field_at_ = position_;
      if constexpr (kIsOptional<T>) {
        optional_value(field, spec.nullable_in(version_));
      } else {
        value(field);
      }
    }
  }

  /// A value on its own: a message, an element, a number, a string.
  template <class T>
  void value(T& v) {
    if constexpr (std::is_same_v<T, bool>) {
      v = number<std::int8_t>() != 0;
    } else if constexpr (std::integral<T>) {
      v = number<T>();
    } else if constexpr (std::is_enum_v<T>) {
      v = static_cast<T>(number<std::underlying_type_t<T>>());
    } else if constexpr (kIsStrongId<T>) {
      v = T(number<typename T::rep>());
    } else if constexpr (std::is_same_v<T, TopicId>) {
      const ByteSpan id = take(v.bytes.size());
      if (!id.empty()) std::memcpy(v.bytes.data(), id.data(), id.size());
    } else if constexpr (std::is_same_v<T, std::string_view> || std::is_same_v<T, std::string>) {
      if (const std::int64_t n = text_length(); present(n)) v = as_text(take(static_cast<std::size_t>(n)));
    } else if constexpr (std::is_same_v<T, ByteSpan>) {
      if (const std::int64_t n = length(); present(n)) v = take(static_cast<std::size_t>(n));
    } else if constexpr (std::is_same_v<T, Records>) {
      if (const std::int64_t n = length(); present(n)) records(v, static_cast<std::size_t>(n));
    } else if constexpr (kIsVector<T>) {
      if (const std::int64_t n = length(); present(n)) elements(v, static_cast<std::size_t>(n));
    } else if constexpr (kIsOptional<T>) {
      optional_value(v, true);
    } else {
      object(v);
    }
  }

  template <std::integral T>
  T number() {
    const ByteSpan at = take(sizeof(T));
    return at.empty() ? T{} : load_be<T>(at.data());
  }
  /// An unsigned varint of at most 32 bits.
  std::uint32_t varint();
  /// The next n bytes; empty and failed when there are fewer.
  ByteSpan take(std::size_t n) {
    if (n > end_ - position_) {
      fail_short(n);
      return {};
    }
    const ByteSpan bytes = bytes_.subspan(position_, n);
    position_ += n;
    return bytes;
  }

 private:
  /// Reads the one tagged field of a struct that has the number asked for, and passes over all others.
  class TagReader {
   public:
    TagReader(Reader& from, std::uint32_t number) : from_(from), number_(number) {}
    template <class T, class... Options>
    void operator()(T& field, Options... options) {
      if constexpr (kHasTag<Options...>) {
        const FieldSpec spec = field_spec(options...);
        if (spec.tag != number_ || !spec.in(from_.version_)) return;
        known = true;
        from_.value(field);
      }
    }
    bool known = false;

   private:
    Reader& from_;
    std::uint32_t number_;
  };

  template <class T>
  void object(T& message) {
    message.io(*this);
    if (!flexible_ || failed_) return;
    for (std::uint32_t left = varint(); left > 0 && !failed_; --left) tagged_field(message);
  }
  template <class T>
  void tagged_field(T& message) {
    field_at_ = position_;
    const std::uint32_t tag = varint();
    const std::uint32_t size = varint();
    if (size > end_ - position_) fail_short(size);
    if (failed_) return;
    const std::size_t outer_end = end_;
    const std::size_t field_end = position_ + size;
    end_ = field_end;
    TagReader reader(*this, tag);
    message.io(reader);
    if (failed_) return;
    if (reader.known && position_ != field_end) fail("a tagged field is longer than its value");
    if (failed_) return;
    position_ = field_end;
    end_ = outer_end;
  }

  template <class T>
  void optional_value(std::optional<T>& v, bool may_be_null) {
    v.reset();
    constexpr bool is_text = std::is_same_v<T, std::string> || std::is_same_v<T, std::string_view>;
    const std::int64_t n = is_text ? text_length() : length();
    if (n < 0 && may_be_null) return;
    if (!present(n)) return;
    const auto size = static_cast<std::size_t>(n);
    T& inner = v.emplace();
    if constexpr (kIsVector<T>) {
      elements(inner, size);
    } else if constexpr (std::is_same_v<T, Records>) {
      records(inner, size);
    } else if constexpr (is_text) {
      inner = as_text(take(size));
    } else {
      static_assert(std::is_same_v<T, ByteSpan>, "what else can be null gets a case here");
      inner = take(size);
    }
  }

  template <class T>
  void elements(std::vector<T>& v, std::size_t count) {
    v.clear();
    CountingSink least;
    Sizer(least, version_, flexible_).value(T{});
    if (!array_fits(count, least.total())) return;
    v.reserve(count);
    for (std::size_t i = 0; i < count && !failed_; ++i) value(v.emplace_back());
  }
  void records(Records& v, std::size_t size) {
    const ByteSpan bytes = take(size);
    v.pieces.clear();
    if (!bytes.empty()) v.pieces.emplace_back(owner_, bytes, bytes_.size());
  }

  /// -1 stands for null; anything below has failed.
  std::int64_t text_length();
  std::int64_t length();
  /// Whether a length stands for a value; null where there is none fails.
  bool present(std::int64_t n) {
    if (n < 0 && !failed_) fail("null where a value is needed");
    return n >= 0 && !failed_;
  }
  bool array_fits(std::size_t count, std::size_t least_element_size);
  void fail(std::string reason);
  void fail_short(std::size_t wanted);

  ByteSpan bytes_;
  std::size_t position_ = 0;
  std::size_t end_;  ///< of the message, or of the tagged field being read
  std::size_t field_at_ = 0;
  std::size_t elements_left_;
  std::shared_ptr<const void> owner_;
  std::string reason_;
  std::int16_t version_;
  bool flexible_;
  bool failed_ = false;
};

}  // namespace sluice::kafka
