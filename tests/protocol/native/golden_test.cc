// What foreign code wrote is byte for byte what ours writes, for every kind; the conversations of docs/protocol.md hold
// together, and stand in it as they are tested.
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <sstream>

#include "protocol/base/record_batch.h"
#include "protocol/native/batches.h"
#include "protocol/native/error_codes.h"
#include "protocol/native/headers.h"
#include "tests/protocol/native/flatten.h"
#include "tests/protocol/native/frames_file.h"
#include "tests/protocol/native/samples.h"

namespace sluice::native {
namespace {

std::string hex(ByteSpan bytes) {
  static constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out;
  for (const std::byte byte : bytes) {
    out += kDigits[static_cast<std::size_t>(byte) >> 4];
    out += kDigits[static_cast<std::size_t>(byte) & 15];
  }
  return out;
}

const TextFrame* vector_of(FrameKind kind) {
  for (const TextFrame& vector : foreign_vectors()) {
    if (vector.kind == kind_name(kind)) return &vector;
  }
  return nullptr;
}

TEST(Golden, ForeignCodeWritesTheSameBytesForEveryKind) {
  std::set<FrameKind> seen;
  for (const Sample& sample : samples()) {
    seen.insert(sample.kind);
    const TextFrame* vector = vector_of(sample.kind);
    ASSERT_NE(vector, nullptr) << kind_name(sample.kind);
    EXPECT_EQ(hex(flatten(sample.encoded())), hex(vector->bytes())) << vector->kind;
  }
  EXPECT_EQ(seen.size(), kKinds.size());
  EXPECT_EQ(foreign_vectors().size(), kKinds.size());
}

/// What holds for any frame: the parts say what the words beside them say, and write back to the same bytes.
void check_frame(const TextFrame& text) {
  SCOPED_TRACE(text.who + " " + text.kind);
  ASSERT_EQ(text.prefix.size(), kPrefixBytes);
  const Frame frame = text.parsed();
  const KindInfo* info = find_kind(frame.kind);
  ASSERT_NE(info, nullptr);
  EXPECT_EQ(info->name, text.kind);
  EXPECT_EQ(frame.id, text.id);
  EXPECT_TRUE(text.from_client ? info->from_client() : info->from_node());
  EXPECT_EQ(hex(frame.header), hex(text.header));
  EXPECT_EQ(hex(frame.payload), hex(text.payload));
  if (info->id == IdOf::nothing) EXPECT_EQ(frame.id, 0U);
  visit_header(frame.kind, [&](auto message) {
    ASSERT_TRUE(parse_header(frame, message));
    const SharedBytes payload = frame.share(frame.payload);
    EXPECT_EQ(hex(flatten(encode_frame(frame.kind, frame.id, message, std::span(&payload, 1)))), hex(text.bytes()));
  });
}

TEST(Golden, VectorsReadAsTheySay) {
  for (const TextFrame& vector : foreign_vectors()) check_frame(vector);
}

TEST(Transcripts, EveryFrameReadsAsItSays) {
  for (const std::string& file : transcript_files()) {
    SCOPED_TRACE(file);
    const std::vector<TextFrame> frames = parse_frames(read_text(file));
    EXPECT_GE(frames.size(), 6U);
    for (const TextFrame& frame : frames) check_frame(frame);
  }
}

TEST(Transcripts, BatchesInThemAreWholeAndWhereTheirPartsSay) {
  std::size_t batches = 0;
  for (const std::string& file : transcript_files()) {
    for (const TextFrame& text : parse_frames(read_text(file))) {
      const Frame frame = text.parsed();
      if (frame.kind == FrameKind::publish) {
        pb::Publish message;
        ASSERT_TRUE(parse_header(frame, message));
        const auto parts = read_publish(frame, message);
        ASSERT_TRUE(parts) << parts.error().message;
        for (const PublishedBatch& part : *parts) {
          EXPECT_TRUE(validate_batch(part.batch, {}));
          ++batches;
        }
      } else if (frame.kind == FrameKind::deliver) {
        pb::Deliver message;
        ASSERT_TRUE(parse_header(frame, message));
        const auto parts = read_deliver(frame, message);
        ASSERT_TRUE(parts) << parts.error().message;
        for (const DeliveredPart& part : *parts) {
          Offset next = part.base_offset;
          for (ByteSpan left = part.batches; !left.empty(); ++batches) {
            const auto header = parse_batch_header(left);
            ASSERT_TRUE(header);
            EXPECT_EQ(header->base_offset, next);
            EXPECT_EQ(header->leader_epoch, part.leader_epoch);
            EXPECT_TRUE(batch_crc_holds(left.first(header->size_bytes)));
            next = header->next_offset();
            left = left.subspan(header->size_bytes);
          }
          EXPECT_LE(next, part.high_watermark);
        }
      }
    }
  }
  EXPECT_EQ(batches, 9U);
}

TEST(Transcripts, EveryQuestionIsAnsweredWithItsId) {
  const std::map<FrameKind, std::set<FrameKind>> answers = {
      {FrameKind::hello, {FrameKind::welcome, FrameKind::error}},
      {FrameKind::layout, {FrameKind::layout_reply}},
      {FrameKind::watch_layout, {FrameKind::layout_changed}},
      {FrameKind::ping, {FrameKind::pong}},
      {FrameKind::init_producer, {FrameKind::producer}},
      {FrameKind::publish, {FrameKind::published}},
      {FrameKind::subscribe, {FrameKind::subscribed}},
      {FrameKind::seek, {FrameKind::sought}},
      {FrameKind::unsubscribe, {FrameKind::unsubscribed}},
      {FrameKind::serve, {FrameKind::serving}},
      {FrameKind::unserve, {FrameKind::unserved}},
      {FrameKind::request, {FrameKind::response, FrameKind::error}}};
  for (const std::string& file : transcript_files()) {
    const std::vector<TextFrame> frames = parse_frames(read_text(file));
    for (std::size_t i = 0; i < frames.size(); ++i) {
      const auto expected = answers.find(frames[i].parsed().kind);
      if (!frames[i].from_client || expected == answers.end() || frames[i].id == 0) continue;
      bool answered = false;
      for (std::size_t j = i + 1; j < frames.size() && !answered; ++j) {
        answered = frames[j].who == frames[i].who && !frames[j].from_client && frames[j].id == frames[i].id &&
                   expected->second.contains(frames[j].parsed().kind);
      }
      EXPECT_TRUE(answered) << file << ": " << frames[i].kind << " " << frames[i].id;
    }
  }
}

TEST(Document, QuotesTheTranscripts) {
  const std::string document = read_text("docs/protocol.md");
  for (const std::string& file : transcript_files()) {
    EXPECT_NE(document.find("```\n" + read_text(file) + "```\n"), std::string::npos)
        << file << " does not stand in docs/protocol.md as it is";
  }
}

/// Rows `| NUMBER | \`NAME\` |` of the document's tables.
std::set<std::pair<std::uint32_t, std::string>> numbered_rows(const std::string& document) {
  std::set<std::pair<std::uint32_t, std::string>> rows;
  std::istringstream lines(document);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string bar, name;
    std::uint32_t number = 0;
    if (words >> bar >> number >> bar >> name && bar == "|" && name.size() > 2 && name.front() == '`') {
      rows.emplace(number, name.substr(1, name.size() - 2));
    }
  }
  return rows;
}

TEST(Document, ListsEveryKindAndEveryErrorCode) {
  std::set<std::pair<std::uint32_t, std::string>> expected;
  for (const KindInfo& info : kKinds) expected.emplace(static_cast<std::uint32_t>(info.kind), info.name);
  for (const ErrorInfo& info : error_codes()) expected.emplace(static_cast<std::uint32_t>(info.code), info.name);
  EXPECT_EQ(numbered_rows(read_text("docs/protocol.md")), expected);
}

TEST(Document, NamesEveryFieldOfEveryMessage) {
  const std::string document = read_text("docs/protocol.md");
  for (const char* family : {"session", "layout", "publish", "subscribe", "request", "topics"}) {
    std::istringstream lines(read_text(std::string("protocol/native/") + family + ".proto"));
    for (std::string line; std::getline(lines, line);) {
      const std::size_t equals = line.find(" = ");
      const std::size_t end = line.find(';');
      if (line.substr(0, 2) != "  " || equals == std::string::npos || end == std::string::npos || equals > end)
        continue;
      if (line.find("//") < equals || line.find("enum") < equals) continue;
      const std::size_t begin = line.rfind(' ', equals - 1) + 1;
      const std::string field = line.substr(begin, equals - begin);
      if (field[0] >= 'A' && field[0] <= 'Z') continue;  // a value of an enum
      EXPECT_NE(document.find("`" + field + "`"), std::string::npos) << family << ".proto: " << field;
    }
  }
}

}  // namespace
}  // namespace sluice::native
