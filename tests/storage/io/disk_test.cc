#include "storage/io/disk.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <utility>

#include "storage/io/posix_names.h"

namespace sluice::storage {
namespace {

TEST(AlignedBuffer, IsAlignedAndZeroed) {
  for (const std::size_t size :
       {std::size_t{1}, kDiskBlock, std::size_t{100'000}, std::size_t{2} << 20, (std::size_t{2} << 20) + 5}) {
    const AlignedBuffer buffer(size);
    const std::size_t alignment = size >= std::size_t{2} << 20 ? std::size_t{2} << 20 : kDiskBlock;
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(buffer.data()) % alignment, 0U) << size;
    EXPECT_EQ(buffer.size(), size);
    EXPECT_TRUE(std::all_of(buffer.data(), buffer.data() + size, [](std::byte b) { return b == std::byte{0}; }));
  }
}

TEST(AlignedBuffer, Moves) {
  AlignedBuffer a(kDiskBlock);
  std::byte* data = a.data();
  AlignedBuffer b(std::move(a));
  EXPECT_EQ(b.data(), data);
  AlignedBuffer c(10);
  c = std::move(b);
  EXPECT_EQ(c.data(), data);
  EXPECT_EQ(c.size(), kDiskBlock);
  EXPECT_EQ(AlignedBuffer().data(), nullptr);
}

TEST(PosixError, TellsFullDisksAndMissingFilesApart) {
  EXPECT_EQ(posix_error("x", ENOSPC).code, Errc::no_space);
  EXPECT_EQ(posix_error("x", EDQUOT).code, Errc::no_space);
  EXPECT_EQ(posix_error("x", ENOENT).code, Errc::not_found);
  EXPECT_EQ(posix_error("x", EIO).code, Errc::io_error);
  EXPECT_EQ(posix_error(describe_transfer("write", "/path", 4096, 512), ENOSPC).message,
            "write /path at 4096 (512 bytes): No space left on device");
}

}  // namespace
}  // namespace sluice::storage
