// For tests: the members of a plain struct with their names, seen from outside. It reads the declaration and not the
// struct's `io` function, so it can hold what `io` did against values known by name.
// Owner: tests/protocol/kafka.
#pragma once

#include <algorithm>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

namespace sluice::kafka::test {

namespace detail {

struct Anything {
  template <class T>
  operator T() const;
};
template <class T, std::size_t... I>
constexpr bool makes(std::index_sequence<I...>) {
  return requires { T{(static_cast<void>(I), Anything{})...}; };
}
/// How many members the aggregate T has: the most initialisers that it takes.
template <class T, std::size_t N = 14>
constexpr std::size_t member_count() {
  if constexpr (N == 0 || makes<T>(std::make_index_sequence<N>{})) {
    return N;
  } else {
    return member_count<T, N - 1>();
  }
}

template <std::size_t N, class T>
constexpr auto tie_members(T& v) {
  static_assert(N >= 1 && N <= 14);
  // clang-format off
  if constexpr (N == 1) { auto& [a] = v; return std::tie(a); }
  else if constexpr (N == 2) { auto& [a, b] = v; return std::tie(a, b); }
  else if constexpr (N == 3) { auto& [a, b, c] = v; return std::tie(a, b, c); }
  else if constexpr (N == 4) { auto& [a, b, c, d] = v; return std::tie(a, b, c, d); }
  else if constexpr (N == 5) { auto& [a, b, c, d, e] = v; return std::tie(a, b, c, d, e); }
  else if constexpr (N == 6) { auto& [a, b, c, d, e, f] = v; return std::tie(a, b, c, d, e, f); }
  else if constexpr (N == 7) { auto& [a, b, c, d, e, f, g] = v; return std::tie(a, b, c, d, e, f, g); }
  else if constexpr (N == 8) { auto& [a, b, c, d, e, f, g, h] = v; return std::tie(a, b, c, d, e, f, g, h); }
  else if constexpr (N == 9) { auto& [a, b, c, d, e, f, g, h, i] = v; return std::tie(a, b, c, d, e, f, g, h, i); }
  else if constexpr (N == 10) { auto& [a, b, c, d, e, f, g, h, i, j] = v; return std::tie(a, b, c, d, e, f, g, h, i, j); }
  else if constexpr (N == 11) { auto& [a, b, c, d, e, f, g, h, i, j, k] = v; return std::tie(a, b, c, d, e, f, g, h, i, j, k); }
  else if constexpr (N == 12) { auto& [a, b, c, d, e, f, g, h, i, j, k, l] = v; return std::tie(a, b, c, d, e, f, g, h, i, j, k, l); }
  else if constexpr (N == 13) { auto& [a, b, c, d, e, f, g, h, i, j, k, l, m] = v; return std::tie(a, b, c, d, e, f, g, h, i, j, k, l, m); }
  else { auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n] = v; return std::tie(a, b, c, d, e, f, g, h, i, j, k, l, m, n); }
  // clang-format on
}

template <class T>
struct Holder {
  T value;
};
#ifdef __clang__
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wundefined-var-template"
#pragma clang diagnostic ignored "-Wundefined-internal"
#endif
/// Declared for the names of its members alone, and never defined.
template <class T>
extern const Holder<T> kNamed;

template <class T>
struct Pointer {
  const T* pointer;
};
template <class T>
Pointer(const T*) -> Pointer<T>;

/// The compiler writes `... = Pointer<...>{&kNamed<...>.value.NAME}` here.
template <auto Member>
consteval std::string_view member_name() {
  std::string_view text = __PRETTY_FUNCTION__;
  std::size_t end = std::min(text.size(), text.find("; std::string_view"));  // which g++ puts behind it
  const auto is_name = [&](char c) {
    return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  };
  while (end > 0 && !is_name(text[end - 1])) --end;
  std::size_t begin = end;
  while (begin > 0 && is_name(text[begin - 1])) --begin;
  return text.substr(begin, end - begin);
}

template <class T, std::size_t I>
consteval std::string_view name_of() {
  return member_name<Pointer{&std::get<I>(tie_members<member_count<T>()>(kNamed<T>.value))}>();
}
#ifdef __clang__
#pragma clang diagnostic pop
#endif

}  // namespace detail

/// Calls `visit(name, member)` for each member of `v`, which may be const, in the order of their declaration.
template <class T, class Visit>
void for_each_member(T& v, Visit&& visit) {
  using Plain = std::remove_const_t<T>;
  constexpr std::size_t kCount = detail::member_count<Plain>();
  const auto members = detail::tie_members<kCount>(v);
  [&]<std::size_t... I>(std::index_sequence<I...>) {
    (visit(detail::name_of<Plain, I>(), std::get<I>(members)), ...);
  }(std::make_index_sequence<kCount>{});
}

}  // namespace sluice::kafka::test
