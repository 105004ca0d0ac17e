// The writing archives: Sizer counts what Writer will write. Both are one template, so they cannot disagree.
// All bytes but `Records` go into one buffer of exactly the counted size; the finished frame is a gather list of
// slices of that buffer with the record pieces between them.
// Invariants: a message is not changed while it is sized and written. Strings longer than the protocol can say are cut
// (only error texts can grow so long); null where a version has no null is written as an empty value.
// Owner: protocol/kafka.
#pragma once

#include <cstring>
#include <memory>
#include <string>
#include <string_view>

#include "protocol/base/check.h"
#include "protocol/kafka/error_codes.h"
#include "protocol/kafka/field.h"

namespace sluice::kafka {

/// Error codes but `none`, each with how often it stands in a message. Nearly always empty.
using ErrorCounts = std::vector<std::pair<ErrorCode, std::uint32_t>>;

/// What is handed to the socket, in order. `size_bytes` is the sum of the pieces.
struct EncodedFrame {
  std::vector<SharedBytes> pieces;
  std::size_t size_bytes = 0;
  ErrorCounts errors;  ///< that stand in the message
};

/// Counts bytes: `copied` go into the header buffer, `shared` stay in record pieces.
class CountingSink {
 public:
  std::byte* room(std::size_t) { return nullptr; }
  void counted(std::size_t n) { copied_ += n; }
  void share(const Records& records) { shared_ += records.size_bytes(); }
  void tells(ErrorCode code);

  std::size_t copied() const { return copied_; }
  std::size_t total() const { return copied_ + shared_; }
  ErrorCounts take_errors() { return std::move(errors_); }

 private:
  std::size_t copied_ = 0;
  std::size_t shared_ = 0;
  ErrorCounts errors_;
};

/// Fills a buffer of a known size and remembers where record pieces go between.
class FillingSink {
 public:
  explicit FillingSink(std::size_t size);
  std::byte* room(std::size_t n) {
    CHECK(n <= size_ - position_, "the writer writes what the sizer counted");
    return buffer_.get() + position_;
  }
  void counted(std::size_t n) { position_ += n; }
  void share(const Records& records) { cuts_.push_back({position_, &records}); }
  void tells(ErrorCode) {}
  /// The gather list; the buffer must be full.
  EncodedFrame finish();

 private:
  struct Cut {
    std::size_t position;
    const Records* records;
  };
  std::shared_ptr<std::byte[]> buffer_;
  std::size_t size_;
  std::size_t position_ = 0;
  std::vector<Cut> cuts_;
};

template <class Sink>
class Emitter {
 public:
  Emitter(Sink& sink, std::int16_t version, bool flexible) : sink_(sink), version_(version), flexible_(flexible) {}

  std::int16_t version() const { return version_; }
  bool flexible() const { return flexible_; }

  /// One field, in the words of field.h; what an `io` function calls.
  template <class T, class... Options>
  void operator()(const T& field, Options... options) {
    if constexpr (!kHasTag<Options...>) {
      constexpr bool can_be_null = kIsOptional<T>;
      const FieldSpec spec = field_spec(options...);
      if (!spec.in(version_)) return;
      if constexpr (can_be_null) {
        optional_value(field, spec.nullable_in(version_));
      } else {
        value(field);
      }
    }
  }

  /// A value on its own: a message, an element, a number, a string.
  template <class T>
  void value(const T& v) {
    if constexpr (std::is_same_v<T, bool>) {
      number(static_cast<std::int8_t>(v));
    } else if constexpr (std::integral<T>) {
      number(v);
    } else if constexpr (std::is_enum_v<T>) {
      if constexpr (std::is_same_v<T, ErrorCode>) {
        if (v != ErrorCode::none) sink_.tells(v);
      }
      number(static_cast<std::underlying_type_t<T>>(v));
    } else if constexpr (kIsStrongId<T>) {
      number(v.value);
    } else if constexpr (std::is_same_v<T, TopicId>) {
      raw({reinterpret_cast<const std::byte*>(v.bytes.data()), v.bytes.size()});
    } else if constexpr (std::is_convertible_v<const T&, std::string_view>) {
      text(v);
    } else if constexpr (std::is_same_v<T, ByteSpan>) {
      length(v.size());
      raw(v);
    } else if constexpr (std::is_same_v<T, Records>) {
      length(v.size_bytes());
      sink_.share(v);
    } else if constexpr (kIsVector<T>) {
      length(v.size());
      for (const auto& element : v) value(element);
    } else if constexpr (kIsOptional<T>) {
      optional_value(v, true);
    } else {
      object(v);
    }
  }

  template <std::integral T>
  void number(T v) {
    if (std::byte* to = sink_.room(sizeof v)) store_be(to, v);
    sink_.counted(sizeof v);
  }
  void varint(std::uint64_t v) {
    for (; v >= 0x80; v >>= 7) number(static_cast<std::uint8_t>(v | 0x80));
    number(static_cast<std::uint8_t>(v));
  }
  void raw(ByteSpan bytes) {
    if (std::byte* to = sink_.room(bytes.size()); to && !bytes.empty()) std::memcpy(to, bytes.data(), bytes.size());
    sink_.counted(bytes.size());
  }

 private:
  /// Visits the tagged fields of one struct: first to count those present, then to write them.
  class TagCounter {
   public:
    explicit TagCounter(std::int16_t version) : version_(version) {}
    template <class T, class... Options>
    void operator()(const T& field, Options... options) {
      if constexpr (kHasTag<Options...>) {
        const FieldSpec spec = field_spec(options...);
        if (spec.in(version_) && !holds_default(field, spec)) ++count;
      }
    }
    std::uint32_t count = 0;

   private:
    std::int16_t version_;
  };
  class TagWriter {
   public:
    explicit TagWriter(Emitter& to) : to_(to) {}
    template <class T, class... Options>
    void operator()(const T& field, Options... options) {
      if constexpr (kHasTag<Options...>) {
        const FieldSpec spec = field_spec(options...);
        if (!spec.in(to_.version_) || holds_default(field, spec)) return;
        CHECK(spec.tag >= next_, "tags ascend");
        next_ = spec.tag + 1;
        CountingSink size;
        Emitter<CountingSink>(size, to_.version_, true).value(field);
        to_.varint(spec.tag);
        to_.varint(size.total());
        to_.value(field);
      }
    }

   private:
    Emitter& to_;
    std::uint32_t next_ = 0;
  };

  template <class T>
  void object(const T& message) {
    // One symmetric function serves readers too and so is not const; an emitter takes every field by const reference.
    T& fields = const_cast<T&>(message);
    fields.io(*this);
    if (!flexible_) return;
    TagCounter tags(version_);
    fields.io(tags);
    varint(tags.count);
    if (tags.count > 0) {
      TagWriter writer(*this);
      fields.io(writer);
    }
  }
  template <class T>
  void optional_value(const std::optional<T>& v, bool may_be_null) {
    if (v) {
      value(*v);
    } else if (may_be_null) {
      null<T>();
    } else {
      value(T{});
    }
  }
  template <class T>
  void null() {
    constexpr bool is_text = std::is_convertible_v<const T&, std::string_view>;
    if (flexible_) {
      varint(0);
    } else if constexpr (is_text) {
      number(std::int16_t{-1});
    } else {
      number(std::int32_t{-1});
    }
  }
  void text(std::string_view v) {
    v = v.substr(0, kMaxStringBytes);
    if (flexible_) {
      varint(v.size() + 1);
    } else {
      number(static_cast<std::int16_t>(v.size()));
    }
    raw(as_bytes(v));
  }
  /// Of an array, of bytes, of records.
  void length(std::size_t n) {
    CHECK(n < std::numeric_limits<std::int32_t>::max(), "responses are bounded far below 2 GiB");
    if (flexible_) {
      varint(n + 1);
    } else {
      number(static_cast<std::int32_t>(n));
    }
  }

  Sink& sink_;
  std::int16_t version_;
  bool flexible_;
};

using Sizer = Emitter<CountingSink>;
using Writer = Emitter<FillingSink>;

}  // namespace sluice::kafka
