// The codecs. Invariants: a decompressor never makes its output larger than the caller's bound, and what it allocates
// for itself is fixed, whatever the input claims (zstd runs in one pass, without a window of its own; LZ4 frames are
// read by lz4_frame.h). Contexts belong to the thread, are made on first use and live as long as it.
//
// Xerial's framing of snappy, all numbers big endian:
//   0x82 'S' 'N' 'A' 'P' 'P' 'Y' 0 | version i32 = 1 | compatible i32 = 1 | { size i32 | raw snappy }...
// Source: snappy-java's SnappyOutputStream. Streams that were joined repeat the 16 bytes before a block.
#include "protocol/base/compression.h"

#include <libdeflate.h>
#include <lz4frame.h>
#include <snappy.h>
#include <zstd.h>
#include <zstd_errors.h>

#include <array>
#include <memory>
#include <string>

#include "protocol/base/bounded_output.h"
#include "protocol/base/lz4_frame.h"

namespace sluice {
namespace {

constexpr int kGzipLevel = 6;
constexpr int kZstdLevel = 3;
constexpr std::size_t kXerialHeaderSize = 16;
constexpr std::size_t kXerialBlock = std::size_t{32} << 10;  // as the Java client writes
constexpr std::size_t kSnappyMostExpansion = 22;             // 3 bytes copy at most 64
constexpr std::array<unsigned char, kXerialHeaderSize> kXerialHeader = {0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0,
                                                                        0,    0,   0,   1,   0,   0,   0,   1};

template <auto free_function>
struct Free {
  template <class T>
  void operator()(T* context) const {
    free_function(context);
  }
};
template <class T, auto free_function>
using Context = std::unique_ptr<T, Free<free_function>>;

/// What a thread keeps from one call to the next.
struct ThreadContexts {
  Context<libdeflate_compressor, libdeflate_free_compressor> gzip_out;
  Context<libdeflate_decompressor, libdeflate_free_decompressor> gzip_in;
  Context<LZ4F_cctx, LZ4F_freeCompressionContext> lz4_out;
  Context<ZSTD_CCtx, ZSTD_freeCCtx> zstd_out;
  Context<ZSTD_DCtx, ZSTD_freeDCtx> zstd_in;
};
ThreadContexts& contexts() {
  thread_local ThreadContexts mine;
  return mine;
}

tl::unexpected<Error> refused(const char* codec, std::string_view why) {
  return fail(Errc::internal, std::string(codec) + " can't compress: " + std::string(why));
}
tl::unexpected<Error> corrupt(const char* codec, std::string_view why) {
  return fail(Errc::corrupt, std::string(codec) + ": " + std::string(why));
}
tl::unexpected<Error> beyond(const char* codec, std::size_t max_bytes) {
  return fail(Errc::too_large,
              std::string(codec) + ": decompresses to more than " + std::to_string(max_bytes) + " bytes");
}

// --- gzip ---

Result<std::vector<std::byte>> gzip(ByteSpan plain) {
  auto& context = contexts().gzip_out;
  if (!context) context.reset(libdeflate_alloc_compressor(kGzipLevel));
  if (!context) return refused("gzip", "out of memory");
  std::vector<std::byte> out(libdeflate_gzip_compress_bound(context.get(), plain.size()));
  const std::size_t size = libdeflate_gzip_compress(context.get(), plain.data(), plain.size(), out.data(), out.size());
  if (size == 0) return refused("gzip", "its bound did not hold");
  out.resize(size);
  return out;
}

/// One member after another, as `cat a.gz b.gz` gives them.
Result<void> gunzip(ByteSpan compressed, BoundedOutput& out) {
  auto& context = contexts().gzip_in;
  if (!context) context.reset(libdeflate_alloc_decompressor());
  if (!context) return fail(Errc::internal, "gzip: out of memory");
  // The last four bytes claim the last member's size.
  out.start(compressed.size(),
            compressed.size() < 4 ? 0 : load_le<std::uint32_t>(compressed.data() + compressed.size() - 4));
  while (!compressed.empty()) {
    std::size_t read = 0;
    std::size_t written = 0;
    const libdeflate_result result = libdeflate_gzip_decompress_ex(context.get(), compressed.data(), compressed.size(),
                                                                   out.end(), out.room(), &read, &written);
    if (result == LIBDEFLATE_INSUFFICIENT_SPACE) {
      if (!out.grow()) return beyond("gzip", out.max_bytes());
      continue;
    }
    if (result != LIBDEFLATE_SUCCESS) return corrupt("gzip", "a member does not decode");
    out.advance(written);
    compressed = compressed.subspan(read);
  }
  return {};
}

// --- snappy ---

Result<std::vector<std::byte>> snappy_compress(ByteSpan plain) {
  const std::size_t blocks = plain.size() / kXerialBlock + 1;
  std::vector<std::byte> out(kXerialHeaderSize + blocks * (4 + snappy::MaxCompressedLength(kXerialBlock)));
  std::ranges::copy(std::as_bytes(std::span(kXerialHeader)), out.begin());
  std::size_t used = kXerialHeaderSize;
  for (; !plain.empty(); plain = plain.subspan(std::min(plain.size(), kXerialBlock))) {
    std::size_t size = 0;
    snappy::RawCompress(reinterpret_cast<const char*>(plain.data()), std::min(plain.size(), kXerialBlock),
                        reinterpret_cast<char*>(out.data() + used + 4), &size);
    store_be(out.data() + used, static_cast<std::int32_t>(size));
    used += 4 + size;
  }
  out.resize(used);
  return out;
}

/// Appends one raw snappy block. Its claim is believed only as far as its size could bear out.
Result<void> unsnap_block(ByteSpan block, BoundedOutput& out) {
  const auto* from = reinterpret_cast<const char*>(block.data());
  std::size_t size = 0;
  if (!snappy::GetUncompressedLength(from, block.size(), &size) || size / kSnappyMostExpansion > block.size()) {
    return corrupt("snappy", "a block's length is impossible");
  }
  out.make_room(size);
  if (out.room() < size) return beyond("snappy", out.max_bytes());
  if (!snappy::RawUncompress(from, block.size(), reinterpret_cast<char*>(out.end()))) {
    return corrupt("snappy", "a block does not decode");
  }
  out.advance(size);
  return {};
}

bool opens_xerial(ByteSpan bytes) {
  return bytes.size() >= kXerialHeaderSize &&
         std::ranges::equal(bytes.first(8), std::as_bytes(std::span(kXerialHeader)).first(8));
}

Result<void> unsnap(ByteSpan compressed, BoundedOutput& out) {
  if (!opens_xerial(compressed)) return unsnap_block(compressed, out);
  out.start(compressed.size(), 0);
  while (!compressed.empty()) {
    if (opens_xerial(compressed)) {
      compressed = compressed.subspan(kXerialHeaderSize);
      continue;
    }
    ByteReader in(compressed);
    const std::uint32_t size = in.be<std::uint32_t>();
    const ByteSpan block = in.take(size);
    if (in.failed()) return corrupt("snappy", "a block is cut short");
    if (auto ok = unsnap_block(block, out); !ok) return ok;
    compressed = compressed.subspan(4 + block.size());
  }
  return {};
}

// --- lz4 ---

Result<std::vector<std::byte>> lz4(ByteSpan plain) {
  auto& context = contexts().lz4_out;
  if (!context) {
    LZ4F_cctx* made = nullptr;
    if (LZ4F_isError(LZ4F_createCompressionContext(&made, LZ4F_VERSION))) return refused("lz4", "out of memory");
    context.reset(made);
  }
  LZ4F_preferences_t preferences{};
  preferences.frameInfo.blockSizeID = LZ4F_max64KB;
  preferences.frameInfo.blockMode = LZ4F_blockIndependent;  // Java clients read no other
  preferences.autoFlush = 1;
  std::vector<std::byte> out(LZ4F_HEADER_SIZE_MAX + LZ4F_compressBound(plain.size(), &preferences));
  std::size_t used = 0;
  const auto step = [&](std::size_t result) {
    if (LZ4F_isError(result)) return false;
    used += result;
    return true;
  };
  LZ4F_cctx* const c = context.get();
  if (!step(LZ4F_compressBegin(c, out.data(), out.size(), &preferences)) ||
      !step(LZ4F_compressUpdate(c, out.data() + used, out.size() - used, plain.data(), plain.size(), nullptr)) ||
      !step(LZ4F_compressEnd(c, out.data() + used, out.size() - used, nullptr))) {
    context.reset();  // it may be in the middle of a frame
    return refused("lz4", "its bound did not hold");
  }
  out.resize(used);
  return out;
}

// --- zstd ---

Result<std::vector<std::byte>> zstd(ByteSpan plain) {
  auto& context = contexts().zstd_out;
  if (!context) context.reset(ZSTD_createCCtx());
  if (!context) return refused("zstd", "out of memory");
  std::vector<std::byte> out(ZSTD_compressBound(plain.size()));
  const std::size_t size =
      ZSTD_compressCCtx(context.get(), out.data(), out.size(), plain.data(), plain.size(), kZstdLevel);
  if (ZSTD_isError(size)) return refused("zstd", ZSTD_getErrorName(size));
  out.resize(size);
  return out;
}

Result<void> unzstd(ByteSpan compressed, BoundedOutput& out) {
  auto& context = contexts().zstd_in;
  if (!context) context.reset(ZSTD_createDCtx());
  if (!context) return fail(Errc::internal, "zstd: out of memory");
  unsigned long long claim = ZSTD_getFrameContentSize(compressed.data(), compressed.size());
  if (claim == ZSTD_CONTENTSIZE_ERROR) return corrupt("zstd", "no frame");
  if (claim == ZSTD_CONTENTSIZE_UNKNOWN) claim = 0;
  if (claim > out.max_bytes()) return beyond("zstd", out.max_bytes());
  out.start(compressed.size(), static_cast<std::size_t>(claim));
  while (true) {
    const std::size_t size =
        ZSTD_decompressDCtx(context.get(), out.end(), out.room(), compressed.data(), compressed.size());
    if (!ZSTD_isError(size)) {
      out.advance(size);
      return {};
    }
    if (ZSTD_getErrorCode(size) != ZSTD_error_dstSize_tooSmall) return corrupt("zstd", ZSTD_getErrorName(size));
    if (!out.grow()) return beyond("zstd", out.max_bytes());
  }
}

tl::unexpected<Error> unknown(Codec codec) {
  return fail(Errc::unsupported, "codec " + std::to_string(static_cast<int>(codec)) + " is none of 0-4");
}

Result<void> decompress_into(Codec codec, ByteSpan compressed, BoundedOutput& out) {
  switch (codec) {
    case Codec::none: break;
    case Codec::gzip: return gunzip(compressed, out);
    case Codec::snappy: return unsnap(compressed, out);
    case Codec::lz4: return read_lz4_frames(compressed, out);
    case Codec::zstd: return unzstd(compressed, out);
  }
  return unknown(codec);
}

}  // namespace

Result<std::vector<std::byte>> compress(Codec codec, ByteSpan plain) {
  switch (codec) {
    case Codec::none: return std::vector<std::byte>(plain.begin(), plain.end());
    case Codec::gzip: return gzip(plain);
    case Codec::snappy: return snappy_compress(plain);
    case Codec::lz4: return lz4(plain);
    case Codec::zstd: return zstd(plain);
  }
  return unknown(codec);
}

Result<void> decompress(Codec codec, ByteSpan compressed, std::size_t max_bytes, std::vector<std::byte>& out) {
  out.clear();
  if (codec == Codec::none) {
    if (compressed.size() > max_bytes) return beyond("uncompressed", max_bytes);
    out.assign(compressed.begin(), compressed.end());
    return {};
  }
  if (compressed.empty()) return corrupt("compressed data", "is empty");
  BoundedOutput output(out, max_bytes);
  Result<void> result = decompress_into(codec, compressed, output);
  output.finish();
  return result;
}

}  // namespace sluice
