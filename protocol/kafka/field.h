// The words in which a message describes its fields to an archive (reader, writer or sizer):
//
//   template <class A> void io(A& a) {
//     a(throttle_time_ms, since(1));
//     a(topics, nullable_since(1));              // std::optional<std::vector<Topic>>
//     a(error_message, since(5), nullable);      // std::optional<std::string>
//     a(current_leader, tagged<0>, since(12));   // written only when it differs from its default
//   }
//
// Ordinary fields stand in wire order; tagged fields may stand anywhere, their tags ascending. An archive knows
// version and flexible flag, so classic and compact lengths and the tagged section are handled there, once.
// Invariants: a field that a version does not have is neither read (it keeps its default) nor written. Messages never
// contain themselves, so the recursion of an archive is as deep as the types are nested.
// Owner: protocol/kafka.
#pragma once

#include <concepts>
#include <cstdint>
#include <limits>
#include <optional>
#include <type_traits>
#include <vector>

#include "protocol/base/bytes.h"
#include "protocol/base/ids.h"

namespace sluice::kafka {

/// The first version that has the field.
struct Since {
  int version;
};
constexpr Since since(int version) { return {version}; }

/// The last version that has the field.
struct Until {
  int version;
};
constexpr Until until(int version) { return {version}; }

/// From which version on the field may be null. Below it null is an error to read, and written as an empty value.
struct NullableSince {
  int version;
};
constexpr NullableSince nullable_since(int version) { return {version}; }
inline constexpr NullableSince nullable{0};

/// The field lives in the tagged section of flexible versions.
template <std::uint32_t Number>
struct Tagged {};
template <std::uint32_t Number>
inline constexpr Tagged<Number> tagged{};

/// A tagged field's default, when it is not what `T{}` gives.
struct OmitIf {
  std::int64_t value;
};
constexpr OmitIf omit_if(std::int64_t value) { return {value}; }

/// What the options of one field add up to.
struct FieldSpec {
  int first = 0;
  int last = std::numeric_limits<std::int16_t>::max();
  int first_nullable = std::numeric_limits<int>::max();
  std::uint32_t tag = 0;
  std::optional<std::int64_t> omitted_value;

  constexpr bool in(std::int16_t version) const { return version >= first && version <= last; }
  constexpr bool nullable_in(std::int16_t version) const { return version >= first_nullable; }

  constexpr void apply(Since o) { first = o.version; }
  constexpr void apply(Until o) { last = o.version; }
  constexpr void apply(NullableSince o) { first_nullable = o.version; }
  constexpr void apply(OmitIf o) { omitted_value = o.value; }
  template <std::uint32_t Number>
  constexpr void apply(Tagged<Number>) {
    tag = Number;
  }
};
template <class... Options>
constexpr FieldSpec field_spec(Options... options) {
  FieldSpec spec;
  (spec.apply(options), ...);
  return spec;
}

template <class Option>
inline constexpr bool kIsTag = false;
template <std::uint32_t Number>
inline constexpr bool kIsTag<Tagged<Number>> = true;
/// Whether a field with these options lives in the tagged section.
template <class... Options>
inline constexpr bool kHasTag = (kIsTag<Options> || ...);

/// Whether a tagged field is left out because it holds its default.
template <class T>
bool holds_default(const T& field, const FieldSpec& spec) {
  if constexpr (std::integral<T>) {
    return field == static_cast<T>(spec.omitted_value.value_or(0));
  } else {
    return field == T{};
  }
}

/// A field of records that is written as a gather list: the pieces go out as they are, nothing is copied. Read back, it
/// is one piece, a slice of the frame.
struct Records {
  std::vector<SharedBytes> pieces;

  std::size_t size_bytes() const {
    std::size_t size = 0;
    for (const SharedBytes& piece : pieces) size += piece.size();
    return size;
  }
};

template <class T>
inline constexpr bool kIsStrongId = false;
template <class Tag, class Rep>
inline constexpr bool kIsStrongId<StrongId<Tag, Rep>> = true;
template <class T>
inline constexpr bool kIsVector = false;
template <class T>
inline constexpr bool kIsVector<std::vector<T>> = true;
template <class T>
inline constexpr bool kIsOptional = false;
template <class T>
inline constexpr bool kIsOptional<std::optional<T>> = true;

/// Longest string of the protocol, in bytes: its classic length is an int16.
inline constexpr std::size_t kMaxStringBytes = 32767;

}  // namespace sluice::kafka
