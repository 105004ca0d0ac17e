// Conditional writes, limits, and the stored form of tables.
#include "broker/core/table_state.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <map>

#include "broker/core/table_state.pb.h"
#include "protocol/base/random.h"
#include "tests/broker/core/samples.h"

namespace sluice::broker {
namespace {

TableWrite put(std::string key, std::string value, std::optional<std::uint64_t> expected = std::nullopt) {
  return {std::move(key), std::move(value), expected};
}
TableWrite drop(std::string key, std::optional<std::uint64_t> expected = std::nullopt) {
  return {std::move(key), std::nullopt, expected};
}

/// `ok 3` or the error's name.
std::string write(TableState& table, std::vector<TableWrite> writes) {
  const auto result = table.apply({"tab", std::move(writes)});
  return result ? "ok " + std::to_string(*result) : std::string(errc_name(result.error().code));
}
/// `a=one@1 b=@2`.
std::string text(const TableState& table) {
  std::string all;
  for (const auto& [key, row] : table.rows()) {
    all += (all.empty() ? "" : " ") + key + "=" + row.value + "@" + std::to_string(row.revision);
  }
  return all;
}

TEST(TableState, WritesGetOneRevisionEach) {
  TableState table("tab");
  EXPECT_EQ(write(table, {put("a", "1"), put("b", "2")}), "ok 1");
  EXPECT_EQ(write(table, {put("a", "3"), drop("b"), put("c", "")}), "ok 2");
  EXPECT_EQ(text(table), "a=3@2 c=@2");
  EXPECT_EQ(table.bytes(), 3U);
  EXPECT_EQ(table.revision(), 2U);
  EXPECT_EQ(write(table, {drop("nothing")}), "ok 3");
  EXPECT_EQ(table.find("a")->value, "3");
  EXPECT_EQ(table.find("b"), nullptr);
}

TEST(TableState, AllOrNothing) {
  TableState table("tab");
  ASSERT_EQ(write(table, {put("a", "1", 0)}), "ok 1");
  EXPECT_EQ(write(table, {put("b", "2"), put("a", "2", 0)}), "busy") << "it exists";
  EXPECT_EQ(write(table, {put("b", "2", 1)}), "busy") << "it does not exist";
  EXPECT_EQ(write(table, {drop("a", 2)}), "busy");
  EXPECT_EQ(text(table), "a=1@1");
  EXPECT_EQ(table.revision(), 1U) << "what fails takes no revision";
  EXPECT_EQ(write(table, {put("a", "2", 1), put("b", "2", 0)}), "ok 2");
  EXPECT_EQ(write(table, {drop("a", 2)}), "ok 3");
  EXPECT_EQ(write(table, {put("a", "again", 0)}), "ok 4");

  const auto refused = table.apply({"tab", {put("b", "3", 1)}});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message, "row 'b' of table tab has revision 2, not 1: read it again");
}

TEST(TableState, RefusesWritesWithoutOneMeaning) {
  TableState table("tab");
  EXPECT_EQ(write(table, {}), "invalid_argument");
  EXPECT_EQ(write(table, {put("a", "1"), put("b", "1"), drop("a")}), "invalid_argument");
  EXPECT_EQ(table.revision(), 0U);
}

TEST(TableState, Limits) {
  TableState table("tab", {.max_rows = 2, .max_bytes = 20, .max_row_bytes = 12});
  EXPECT_EQ(write(table, {put("a", std::string(12, 'x'))}), "too_large");
  EXPECT_EQ(write(table, {put("a", std::string(11, 'x'))}), "ok 1");
  EXPECT_EQ(write(table, {put("b", std::string(8, 'x'))}), "limit_reached") << "21 bytes";
  EXPECT_EQ(write(table, {put("b", std::string(7, 'x'))}), "ok 2");
  EXPECT_EQ(write(table, {put("c", "")}), "limit_reached");
  EXPECT_EQ(write(table, {put("c", ""), drop("b")}), "ok 3") << "what counts is what is left";
  EXPECT_EQ(table.bytes(), 13U);
}

TEST(TableState, GoldenBytes) {
  TableState table("tab");
  ASSERT_EQ(write(table, {put("a", "one")}), "ok 1");
  ASSERT_EQ(write(table, {put("b", "")}), "ok 2");
  const auto chunks = table.encode(1000);
  ASSERT_EQ(chunks.size(), 1U);
  EXPECT_EQ(hex(chunks[0]),
            "0b0000000801120374616218022002"
            "0a0000000a016112036f6e651801"
            "050000000a01621802");
}

TEST(TableState, ChunksHoldWholeRowsAndComeBack) {
  TableState table("tab");
  for (int i = 0; i < 200; ++i) {
    ASSERT_TRUE(table.apply({"tab", {put("key" + std::to_string(i), std::string(static_cast<std::size_t>(i), 'v'))}}));
  }
  for (const std::size_t chunk_bytes : {0U, 1U, 100U, 150U, 4096U, 1'000'000U}) {
    const auto chunks = table.encode(chunk_bytes);
    for (const std::string& chunk : chunks) EXPECT_LE(chunk.size(), std::max<std::size_t>(chunk_bytes, 220));
    const auto back = TableState::decode(chunks);
    ASSERT_TRUE(back.has_value()) << back.error().message;
    EXPECT_EQ(back->name(), "tab");
    EXPECT_EQ(back->revision(), table.revision());
    EXPECT_EQ(back->bytes(), table.bytes());
    EXPECT_EQ(text(*back), text(table));
  }
  EXPECT_EQ(table.encode(1'000'000).size(), 1U);
  const auto empty = TableState::decode(TableState("tab").encode(10));
  ASSERT_TRUE(empty);
  EXPECT_EQ(empty->rows().size(), 0U);
}

std::optional<Errc> decode_error(const std::vector<std::string>& chunks, TableLimits limits = {}) {
  const auto table = TableState::decode(chunks, limits);
  return table ? std::optional<Errc>() : table.error().code;
}

TEST(TableState, RefusesDamagedChunks) {
  TableState table("tab");
  for (const char* key : {"a", "b", "c"}) ASSERT_TRUE(table.apply({"tab", {put(key, "value")}}));
  const auto chunks = table.encode(1);
  ASSERT_EQ(chunks.size(), 4U) << "a message each";
  const auto& [head, a, b, c] = std::tie(chunks[0], chunks[1], chunks[2], chunks[3]);
  EXPECT_EQ(decode_error({head + a, "", b + c}), std::nullopt);
  EXPECT_EQ(decode_error({}), Errc::malformed);
  EXPECT_EQ(decode_error({a, b, c}), Errc::malformed) << "no header";
  EXPECT_EQ(decode_error({head, a, b}), Errc::malformed) << "a row is missing";
  EXPECT_EQ(decode_error({head, a, c, b}), Errc::malformed);
  EXPECT_EQ(decode_error({head, a, b, b}), Errc::malformed);
  EXPECT_EQ(decode_error({head, a, b, c + "x"}), Errc::malformed);
  EXPECT_EQ(decode_error({head, a, b, c, c}), Errc::malformed);
  EXPECT_EQ(decode_error(chunks, {.max_rows = 2}), Errc::limit_reached);
  EXPECT_EQ(decode_error(chunks, {.max_bytes = 17}), Errc::limit_reached);
  EXPECT_EQ(decode_error(chunks, {.max_bytes = 18}), std::nullopt);
  EXPECT_EQ(decode_error(chunks, {.max_row_bytes = 5}), Errc::limit_reached);

  const std::string whole = table.encode(1000)[0];
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_NE(decode_error({std::string(whole.data(), size)}), std::nullopt) << size;
  }
  SeededRandom random(3);
  for (int round = 0; round < 5000; ++round) {
    std::string damaged = whole;
    damaged[random.below(damaged.size())] ^= static_cast<char>(1 << random.below(8));
    if (const auto read = TableState::decode({damaged})) ASSERT_TRUE(TableState::decode(read->encode(50)));
  }
  std::string newer = head;
  newer[5] = 2;
  EXPECT_EQ(decode_error({newer, a, b, c}), Errc::unsupported);
}

TEST(TableState, RandomWritesAgreeWithAModel) {
  EXPECT_TRUE(rc::check("TableState is a map with revisions", [] {
    struct Row {
      std::string value;
      std::uint64_t revision;
    };
    TableState table("tab", {.max_rows = 4, .max_bytes = 30, .max_row_bytes = 9});
    std::map<std::string, Row> model;
    std::uint64_t revision = 0;
    const int commands = *rc::gen::inRange(1, 60);
    for (int i = 0; i < commands; ++i) {
      WriteTableCommand command{"tab", {}};
      auto after = model;
      bool holds = true;
      std::set<std::string> named;
      const int writes = *rc::gen::inRange(1, 4);
      for (int k = 0; k < writes; ++k) {
        TableWrite one;
        one.key = std::string(1, *rc::gen::inRange('a', 'g'));
        holds = holds && named.insert(one.key).second;
        const std::uint64_t now = model.contains(one.key) ? model[one.key].revision : 0;
        if (*rc::gen::inRange(0, 3) == 0) one.expected_revision = *rc::gen::element(now, now, revision);
        holds = holds && (!one.expected_revision || *one.expected_revision == now);
        after.erase(one.key);
        if (*rc::gen::inRange(0, 4) != 0) {
          one.value = std::string(static_cast<std::size_t>(*rc::gen::inRange(0, 10)), 'v');
          holds = holds && one.value->size() + 1 <= 9;
          after[one.key] = {*one.value, revision + 1};
        }
        command.writes.push_back(std::move(one));
      }
      const auto size = [](const auto& rows) {
        std::size_t bytes = 0;
        for (const auto& [key, row] : rows) bytes += key.size() + row.value.size();
        return bytes;
      };
      holds = holds && after.size() <= 4 && size(after) <= 30;
      const auto result = table.apply(command);
      RC_ASSERT(result.has_value() == holds);
      if (holds) {
        model = after;
        RC_ASSERT(*result == ++revision);
      }
      RC_ASSERT(table.revision() == revision);
      RC_ASSERT(table.bytes() == size(model));
      RC_ASSERT(table.rows().size() == model.size());
      for (const auto& [key, row] : model) {
        RC_ASSERT(table.find(key) != nullptr);
        RC_ASSERT(table.find(key)->value == row.value);
        RC_ASSERT(table.find(key)->revision == row.revision);
      }
    }
    const auto back = TableState::decode(table.encode(20));
    RC_ASSERT(back.has_value());
    RC_ASSERT(text(*back) == text(table));
  }));
}

}  // namespace
}  // namespace sluice::broker
