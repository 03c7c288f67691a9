#include "image/pipeline.hpp"

#include <doctest/doctest.h>

#include "cloudos/limits.hpp"
#include "image/world.hpp"

using namespace cloudos;

namespace {

std::vector<std::byte> noise(std::size_t size) {
  std::vector<std::byte> bytes(size);
  std::uint32_t state = 1;
  for (std::byte& one : bytes) {
    state = state * 1'664'525 + 1'013'904'223;
    one = static_cast<std::byte>(state >> 24);
  }
  return bytes;
}

}  // namespace

TEST_CASE("checksums are the same however many threads make them, at every length") {
  const auto bytes = noise(limits::kImageHashAlone + 20 * limits::kImageChunkBytes + 7);
  const std::size_t lengths[] = {0, 1, limits::kImageHashAlone, limits::kImageHashAlone + 1,
                                 bytes.size()};
  const SystemClock clock;
  for (const unsigned threads : {0u, 1u, 4u}) {
    Executor executor(clock, threads);
    for (const std::size_t length : lengths) {
      CAPTURE(threads);
      CAPTURE(length);
      auto plain = image::Digests::make();
      auto pipeline = image::DigestPipeline::make(executor);
      REQUIRE(plain);
      REQUIRE(pipeline);
      const auto all = std::span(bytes).first(length);
      REQUIRE(plain->update(all));
      for (std::size_t at = 0; at < length; at += limits::kImageChunkBytes) {
        const auto count = std::min(limits::kImageChunkBytes, length - at);
        REQUIRE((*pipeline)->update(all.subspan(at, count)));
      }
      const auto expected = plain->finish(), got = (*pipeline)->finish();
      REQUIRE(got);
      CHECK(got->md5 == expected->md5);
      CHECK(got->sha512 == expected->sha512);
    }
    executor.stop(std::chrono::seconds(10));
  }
}

TEST_CASE("threads that never come hold up no upload") {
  const auto bytes = noise(limits::kImageChunkBytes);
  const SystemClock clock;
  Executor executor(clock, 1);
  std::atomic<bool> go{false};
  executor.post([&] {
    while (!go) std::this_thread::yield();
  });
  auto plain = image::Digests::make();
  auto pipeline = image::DigestPipeline::make(executor);
  REQUIRE(pipeline);
  for (int i = 0; i < 40; ++i) {
    REQUIRE(plain->update(bytes));
    REQUIRE((*pipeline)->update(bytes));
  }
  CHECK((*pipeline)->finish()->sha512 == plain->finish()->sha512);
  go = true;
  executor.stop(std::chrono::seconds(10));
}

TEST_CASE("an upload that is given up leaves its hashes to nobody") {
  const auto bytes = noise(limits::kImageChunkBytes);
  const SystemClock clock;
  Executor executor(clock, 2);
  for (int round = 0; round < 20; ++round) {
    auto pipeline = image::DigestPipeline::make(executor);
    REQUIRE(pipeline);
    for (int i = 0; i < 18 + round % 5; ++i) REQUIRE((*pipeline)->update(bytes));
  }
  executor.stop(std::chrono::seconds(10));
}
